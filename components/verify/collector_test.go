package verify_test

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
)

// collectorMetrics is an excerpt of what a Collector 0.161 serves.
const collectorMetrics = `# HELP otelcol_exporter_enqueue_failed_spans_total Number of spans failed to be added to the sending queue. [alpha]
# TYPE otelcol_exporter_enqueue_failed_spans_total counter
otelcol_exporter_enqueue_failed_spans_total{data_type="traces",exporter="otlp_grpc/jaeger",otel_scope_name="x"} 0
otelcol_exporter_enqueue_failed_spans_total{data_type="traces",exporter="otlp_http/vendor",otel_scope_name="x"} 1.5e+06
otelcol_exporter_send_failed_spans_total{error.permanent="true",error.type="Unavailable",exporter="otlp_grpc/b"} 7
otelcol_exporter_send_failed_spans_total{error.permanent="false",error.type="Unknown",exporter="otlp_grpc/b"} 5 1700000000000
otelcol_exporter_send_failed_spans{exporter="otlp_http/vendor"} 2
otelcol_exporter_send_failed_metric_points_total{exporter="otlp_grpc/b"} 9
otelcol_exporter_sent_spans_total{exporter="otlp_grpc/b"} 9
otelcol_exporter_queue_capacity{data_type="traces",exporter="otlp_grpc/b"} 100
otelcol_exporter_queue_size{data_type="traces",exporter="otlp_http/vendor"} 98
target_info{service_name="otelcol"} 1
`

func TestReadDestinations(t *testing.T) {
	t.Parallel()

	destinations, err := verify.ReadDestinations(strings.NewReader(collectorMetrics))
	require.NoError(t, err)
	assert.Equal(t, []verify.Destination{
		{Exporter: "otlp_grpc/b", Name: "b", Sent: 9, Failed: 12, Capacity: 100},
		{Exporter: "otlp_grpc/jaeger", Name: "jaeger"},
		{Exporter: "otlp_http/vendor", Name: "vendor", Dropped: 1_500_000, Failed: 2, Queued: 98},
	}, destinations)
	assert.Equal(t, 12, destinations[0].Lost())
	assert.Equal(t, "12 that it did not accept", destinations[0].Losses())
	assert.Zero(t, destinations[1].Lost())
	assert.Empty(t, destinations[1].Losses())
	assert.Equal(t, 1_500_002, destinations[2].Lost())
	assert.Equal(t, "1500000 because its queue was full, 2 that it did not accept", destinations[2].Losses())
}

func TestReadDestinations_None(t *testing.T) {
	t.Parallel()

	destinations, err := verify.ReadDestinations(strings.NewReader("otelcol_exporter_unknown{exporter=\"a\"} 1\n"))
	require.NoError(t, err)
	assert.Empty(t, destinations)
}

func TestReadDestinations_Invalid(t *testing.T) {
	t.Parallel()

	_, err := verify.ReadDestinations(strings.NewReader(`otelcol_exporter_send_failed_spans_total{exporter="a"} many`))
	require.EqualError(t, err, `read the Collector's metrics: otelcol_exporter_send_failed_spans_total has the value "many"`)
	_, err = verify.ReadDestinations(iotest.ErrReader(errors.New("connection reset")))
	require.EqualError(t, err, "read the Collector's metrics: connection reset")
}
