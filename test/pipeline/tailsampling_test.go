package pipeline_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/pipeline/load"
	"github.com/kubetracing/kubetracing/test/pipeline/rig"
)

func TestCollector_TailSampling(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	pipeline, err := rig.New(rig.Spec{
		Folder: t.TempDir(),
		Jaeger: tracing.JaegerSpec{Storage: tracing.StorageMemory, MaxTraces: 10_000},
		Collector: tracing.CollectorSpec{
			TailSampling: &tracing.TailSampling{SlowMilliseconds: 500, Rate: 250_000, Wait: "1s"},
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, pipeline.Kill()) })
	require.NoError(t, pipeline.Start(ctx))

	const traces = 1000
	kept := func(shape load.Shape) int {
		shape.Spans, shape.Start = 2, time.Now()
		sender := &load.Sender{
			Address: pipeline.Collector.OTLPGRPC, Shape: shape, Requests: traces / 50, Traces: 50, Workers: 2, Retry: true,
		}
		numbers, err := sender.Send(ctx)
		require.NoError(t, err)
		missing, err := load.WaitStored(ctx, pipeline.Jaeger.QueryURL, shape, numbers, 8*time.Second)
		require.NoError(t, err)
		return traces - len(missing)
	}
	assert.Equal(t, traces, kept(load.Shape{Run: 1, Failed: true}), "traces with an error")
	assert.Equal(t, traces, kept(load.Shape{Run: 2, Lasts: 600 * time.Millisecond}), "slow traces")
	// The choice is a hash of the trace id, so it is the same in every run.
	assert.InDelta(t, traces/4, kept(load.Shape{Run: 3}), traces/20, "the share of the rest")
}
