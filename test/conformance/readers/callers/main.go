// Command callers lets kube-apiserver's own filter serve a request that has the trace
// context on standard input, for a caller of some groups, with a sampling rate of 0. It
// prints the traces of the spans that are recorded, one a line.
//
//	callers GROUP... < traceparent
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/component-base/tracing"
)

func main() {
	if err := serve(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(groups []string, in io.Reader, out io.Writer) error {
	parent, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	recorded := &recorder{}
	// Source of the sampler: k8s.io/component-base tracing/utils.go (NewProvider).
	provider := trace.NewTracerProvider(trace.WithSampler(trace.ParentBased(trace.NeverSample())), trace.WithSyncer(recorded))
	otel.SetTextMapPropagator(tracing.Propagators())

	r := httptest.NewRequest(http.MethodGet, "/api/v1/pods", http.NoBody)
	r.Header.Set("traceparent", strings.TrimSpace(string(parent)))
	r = r.WithContext(request.WithUser(r.Context(), &user.DefaultInfo{Name: "caller", Groups: groups}))
	handler := filters.WithTracing(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }), provider)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	for _, id := range recorded.traces {
		fmt.Fprintln(out, id)
	}
	return nil
}

// recorder keeps the traces of the spans that it is to export.
type recorder struct{ traces []string }

func (r *recorder) ExportSpans(_ context.Context, spans []trace.ReadOnlySpan) error {
	for _, span := range spans {
		r.traces = append(r.traces, span.SpanContext().TraceID().String())
	}
	return nil
}

func (r *recorder) Shutdown(context.Context) error { return nil }
