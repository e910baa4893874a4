package pipeline_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/processes"
)

// receiver is an OTLP receiver without TLS that keeps the names of spans.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	names chan string
}

func (r *receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	for _, resourceSpans := range request.ResourceSpans {
		for _, scopeSpans := range resourceSpans.ScopeSpans {
			for _, span := range scopeSpans.Spans {
				r.names <- span.Name
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// newReceiver starts a receiver and returns it with its address.
func newReceiver(t *testing.T) (*receiver, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server, r := grpc.NewServer(), &receiver{names: make(chan string, 100)}
	collector.RegisterTraceServiceServer(server, r)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	return r, listener.Addr().String()
}

func attribute(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// spansOf are spans of one service, named after the module that each names in an
// attribute; the span "none" names none.
func spansOf(service, key string, targets ...string) *trace.ResourceSpans {
	var spans []*trace.Span
	for i, target := range targets {
		span := &trace.Span{TraceId: make([]byte, 16), SpanId: []byte{0, 0, 0, 0, 0, 0, 0, byte(i + 1)}, Name: service + " " + target}
		span.TraceId[15] = byte(len(service))
		if target != "none" {
			span.Attributes = []*common.KeyValue{attribute(key, target)}
		}
		spans = append(spans, span)
	}
	return &trace.ResourceSpans{
		Resource:   &resource.Resource{Attributes: []*common.KeyValue{attribute("service.name", service)}},
		ScopeSpans: []*trace.ScopeSpans{{Spans: spans}},
	}
}

func TestCollector_DropsSpansOfConmonRsLibraries(t *testing.T) {
	for _, key := range []string{"target", "code.module.name", "code.namespace"} {
		t.Run(key, func(t *testing.T) { dropsSpansOfConmonRsLibraries(t, key) })
	}
}

func dropsSpansOfConmonRsLibraries(t *testing.T, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	received, address := newReceiver(t)
	config, err := tracing.RenderCollector(tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax, ConmonRs: true})
	require.NoError(t, err)
	process, err := processes.NewCollector(processes.Options{
		Folder: t.TempDir(), Config: config,
		Overrides: map[string]string{"exporters::otlp_grpc/jaeger::endpoint": address},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, process.Kill()) })
	require.NoError(t, process.Start(ctx))

	connection, err := grpc.NewClient(process.OTLPGRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, connection.Close()) })
	_, err = collector.NewTraceServiceClient(connection).Export(ctx, &collector.ExportTraceServiceRequest{
		ResourceSpans: []*trace.ResourceSpans{
			spansOf("conmonrs", key, "h2::codec::framed_write", "hyper::client", "conmonrs::rpc", "conmonrs", "conmonrs_like", "none"),
			spansOf("other", key, "h2::codec::framed_write"),
		},
	})
	require.NoError(t, err)
	var names []string
	for range 4 {
		select {
		case name := <-received.names:
			names = append(names, name)
		case <-ctx.Done():
			t.Fatalf("only %q arrived", names)
		}
	}
	assert.ElementsMatch(t, []string{"conmonrs conmonrs::rpc", "conmonrs conmonrs", "conmonrs none", "other h2::codec::framed_write"}, names)
	assert.Empty(t, received.names, "nothing else")
}
