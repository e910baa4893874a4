package controlplane

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/test/processes"
)

// receiver is the Collector's address. Rendered endpoints have the registered OTLP
// ports; a loopback address of its own keeps them apart from a Collector that is
// published on 127.0.0.1. All of 127.0.0.0/8 is loopback on Linux.
const receiver = "127.43.17.18"

// startTimeout bounds the start of a process, spanTimeout the arrival of spans.
const (
	startTimeout = 3 * time.Minute
	spanTimeout  = time.Minute
)

// settleTime is how long after the last expected span an unexpected one would have
// arrived: exporters here send their batches every exportInterval.
const (
	settleTime     = 3 * time.Second
	exportInterval = 200 * time.Millisecond
)

// maxTraces is far more than a case creates.
const maxTraces = 100_000

// batchSpanProcessor shortens the exporters' delay.
//
// Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
var batchSpanProcessor = fmt.Sprintf("OTEL_BSP_SCHEDULE_DELAY=%d", exportInterval.Milliseconds())

// startPipeline starts the rendered Collector and Jaeger and returns a client of
// Jaeger's query API.
func startPipeline(t *testing.T) verify.Client {
	t.Helper()
	jaegerConfig, err := tracing.RenderJaeger(tracing.JaegerSpec{Storage: tracing.StorageMemory, MaxTraces: maxTraces})
	require.NoError(t, err)
	jaeger, err := processes.NewJaeger(processes.Options{Folder: t.TempDir(), Config: jaegerConfig})
	require.NoError(t, err)
	start(t, jaeger.Process)

	collectorConfig, err := tracing.RenderCollector(tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax})
	require.NoError(t, err)
	collector, err := processes.NewCollector(processes.Options{
		Folder: t.TempDir(), Config: collectorConfig,
		Overrides: map[string]string{
			"exporters::otlp_grpc/jaeger::endpoint":      jaeger.OTLPGRPC,
			"receivers::otlp::protocols::grpc::endpoint": fmt.Sprintf("%s:%d", receiver, tracing.OTLPGRPCPort),
			"receivers::otlp::protocols::http::endpoint": fmt.Sprintf("%s:%d", receiver, tracing.OTLPHTTPPort),
		},
	})
	require.NoError(t, err)
	start(t, collector.Process)
	return verify.Client{BaseURL: jaeger.QueryURL}
}

// start starts a process and kills it when the test ends.
func start(t *testing.T, process *processes.Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	require.NoError(t, process.Start(ctx))
	t.Cleanup(func() { assert.NoError(t, process.Kill()) })
}

// verifySpans queries Jaeger until every expectation holds or the time is up.
func verifySpans(t *testing.T, jaeger verify.Client, since time.Time, timeout time.Duration, expectations ...verify.Expectation) verify.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return verify.Check{
		Client: jaeger, Expectations: expectations, Since: since, Interval: exportInterval,
	}.Run(ctx)
}
