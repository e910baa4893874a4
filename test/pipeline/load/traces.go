package load

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Shape is the shape of the traces of a run.
type Shape struct {
	// Run distinguishes the traces of several runs: it is the second half of every
	// trace id. A sampler that hashes the id needs the half that differs to come first.
	Run uint64
	// Spans is the number of spans of a trace.
	Spans int
	// Start is the start time of every trace; Jaeger finds traces by id, whatever
	// their time, but badger drops what is older than its retention.
	Start time.Time
	// Lasts is the duration of every span. Optional; the default is 3 ms.
	Lasts time.Duration
	// Failed gives every span the status of an error.
	Failed bool
}

// TraceID returns the id of a trace by its number, in the hexadecimal form that Jaeger
// uses. Numbers begin at 1: an id of zeros is invalid.
func (s Shape) TraceID(number uint64) string { return hex.EncodeToString(s.traceID(number)) }

func (s Shape) traceID(number uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, number), s.Run)
}

// Request returns the export of the traces first to first+count-1. Its spans have the
// attributes that an API request's have, some 600 bytes each.
func (s Shape) Request(first uint64, count int) *collector.ExportTraceServiceRequest {
	spans := make([]*trace.Span, 0, count*s.Spans)
	for number := first; number < first+uint64(count); number++ {
		id := s.traceID(number)
		var parent []byte
		for i := range s.Spans {
			span := s.span(id, number, i, parent)
			if i == 0 {
				parent = span.SpanId
			}
			spans = append(spans, span)
		}
	}
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{
			text("service.name", "load"), text("host.name", "node-1"), text("service.instance.id", "load-1"),
		}},
		ScopeSpans: []*trace.ScopeSpans{{
			Scope: &common.InstrumentationScope{Name: "github.com/kubetracing/kubetracing/test/pipeline/load"},
			Spans: spans,
		}},
	}}}
}

func (s Shape) span(id []byte, number uint64, index int, parent []byte) *trace.Span {
	start := uint64(s.Start.UnixNano()) + uint64(index)*uint64(time.Millisecond)
	status := &trace.Status{}
	if s.Failed {
		status.Code = trace.Status_STATUS_CODE_ERROR
	}
	return &trace.Span{
		Status:  status,
		TraceId: id, SpanId: binary.BigEndian.AppendUint64(nil, number<<8|uint64(index+1)), ParentSpanId: parent,
		Name: "Update", Kind: trace.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: start, EndTimeUnixNano: start + uint64(cmp.Or(s.Lasts, 3*time.Millisecond)),
		Attributes: []*common.KeyValue{
			text("http.request.method", "PUT"),
			text("url.path", fmt.Sprintf("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-%d", number%1000)),
			text("audit-id", fmt.Sprintf("6f4d9a1e-5a0b-4c8e-9a55-%012x", number)),
			text("user_agent.original", "k3s/v1.37.1+k3s1 (linux/amd64) kubernetes/1a2b3c4"),
			text("client.address", "172.18.0.3"), text("protocol", "HTTP/2.0"), text("resource", "leases"),
			number64("http.response.status_code", 200), number64("http.response.body.size", 512),
		},
		Events: []*trace.Span_Event{
			{TimeUnixNano: start, Name: "About to convert to expected version"},
			{TimeUnixNano: start, Name: "Object stored in database"},
		},
	}
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func number64(key string, value int64) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: value}}}
}

// BytesPerSpan returns the size of a span on the wire, in requests of that many
// traces, without compression.
func (s Shape) BytesPerSpan(traces int) int {
	return proto.Size(s.Request(1, traces)) / (traces * s.Spans)
}
