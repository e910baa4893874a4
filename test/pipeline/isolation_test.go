package pipeline_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/test/pipeline/load"
	"github.com/kubetracing/kubetracing/test/processes"
)

// traceCounter is an OTLP receiver in Jaeger's place. It counts the spans of every
// trace, so that a span that arrives twice is noticed, too.
type traceCounter struct {
	collector.UnimplementedTraceServiceServer

	mu    sync.Mutex
	spans map[string]int
	total int
}

func (c *traceCounter) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resourceSpans := range request.ResourceSpans {
		for _, scopeSpans := range resourceSpans.ScopeSpans {
			for _, span := range scopeSpans.Spans {
				c.spans[string(span.TraceId)]++
				c.total++
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// counts returns the numbers of traces and of spans received so far.
func (c *traceCounter) counts() (traces, spans int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.spans), c.total
}

// exportFunc is an OTLP receiver that answers every request in the same way.
type exportFunc struct {
	collector.UnimplementedTraceServiceServer
	answer func(ctx context.Context) error
}

func (e exportFunc) Export(ctx context.Context, _ *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	return &collector.ExportTraceServiceResponse{}, e.answer(ctx)
}

// serveGRPC serves OTLP over gRPC without TLS and returns the server's address.
func serveGRPC(t *testing.T, service collector.TraceServiceServer) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	collector.RegisterTraceServiceServer(server, service)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func grpcDestination(answer func(context.Context) error) func(*testing.T) tracing.OTLPExporter {
	return func(t *testing.T) tracing.OTLPExporter {
		t.Helper()
		return tracing.OTLPExporter{Name: "vendor", Protocol: "grpc", Insecure: true, Endpoint: serveGRPC(t, exportFunc{answer: answer})}
	}
}

func httpDestination(code int) func(*testing.T) tracing.OTLPExporter {
	return func(t *testing.T) tracing.OTLPExporter {
		t.Helper()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
		t.Cleanup(server.Close)
		return tracing.OTLPExporter{Name: "vendor", Protocol: "http", Endpoint: server.URL}
	}
}

// deadDestination has an address at which nothing listens.
func deadDestination(t *testing.T) tracing.OTLPExporter {
	t.Helper()
	addresses, err := processes.FreeAddresses(1)
	require.NoError(t, err)
	return tracing.OTLPExporter{Name: "vendor", Protocol: "grpc", Insecure: true, Endpoint: addresses[0]}
}

// A load of three times what the queues in memory hold.
const (
	isolationRequests        = 600
	isolationTracesPerEach   = 50
	isolationSpansPerTrace   = 10
	isolationTraces          = isolationRequests * isolationTracesPerEach
	isolationSpans           = isolationTraces * isolationSpansPerTrace
	isolationArrivalDeadline = time.Minute
)

// An extra destination that does not accept spans costs its own spans and no other:
// every span reaches Jaeger once, no sender is refused, and the Collector counts what
// the destination lost.
func TestExtraDestination_Unavailable(t *testing.T) {
	tests := []struct {
		name        string
		destination func(*testing.T) tracing.OTLPExporter
		disk        bool
		// final: the destination refuses for good, so that its queue never fills.
		final bool
	}{
		{name: "dead", destination: deadDestination},
		{name: "slow", destination: grpcDestination(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})},
		{name: "gRPC UNAVAILABLE", destination: grpcDestination(func(context.Context) error {
			return status.Error(codes.Unavailable, "come back later")
		})},
		{name: "gRPC RESOURCE_EXHAUSTED", destination: grpcDestination(func(context.Context) error {
			return status.Error(codes.ResourceExhausted, "quota exceeded")
		}), final: true},
		{name: "HTTP 429", destination: httpDestination(http.StatusTooManyRequests)},
		{name: "HTTP 503", destination: httpDestination(http.StatusServiceUnavailable)},
		{name: "dead, with a full queue on disk", destination: deadDestination, disk: true},
		{name: "HTTP 503, with a full queue on disk", destination: httpDestination(http.StatusServiceUnavailable), disk: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			jaeger := &traceCounter{spans: map[string]int{}}
			extra := test.destination(t)
			overrides := map[string]string{"exporters::otlp_grpc/jaeger::endpoint": serveGRPC(t, jaeger)}
			if test.disk {
				// The queue's gibibyte would take longer to fill than a test should run.
				overrides["exporters::otlp_"+extra.Protocol+"/vendor::sending_queue::queue_size"] = "1000000"
			}
			process := startCollector(ctx, t, tracing.CollectorSpec{
				SamplingRate: tracing.SamplingRateMax, DiskQueue: test.disk, Exporters: []tracing.OTLPExporter{extra},
			}, overrides)

			sender := &load.Sender{
				Address: process.OTLPGRPC, Shape: load.Shape{Run: 1, Spans: isolationSpansPerTrace, Start: time.Now()},
				Requests: isolationRequests, Traces: isolationTracesPerEach, Workers: 4,
			}
			acknowledged, err := sender.Send(ctx)
			require.NoError(t, err)
			refused, last := sender.Failures()
			require.Zero(t, refused, "refused: %v\n%s", last, logOf(process))
			require.Len(t, acknowledged, isolationTraces)
			require.Eventually(t, func() bool { _, spans := jaeger.counts(); return spans >= isolationSpans },
				isolationArrivalDeadline, 100*time.Millisecond)
			traces, spans := jaeger.counts()
			assert.Equal(t, isolationTraces, traces)
			assert.Equal(t, isolationSpans, spans, "every span arrives once")

			lost := lostSpans(t, process)
			require.Len(t, lost, 1)
			assert.Equal(t, "vendor", lost[0].Name)
			if test.final {
				assert.Eventually(t, func() bool { return lostSpans(t, process)[0].Failed == isolationSpans }, time.Minute, 100*time.Millisecond)
				assert.Zero(t, lostSpans(t, process)[0].Dropped)
				return
			}
			assert.Zero(t, lost[0].Sent)
			assert.Positive(t, lost[0].Queued)
			assert.LessOrEqual(t, lost[0].Queued, lost[0].Capacity)
			assert.Positive(t, lost[0].Dropped)
			assert.LessOrEqual(t, lost[0].Dropped, isolationSpans)
			assert.Zero(t, lost[0].Failed, "the destination is tried for longer than the test runs")
		})
	}
}

