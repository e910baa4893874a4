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
target_info{service_name="otelcol"} 1
`

func TestReadLostSpans(t *testing.T) {
	t.Parallel()

	lost, err := verify.ReadLostSpans(strings.NewReader(collectorMetrics))
	require.NoError(t, err)
	assert.Equal(t, []verify.LostSpans{
		{Exporter: "otlp_grpc/b", Destination: "b", Failed: 12},
		{Exporter: "otlp_http/vendor", Destination: "vendor", Dropped: 1_500_000, Failed: 2},
	}, lost)
	assert.Equal(t, "b lost spans: 12 that it did not accept", lost[0].String())
	assert.Equal(t, "vendor lost spans: 1500000 because its queue was full, 2 that it did not accept", lost[1].String())
}

func TestReadLostSpans_None(t *testing.T) {
	t.Parallel()

	lost, err := verify.ReadLostSpans(strings.NewReader(""))
	require.NoError(t, err)
	assert.Empty(t, lost)
}

func TestReadLostSpans_Invalid(t *testing.T) {
	t.Parallel()

	_, err := verify.ReadLostSpans(strings.NewReader(`otelcol_exporter_send_failed_spans{exporter="a"} many`))
	require.EqualError(t, err, `read the Collector's metrics: otelcol_exporter_send_failed_spans has the value "many"`)
	_, err = verify.ReadLostSpans(iotest.ErrReader(errors.New("connection reset")))
	require.EqualError(t, err, "read the Collector's metrics: connection reset")
}
