package processes_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/internal/environment"
	"github.com/kubetracing/kubetracing/test/processes"
)

func TestMain(m *testing.M) { os.Exit(environment.Run(m)) }

const traceID = "5b8efff798038103d269b633813fc60c"

// span is one span in OTLP/JSON.
//
// Source: opentelemetry-proto examples/trace.json.
const span = `{"resourceSpans": [{
	"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "processes"}}]},
	"scopeSpans": [{"spans": [{
		"traceId": "` + traceID + `", "spanId": "eee19b7ec3c1b174", "name": "greet", "kind": 1,
		"startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000"
	}]}]
}]}`

// pair returns the rendered pipeline: a Collector that exports to a Jaeger.
func pair(t *testing.T) (*processes.CollectorProcess, *processes.JaegerProcess) {
	t.Helper()
	jaegerConfig, err := tracing.RenderJaeger(tracing.JaegerSpec{Storage: tracing.StorageMemory, MaxTraces: 1000})
	require.NoError(t, err)
	jaeger, err := processes.NewJaeger(processes.Options{Folder: t.TempDir(), Config: jaegerConfig})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, jaeger.Kill()) })
	collectorConfig, err := tracing.RenderCollector(tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax})
	require.NoError(t, err)
	collector, err := processes.NewCollector(processes.Options{
		Folder: t.TempDir(), Config: collectorConfig,
		Overrides: map[string]string{"exporters::otlp_grpc/jaeger::endpoint": jaeger.OTLPGRPC},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, collector.Kill()) })
	return collector, jaeger
}

// withTimeout returns a context for a start or a stop.
func withTimeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func send(t *testing.T, collector *processes.CollectorProcess) {
	t.Helper()
	response, err := http.Post("http://"+collector.OTLPHTTP+"/v1/traces", "application/json", strings.NewReader(span))
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// status requests the trace from Jaeger and returns the status code.
func status(t *testing.T, jaeger *processes.JaegerProcess) int {
	t.Helper()
	response, err := http.Get(jaeger.QueryURL + "/api/traces/" + traceID)
	require.NoError(t, err)
	response.Body.Close()
	return response.StatusCode
}

func TestProcess_Pipeline(t *testing.T) {
	collector, jaeger := pair(t)
	require.NoError(t, jaeger.Start(withTimeout(t)))
	require.NoError(t, collector.Start(withTimeout(t)))
	send(t, collector)
	require.Eventually(t, func() bool { return status(t, jaeger) == http.StatusOK }, 10*time.Second, 50*time.Millisecond)

	for _, process := range []*processes.Process{collector.Process, jaeger.Process} {
		usage, err := process.Usage()
		require.NoError(t, err)
		assert.Positive(t, usage.CPU)
		assert.Greater(t, usage.Memory, uint64(1<<20))
	}
	response, err := http.Get(collector.MetricsURL)
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, http.StatusOK, response.StatusCode)
	require.NoError(t, collector.Stop(withTimeout(t)))
	require.NoError(t, jaeger.Stop(withTimeout(t)))
}

func TestProcess_RestartAfterKill(t *testing.T) {
	_, jaeger := pair(t)
	require.NoError(t, jaeger.Start(withTimeout(t)))
	require.NoError(t, jaeger.Kill())
	_, err := http.Get(jaeger.QueryURL)
	require.ErrorContains(t, err, "connection refused")
	_, err = jaeger.Usage()
	require.ErrorContains(t, err, "is not running")
	require.NoError(t, jaeger.Start(withTimeout(t)))
	assert.Equal(t, http.StatusNotFound, status(t, jaeger), "memory is empty after a kill")
}

func TestProcess_FailedStart(t *testing.T) {
	collector, err := processes.NewCollector(processes.Options{Folder: t.TempDir(), Config: "exporters: {logging: {}}"})
	require.NoError(t, err)
	require.ErrorContains(t, collector.Start(withTimeout(t)), "use the debug exporter instead")
	require.NoError(t, collector.Kill(), "it is not running any more")
}
