package follow

import (
	"context"
	"slices"
	"time"

	"github.com/kubetracing/kubetracing/components/verify"
)

// Trace is what Jaeger has of a request.
type Trace struct {
	ID string
	// Services are the services with a span in the trace, sorted.
	Services []string
	Spans    int
}

// apiserver is kube-apiserver's service name.
//
// Source: k8s.io/apiserver pkg/server/options/tracing.go.
const apiserver = "apiserver"

// slack is how far a span's start may lie outside of the time of its request.
const slack = time.Second

// Find returns the trace of a request, whose times must be by kube-apiserver's clock. It is found by its audit id where kube-apiserver sets
// that on spans, else by its target and time. It returns the zero Trace if there is none
// yet.
func Find(ctx context.Context, client verify.Client, request Request) (Trace, error) {
	for _, attributes := range []map[string]string{
		{auditAttribute: request.AuditID}, {targetAttribute: request.Target},
	} {
		spans, err := client.Spans(ctx, verify.Query{
			Service: apiserver, Attributes: attributes, Since: request.Start.Add(-slack), Until: request.End.Add(slack), Limit: candidates,
		})
		if err != nil {
			return Trace{}, err
		}
		for _, span := range spans {
			if span.Service == apiserver && request.matches(span) {
				return traceOf(span.TraceID, spans), nil
			}
		}
	}
	return Trace{}, nil
}

// Below returns what kube-apiserver added to the trace of a request, from the spans of
// that trace. It returns the zero Trace if there is nothing yet.
func Below(spans []verify.Span, request Request) Trace {
	below := map[string]bool{request.Span.ID: true}
	var found []verify.Span
	// Parents and children are in no particular order.
	for grown := true; grown; {
		grown = false
		for _, span := range spans {
			if span.TraceID == request.Span.TraceID && below[span.ParentID] && !below[span.ID] {
				below[span.ID], grown = true, true
				found = append(found, span)
			}
		}
	}
	if !slices.ContainsFunc(found, func(span verify.Span) bool { return span.Service == apiserver }) {
		return Trace{}
	}
	return traceOf(request.Span.TraceID, found)
}

// Attributes of kube-apiserver's spans.
//
// Source: k8s.io/apiserver pkg/endpoints/handlers/trace_util.go (audit-id, from 1.26
// on) and pkg/endpoints/filters/traces.go (http.target; audit-id on the root span of
// newer releases).
const (
	auditAttribute  = "audit-id"
	targetAttribute = "http.target"
)

// candidates bounds the result of a Jaeger that does not search by attribute.
const candidates = 200

// matches reports whether a span belongs to the request.
func (r Request) matches(span verify.Span) bool {
	if id, has := span.Attributes[auditAttribute]; has {
		return id == r.AuditID
	}
	return span.Attributes[targetAttribute] == r.Target &&
		span.Start.After(r.Start.Add(-slack)) && span.Start.Before(r.End.Add(slack))
}

func traceOf(id string, spans []verify.Span) Trace {
	trace := Trace{ID: id}
	for _, span := range spans {
		if span.TraceID == id {
			trace.Spans++
			trace.Services = append(trace.Services, span.Service)
		}
	}
	slices.Sort(trace.Services)
	trace.Services = slices.Compact(trace.Services)
	return trace
}