// Several dead destinations together leave the memory limit alone: reaching it, the
// Collector would refuse spans for Jaeger, too.
func TestExtraDestination_ManyDead(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	jaeger := &traceCounter{spans: map[string]int{}}
	spec := tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		extra := deadDestination(t)
		extra.Name = name
		spec.Exporters = append(spec.Exporters, extra)
	}
	process := startCollector(ctx, t, spec, map[string]string{"exporters::otlp_grpc/jaeger::endpoint": serveGRPC(t, jaeger)})
	sender := &load.Sender{
		Address: process.OTLPGRPC, Shape: load.Shape{Run: 1, Spans: isolationSpansPerTrace, Start: time.Now()},
		Requests: isolationRequests, Traces: isolationTracesPerEach, Workers: 4,
	}
	_, err := sender.Send(ctx)
	require.NoError(t, err)
	refused, last := sender.Failures()
	require.Zero(t, refused, "refused: %v", last)
	require.Eventually(t, func() bool { _, spans := jaeger.counts(); return spans >= isolationSpans },
		isolationArrivalDeadline, 100*time.Millisecond)
	lost := lostSpans(t, process)
	require.Len(t, lost, len(spec.Exporters))
	for i, exporter := range spec.Exporters {
		assert.Equal(t, exporter.Name, lost[i].Name)
		assert.Positive(t, lost[i].Dropped)
	}
}

// startCollector starts a Collector that exports to the addresses in the overrides.
func startCollector(ctx context.Context, t *testing.T, spec tracing.CollectorSpec, overrides map[string]string) *processes.CollectorProcess {
	t.Helper()
	config, err := tracing.RenderCollector(spec)
	require.NoError(t, err)
	folder := t.TempDir()
	if spec.DiskQueue {
		overrides["extensions::file_storage/queues::directory"] = filepath.Join(folder, "queues")
	}
	process, err := processes.NewCollector(processes.Options{
		Folder: folder, Config: config, Overrides: overrides, Environment: tracing.CollectorEnvironment(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, process.Kill()) })
	require.NoError(t, process.Start(ctx))
	return process
}

// lostSpans returns the destinations that have lost spans.
func lostSpans(t *testing.T, process *processes.CollectorProcess) []verify.Destination {
	t.Helper()
	response, err := http.Get(process.MetricsURL)
	require.NoError(t, err)
	defer response.Body.Close()
	destinations, err := verify.ReadDestinations(response.Body)
	require.NoError(t, err)
	return slices.DeleteFunc(destinations, func(d verify.Destination) bool { return d.Lost() == 0 })
}

func logOf(process *processes.CollectorProcess) string {
	text, err := os.ReadFile(process.LogPath())
	if err != nil {
		return err.Error()
	}
	return string(text)
}
