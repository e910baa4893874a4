package verify_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// span is one span that a jaegerServer holds.
type span struct {
	trace              byte
	service, operation string
	attributes         map[string]string
	resource           map[string]string
	// start and took are times after startOfTime and durations.
	start, took time.Duration
	// failed is the message of an Error status; empty means no such status.
	failed string
}

// startOfTime is when spans without a start begin.
var startOfTime = time.Unix(0, 0).UTC()

// traceID is the text form of a span's trace in Jaeger.
func traceID(trace byte) string { return pcommon.TraceID{15: trace}.String() }

// jaegerServer serves Jaeger's query API, version 3, as far as a check uses it.
type jaegerServer struct {
	*httptest.Server

	mu sync.Mutex
	// answer gives the status and the spans of the nth request, from 1.
	answer   func(request int, query url.Values) (int, []span)
	requests []*url.URL
}

// serve starts a Jaeger. A nil slice of spans with status 200 stands for "no
// traces", for which Jaeger answers 404.
func serve(t *testing.T, answer func(request int, query url.Values) (int, []span)) *jaegerServer {
	t.Helper()
	server := &jaegerServer{answer: answer}
	server.Server = httptest.NewServer(server)
	t.Cleanup(server.Close)
	return server
}

// serveSpans starts a Jaeger that always has the same spans.
func serveSpans(t *testing.T, spans ...span) *jaegerServer {
	t.Helper()
	return serve(t, func(int, url.Values) (int, []span) { return http.StatusOK, spans })
}

func (s *jaegerServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.URL)
	status, spans := s.answer(len(s.requests), r.URL.Query())
	w.Header().Set("Content-Type", "application/json")
	switch {
	case status != http.StatusOK:
		w.WriteHeader(status)
		_, _ = w.Write([]byte("storage is gone\n"))
	case spans == nil:
		// Source: cmd/jaeger/internal/extension/jaegerquery/internal/apiv3/http_gateway.go.
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"error":{"httpCode":404,"message":"No traces found"}}`))
	default:
		_ = json.NewEncoder(w).Encode(map[string]json.RawMessage{"result": otlp(spans)})
	}
}

// seen gives the requests so far.
func (s *jaegerServer) seen() []*url.URL {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*url.URL(nil), s.requests...)
}

// otlp encodes spans as OTLP JSON, each with a resource of its own.
func otlp(spans []span) json.RawMessage {
	traces := ptrace.NewTraces()
	for i, s := range spans {
		resource := traces.ResourceSpans().AppendEmpty()
		resource.Resource().Attributes().PutStr("service.name", s.service)
		for key, value := range s.resource {
			resource.Resource().Attributes().PutStr(key, value)
		}
		span := resource.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		span.SetTraceID(pcommon.TraceID{15: s.trace})
		span.SetSpanID(pcommon.SpanID{7: byte(i + 1)})
		span.SetName(s.operation)
		span.SetStartTimestamp(pcommon.NewTimestampFromTime(startOfTime.Add(s.start)))
		span.SetEndTimestamp(pcommon.NewTimestampFromTime(startOfTime.Add(s.start + s.took)))
		if s.failed != "" {
			span.Status().SetCode(ptrace.StatusCodeError)
			span.Status().SetMessage(s.failed)
		}
		for key, value := range s.attributes {
			span.Attributes().PutStr(key, value)
		}
	}
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	if err != nil {
		panic(err)
	}
	return text
}

// unreachable is the address of a Jaeger that does not run.
func unreachable(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	address := server.URL
	server.Close()
	require.NotEmpty(t, address)
	return address
}

// serveText starts a server that answers everything with a text.
func serveText(t *testing.T, text string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// serveHanging starts a server that never answers.
func serveHanging(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return server.URL
}
