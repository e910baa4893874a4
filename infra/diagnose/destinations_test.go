package diagnose_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/diagnose"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

var metricsOf = dockertest.Command("docker exec jaeger wget -q -O - http://otel-collector:8888/metrics")

// metrics returns what a Collector serves of an exporter.
func metrics(exporter string, sent, dropped, failed, queued int) string {
	var text strings.Builder
	for name, value := range map[string]int{
		"sent_spans": sent, "enqueue_failed_spans": dropped, "send_failed_spans": failed, "queue_size": queued, "queue_capacity": 1000,
	} {
		fmt.Fprintf(&text, "otelcol_exporter_%s{exporter=%q} %d\n", name, exporter, value)
	}
	return text.String()
}

func TestCollector_Losses(t *testing.T) {
	t.Parallel()
	// Jaeger always takes what it gets.
	jaeger := func(second int) string { return metrics("otlp_grpc/jaeger", 100*(second+1), 0, 0, 10) }
	const look = ": docker logs --tail 100 collector"
	tests := map[string]struct {
		vendor func(second int) string
		disk   bool
		want   []string
		// seconds is how long it is looked at.
		seconds int
	}{
		"a destination that takes everything": {
			vendor:  func(second int) string { return metrics("otlp_grpc/vendor", 50*(second+1), 0, 0, 10) },
			seconds: 1,
		},
		"an idle destination": {
			vendor:  func(int) string { return metrics("otlp_grpc/vendor", 0, 0, 0, 0) },
			seconds: 1,
		},
		"a slow destination": {
			vendor:  func(second int) string { return metrics("otlp_grpc/vendor", second/4, 0, 0, 700) },
			seconds: 4,
		},
		"a dead destination": {
			vendor:  func(second int) string { return metrics("otlp_grpc/vendor", 7, 0, 0, 10+second) },
			want:    []string{"destination vendor has accepted no spans for 6s, and its queue holds 16 of 1000 spans" + look},
			seconds: 6,
		},
		"a dead destination, with a queue on disk": {
			vendor:  func(int) string { return metrics("otlp_grpc/vendor", 0, 0, 0, 10) },
			disk:    true,
			want:    []string{"destination vendor has accepted no spans for 6s, and its queue holds 10 of 1000 bytes" + look},
			seconds: 6,
		},
		"a destination that has refused spans for good": {
			vendor:  func(int) string { return metrics("otlp_http/vendor", 3, 0, 12, 0) },
			want:    []string{"destination vendor has lost 12 spans since the Collector started (12 that it did not accept)" + look},
			seconds: 1,
		},
		"a dead destination whose queue is full": {
			vendor: func(second int) string { return metrics("otlp_grpc/vendor", 0, second, 5, 1000) },
			want: []string{"destination vendor has lost 11 spans since the Collector started (6 because its queue was full, 5 that it did not accept); " +
				"it has accepted no spans for 6s, and its queue holds 1000 of 1000 spans" + look},
			seconds: 6,
		},
		"Jaeger itself": {
			vendor:  func(int) string { return metrics("otlp_grpc/jaeger", 0, 0, 4, 0) },
			want:    []string{"destination jaeger has lost 4 spans since the Collector started (4 that it did not accept)" + look},
			seconds: 1,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				runner := dockertest.New(t)
				start := time.Now()
				runner.OnFunc(metricsOf, func(context.Context, dockertest.Call) dockertest.Answer {
					second := int(time.Since(start).Seconds())
					return dockertest.Print(jaeger(second) + test.vendor(second))
				})
				collector := diagnose.Collector{Container: "collector", Probe: "jaeger", DiskQueue: test.disk}
				lines, err := collector.Losses(t.Context(), runner.Client())
				require.NoError(t, err)
				assert.Equal(t, test.want, lines)
				assert.Equal(t, time.Duration(test.seconds)*time.Second, time.Since(start))
			})
		})
	}
}

func TestCollector_Losses_Errors(t *testing.T) {
	t.Parallel()
	collector := diagnose.Collector{Container: "collector", Probe: "jaeger"}
	runner := dockertest.New(t)
	runner.On(metricsOf, dockertest.Fail("wget: bad address 'otel-collector:8888'"))
	_, err := collector.Losses(t.Context(), runner.Client())
	require.ErrorContains(t, err, "metrics of container collector: ")
	require.ErrorContains(t, err, "wget: bad address 'otel-collector:8888'")

	runner.On(metricsOf, dockertest.Print(metrics("a", 0, 0, 0, 1)))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = collector.Losses(ctx, runner.Client())
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
