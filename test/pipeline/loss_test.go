package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/pipeline/load"
	"github.com/kubetracing/kubetracing/test/pipeline/rig"
)

const (
	requests      = 400
	tracesPerEach = 20
	// settleTime without a further trace means that the rest is lost.
	settleTime = 10 * time.Second
)

// eventShares are the shares of the requests at which an event happens: traces are
// at every stage of their way then.
var eventShares = []float64{0.25, 0.5, 0.75}

// event is something that happens to the pipeline in the middle of a load.
type event struct {
	name string
	do   func(context.Context, *rig.Rig) error
}

func killCollector(ctx context.Context, r *rig.Rig) error {
	if err := r.Collector.Kill(); err != nil {
		return err
	}
	return r.Collector.Start(ctx)
}

func killJaeger(ctx context.Context, r *rig.Rig) error {
	if err := r.Jaeger.Kill(); err != nil {
		return err
	}
	// Long enough that the Collector's queue fills and its retries begin.
	time.Sleep(2 * time.Second)
	return r.Jaeger.Start(ctx)
}

func killBoth(ctx context.Context, r *rig.Rig) error {
	if err := r.Kill(); err != nil {
		return err
	}
	return r.Start(ctx)
}

func restartBoth(ctx context.Context, r *rig.Rig) error {
	if err := r.Collector.Stop(ctx); err != nil {
		return err
	}
	if err := r.Jaeger.Stop(ctx); err != nil {
		return err
	}
	return r.Start(ctx)
}

// slowJaeger makes Jaeger stop answering for a while: connections stay open, exports
// time out.
func slowJaeger(_ context.Context, r *rig.Rig) error {
	if err := r.Jaeger.Pause(); err != nil {
		return err
	}
	time.Sleep(6 * time.Second)
	return r.Jaeger.Resume()
}

var events = []event{
	{"kill -9 of the Collector", killCollector},
	{"kill -9 of Jaeger", killJaeger},
	{"Jaeger does not answer for 6 s", slowJaeger},
	{"kill -9 of both", killBoth},
	{"orderly restart of both", restartBoth},
}

// account sends traces while an event happens to the pipeline several times, and
// asks Jaeger which of the acknowledged ones it has in the end.
func account(t *testing.T, spec rig.Spec, during event) load.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	spec.Folder = t.TempDir()
	pipeline, err := rig.New(spec)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, pipeline.Kill()) })
	require.NoError(t, pipeline.Start(ctx))

	sender := &load.Sender{
		Address:  pipeline.Collector.OTLPGRPC,
		Shape:    load.Shape{Run: uint64(time.Now().UnixNano()), Spans: 3, Start: time.Now()},
		Requests: requests, Traces: tracesPerEach, Workers: 4, Retry: true, Pause: 5 * time.Millisecond,
	}
	do := func() error { return during.do(ctx, pipeline) }
	outcome, err := sender.Account(ctx, eventShares, do, pipeline.Jaeger.QueryURL, settleTime)
	require.NoError(t, err, during.name)
	return outcome
}

// With queues on disk and badger, what was acknowledged arrives, whichever process is
// killed. In memory the same events do lose traces, which shows that the account
// would notice.
func TestPipeline_Loss(t *testing.T) {
	table := &strings.Builder{}
	writer := tabwriter.NewWriter(table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(writer, "mode\tevent, 3 times under load\tsent\tacknowledged\tfailed attempts\tlost")
	defer func() {
		writer.Flush()
		t.Log("traces:\n" + table.String())
	}()
	persistent := rig.Spec{
		Jaeger:    tracing.JaegerSpec{Storage: tracing.StorageBadger, Retention: "72h0m0s"},
		Collector: tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax, DiskQueue: true},
	}
	inMemory := rig.Spec{
		Jaeger:    tracing.JaegerSpec{Storage: tracing.StorageMemory, MaxTraces: 10 * requests * tracesPerEach},
		Collector: tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax},
	}
	for _, during := range events {
		t.Run("on disk: "+during.name, func(t *testing.T) {
			result := account(t, persistent, during)
			report(writer, "badger, queue on disk", during, result)
			assert.Equal(t, requests*tracesPerEach, result.Acknowledged, "every request is sent until it is acknowledged")
			assert.Empty(t, result.Lost, "acknowledged, but not in Jaeger")
		})
	}
	for _, during := range events[:3] {
		t.Run("in memory: "+during.name, func(t *testing.T) {
			result := account(t, inMemory, during)
			report(writer, "memory, queue in memory", during, result)
			assert.Equal(t, requests*tracesPerEach, result.Acknowledged)
			if during.name == "kill -9 of Jaeger" {
				assert.NotEmpty(t, result.Lost, "memory does not survive a kill: the account must notice")
			}
		})
	}
}

func report(writer *tabwriter.Writer, mode string, during event, result load.Outcome) {
	fmt.Fprintf(writer, "%s\t%s\t%d\t%d\t%d\t%d%s\n", mode, during.name, requests*tracesPerEach, result.Acknowledged,
		result.Failures, len(result.Lost), ranges(result.Lost))
}

// ranges lists the lost traces, as (12-20, 33), at most five ranges of them.
func ranges(numbers []uint64) string {
	if len(numbers) == 0 {
		return ""
	}
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if len(parts) == 5 {
			parts = append(parts, "...")
			break
		}
		if i == j {
			parts = append(parts, fmt.Sprint(numbers[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", numbers[i], numbers[j]))
		}
		i = j + 1
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
