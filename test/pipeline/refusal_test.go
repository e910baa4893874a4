package pipeline_test

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/pipeline/load"
	"github.com/kubetracing/kubetracing/test/pipeline/rig"
)

// Above the memory limit the Collector refuses spans: the sender gets an error, the
// Collector counts and logs it, and what it accepted arrives all the same.
func TestCollector_MemoryLimit(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	pipeline, err := rig.New(rig.Spec{
		Folder:    t.TempDir(),
		Jaeger:    tracing.JaegerSpec{Storage: tracing.StorageMemory, MaxTraces: 1_000_000},
		Collector: tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax},
		Overrides: map[string]string{
			// Low enough that a test reaches it, and checked often enough to notice.
			"processors::memory_limiter": "{check_interval: 20ms, limit_mib: 90, spike_limit_mib: 30}",
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, pipeline.Kill()) })
	// Without Jaeger the Collector must hold what it accepts.
	require.NoError(t, pipeline.Collector.Start(ctx))
	sender := &load.Sender{
		Address:  pipeline.Collector.OTLPGRPC,
		Shape:    load.Shape{Run: uint64(time.Now().UnixNano()), Spans: 10, Start: time.Now()},
		Requests: 250, Traces: 50, Workers: 4,
	}
	acknowledged, err := sender.Send(ctx)
	require.NoError(t, err)
	refused, last := sender.Failures()
	require.Positive(t, refused, "the limit was not reached")
	require.ErrorContains(t, last, "data refused due to high memory usage")
	assert.Equal(t, sender.Requests*sender.Traces, len(acknowledged)+refused*sender.Traces, "each request is one or the other")

	assert.InDelta(t, refused*sender.Traces*sender.Shape.Spans,
		counter(t, pipeline.Collector.MetricsURL, "otelcol_receiver_refused_spans"), 0, "the Collector counts what it refuses")
	log, err := os.ReadFile(pipeline.Collector.LogPath())
	require.NoError(t, err)
	assert.Contains(t, string(log), "Memory usage is above soft limit. Refusing data.")

	require.NoError(t, pipeline.Jaeger.Start(ctx))
	lost, err := load.WaitStored(ctx, pipeline.Jaeger.QueryURL, sender.Shape, acknowledged, 30*time.Second)
	require.NoError(t, err)
	assert.Empty(t, lost, "accepted, but not in Jaeger")
	t.Logf("traces sent %d, acknowledged %d, refused %d, lost %d",
		sender.Requests*sender.Traces, len(acknowledged), refused*sender.Traces, len(lost))
}

// counter returns the sum of a counter over its labels, with or without _total.
func counter(t *testing.T, url, name string) float64 {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	sum, lines := 0.0, 0
	for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
		line := scanner.Text()
		if !strings.HasPrefix(line, name) {
			continue
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		require.NoError(t, err)
		sum, lines = sum+value, lines+1
	}
	require.Positive(t, lines, "no metric %s", name)
	return sum
}
