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

// Every event kills at this share of the requests, so that traces are on every
// stage of their way whenever one happens.
const (
	requests        = 400
	tracesPerEach   = 20
	eventsPerRun    = 4
	quietBeforeLoss = 10 * time.Second
)

// event is something that happens to the pipeline in the middle of a load.
type event struct {
	name string
	do   func(*rig.Rig, context.Context) error
}

func killCollector(r *rig.Rig, ctx context.Context) error {
	if err := r.Collector.Kill(); err != nil {
		return err
	}
	return r.Collector.Start(ctx)
}

func killJaeger(r *rig.Rig, ctx context.Context) error {
	if err := r.Jaeger.Kill(); err != nil {
		return err
	}
	// Long enough that the Collector's queue fills and its retries begin.
	time.Sleep(2 * time.Second)
	return r.Jaeger.Start(ctx)
}

func killBoth(r *rig.Rig, ctx context.Context) error {
	if err := r.Kill(); err != nil {
		return err
	}
	return r.Start(ctx)
}

func restartBoth(r *rig.Rig, ctx context.Context) error {
	if err := r.Collector.Stop(ctx); err != nil {
		return err
	}
	if err := r.Jaeger.Stop(ctx); err != nil {
		return err
	}
	return r.Start(ctx)
}

// slowJaeger is a Jaeger that is there and does not answer: connections stay open,
// exports time out.
func slowJaeger(r *rig.Rig, _ context.Context) error {
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

// outcome is what became of the traces of one run.
type outcome struct {
	sent, acknowledged int
	failedAttempts     int
	lost               []uint64
}

// account sends traces while an event happens to the pipeline, again and again,
// and asks Jaeger which of the acknowledged ones it has in the end.
func account(t *testing.T, spec rig.Spec, during event) outcome {
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
	type result struct {
		numbers []uint64
		err     error
	}
	sent := make(chan result, 1)
	go func() {
		numbers, err := sender.Send(ctx)
		sent <- result{numbers, err}
	}()
	for i := 1; i < eventsPerRun; i++ {
		require.Eventually(t, func() bool { return sender.Acknowledged() >= i*requests/eventsPerRun },
			time.Minute, time.Millisecond, "%s: the load does not go on", during.name)
		require.NoError(t, during.do(pipeline, ctx), during.name)
	}
	all := <-sent
	require.NoError(t, all.err)
	lost, err := load.WaitStored(ctx, pipeline.Jaeger.QueryURL, sender.Shape, all.numbers, quietBeforeLoss)
	require.NoError(t, err)
	failures, _ := sender.Failures()
	return outcome{sent: requests * tracesPerEach, acknowledged: len(all.numbers), failedAttempts: failures, lost: lost}
}

// The whole point of queues on disk and of badger: what was acknowledged arrives,
// whoever is killed. In memory the same events do lose traces, which shows that
// the account would notice.
func TestAcknowledgedTracesSurviveEveryKill(t *testing.T) {
	table := &strings.Builder{}
	writer := tabwriter.NewWriter(table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(writer, "mode\tevent, 3 times under load\tsent\tacknowledged\tfailed attempts\tlost")
	defer func() {
		writer.Flush()
		t.Log("traces by what became of them:\n" + table.String())
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
			assert.Equal(t, result.sent, result.acknowledged, "every request is sent until it is acknowledged")
			assert.Empty(t, result.lost, "acknowledged, but not in Jaeger")
		})
	}
	for _, during := range events[:3] {
		t.Run("in memory: "+during.name, func(t *testing.T) {
			result := account(t, inMemory, during)
			report(writer, "memory, queue in memory", during, result)
			assert.Equal(t, result.sent, result.acknowledged)
			if during.name == "kill -9 of Jaeger" {
				assert.NotEmpty(t, result.lost, "memory cannot survive: the account sees nothing")
			}
		})
	}
}

func report(writer *tabwriter.Writer, mode string, during event, result outcome) {
	fmt.Fprintf(writer, "%s\t%s\t%d\t%d\t%d\t%d%s\n", mode, during.name, result.sent, result.acknowledged,
		result.failedAttempts, len(result.lost), ranges(result.lost))
}

// ranges names the lost traces, as (12-20, 33), at most five ranges of them.
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
