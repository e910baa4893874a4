package verify_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// span is one span that a jaegerServer holds.
type span struct {
	trace              uint16
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
func traceID(trace uint16) string { return otlpTraceID(trace).String() }

func otlpTraceID(trace uint16) pcommon.TraceID {
	return pcommon.TraceID{14: byte(trace >> 8), 15: byte(trace)} //nolint:gosec // its low byte is meant
}

// jaegerServer serves Jaeger's query API, version 3, as far as a check uses it.
type jaegerServer struct {
	*httptest.Server

	mu sync.Mutex
	// answer returns the status and the spans of the nth request, from 1.
	answer   func(request int, query url.Values) (int, []span)
	requests []*url.URL
	// failure is the text of an answer that is not OK.
	failure string
}

// serve starts a Jaeger. A nil slice of spans with status 200 stands for "no
// traces", for which Jaeger answers 404.
func serve(t *testing.T, answer func(request int, query url.Values) (int, []span)) *jaegerServer {
	t.Helper()
	server := &jaegerServer{answer: answer, failure: "storage is gone"}
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
		_, _ = w.Write([]byte(s.failure + "\n"))
	case spans == nil:
		// Source: cmd/jaeger/internal/extension/jaegerquery/internal/apiv3/http_gateway.go.
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"error":{"httpCode":404,"message":"No traces found"}}`))
	default:
		_ = json.NewEncoder(w).Encode(map[string]json.RawMessage{"result": otlp(spans)})
	}
}

// seen returns the requests so far.
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
		span.SetTraceID(otlpTraceID(s.trace))
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

// serveText starts a server that answers every request with a text.
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

// store is a Jaeger with the spans of many traces, in the order in which it received
// them.
type store struct {
	spans []span
	// newestFirst answers by start time, as badger does, instead of by time of arrival,
	// as storage in memory does.
	newestFirst bool
	// ignoresAttributes is what a Jaeger before 2.19 does.
	ignoresAttributes bool
	// maxTraces is the limit of storage in memory; 0 means none.
	maxTraces int
}

// serveStore starts a Jaeger that searches as the real one does.
func serveStore(t *testing.T, s *store) *jaegerServer {
	t.Helper()
	server := serve(t, func(_ int, query url.Values) (int, []span) { return s.search(t, query) })
	server.failure = "search depth must be greater than 0 and less than max traces"
	return server
}

func (s *store) search(t *testing.T, query url.Values) (int, []span) {
	t.Helper()
	limit, err := strconv.Atoi(query.Get("query.num_traces"))
	require.NoError(t, err)
	if s.maxTraces > 0 && limit > s.maxTraces {
		return http.StatusInternalServerError, nil
	}
	bounds := make([]time.Duration, 2)
	for i, name := range []string{"query.start_time_min", "query.start_time_max"} {
		bound, err := time.Parse(time.RFC3339Nano, query.Get(name))
		require.NoError(t, err)
		bounds[i] = bound.Sub(startOfTime)
	}
	attributes := map[string]string{}
	if text := query.Get("query.attributes"); text != "" && !s.ignoresAttributes {
		require.NoError(t, json.Unmarshal([]byte(text), &attributes))
	}
	var matches []span
	for _, candidate := range slices.Backward(s.spans) {
		operation := query.Get("query.operation_name")
		matched := candidate.service == query.Get("query.service_name") && (operation == "" || operation == candidate.operation) &&
			candidate.start >= bounds[0] && candidate.start <= bounds[1]
		for key, value := range attributes {
			matched = matched && candidate.attributes[key] == value
		}
		if matched {
			matches = append(matches, candidate)
		}
	}
	if s.newestFirst {
		slices.SortStableFunc(matches, func(a, b span) int { return int(b.start - a.start) })
	}
	chosen := map[uint16]bool{}
	for _, match := range matches {
		if len(chosen) < limit {
			chosen[match.trace] = true
		}
	}
	var found []span
	for _, candidate := range s.spans {
		if chosen[candidate.trace] {
			found = append(found, candidate)
		}
	}
	return http.StatusOK, found
}
