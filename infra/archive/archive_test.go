package archive_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/archive"
)

// trace returns a trace of two services.
func trace(number byte) ptrace.Traces {
	traces := ptrace.NewTraces()
	for i, service := range []string{"kubelet", "containerd"} {
		resource := traces.ResourceSpans().AppendEmpty()
		resource.Resource().Attributes().PutStr("service.name", service)
		span := resource.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		span.SetTraceID(pcommon.TraceID{15: number})
		span.SetSpanID(pcommon.SpanID{6: number, 7: byte(i + 1)})
		span.SetName("call")
		span.Links().AppendEmpty().SetTraceID(pcommon.TraceID{0: 9})
		span.Events().AppendEmpty().SetName("sent")
		span.Attributes().PutInt("attempt", 3)
	}
	return traces
}

func id(number byte) string { return pcommon.TraceID{15: number}.String() }

// serveJaeger serves traces 1 and 2.
func serveJaeger(t *testing.T) (client verify.Client, asked func() []string) {
	t.Helper()
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path+" "+r.URL.Query().Get("query.service_name"))
		answer := ptrace.NewTraces()
		switch route := r.URL.Path; {
		case route == "/api/v3/services":
			_, _ = w.Write([]byte(`{"services":["kubelet","containerd"]}`))
			return
		case route == "/api/v3/traces":
			for number := byte(1); number <= 2; number++ {
				trace(number).ResourceSpans().MoveAndAppendTo(answer.ResourceSpans())
			}
		case path.Base(route) == id(1):
			answer = trace(1)
		default:
			w.WriteHeader(http.StatusNotFound)
			return
		}
		text, _ := (&ptrace.JSONMarshaler{}).MarshalTraces(answer)
		_ = json.NewEncoder(w).Encode(map[string]json.RawMessage{"result": text})
	}))
	t.Cleanup(server.Close)
	return verify.Client{BaseURL: server.URL}, func() []string { return paths }
}

func ids(traces ptrace.Traces) []string {
	var found []string
	for _, span := range verify.Flatten(traces) {
		found = append(found, span.TraceID+" "+span.ID)
	}
	return found
}

func TestExport_ids(t *testing.T) {
	t.Parallel()
	jaeger, asked := serveJaeger(t)
	traces, missing, err := archive.Export(t.Context(), jaeger, archive.Selection{IDs: []string{id(1), id(7)}})
	require.NoError(t, err)
	assert.Equal(t, ids(trace(1)), ids(traces))
	assert.Equal(t, []string{"Jaeger has no trace " + id(7)}, missing)
	assert.Equal(t, []string{"/api/v3/traces/" + id(1) + " ", "/api/v3/traces/" + id(7) + " "}, asked())
}

// Both services have a span in each trace, which is written once.
func TestExport_time(t *testing.T) {
	t.Parallel()
	jaeger, asked := serveJaeger(t)
	traces, missing, err := archive.Export(t.Context(), jaeger, archive.Selection{Since: time.Now().Add(-time.Minute), Limit: 100})
	require.NoError(t, err)
	assert.Equal(t, append(ids(trace(1)), ids(trace(2))...), ids(traces))
	assert.Empty(t, missing)
	assert.Equal(t, []string{"/api/v3/services ", "/api/v3/traces containerd", "/api/v3/traces kubelet"}, asked())

	_, missing, err = archive.Export(t.Context(), jaeger, archive.Selection{Services: []string{"kubelet"}, Limit: 2})
	require.NoError(t, err)
	assert.Equal(t, []string{"service kubelet has more traces: only 2 of the newest are here"}, missing)
}

func TestExport_unreachable(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	for _, selection := range []archive.Selection{{IDs: []string{id(1)}}, {Services: []string{"kubelet"}, Limit: 1}, {Limit: 1}} {
		_, _, err := archive.Export(t.Context(), verify.Client{BaseURL: server.URL}, selection)
		require.ErrorContains(t, err, "query Jaeger: ")
	}
}

func TestRead_what_Write_wrote(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	require.NoError(t, archive.Write(&file, trace(1)))
	traces, err := archive.Read(&file)
	require.NoError(t, err)
	want, err := (&ptrace.JSONMarshaler{}).MarshalTraces(trace(1))
	require.NoError(t, err)
	got, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(got), "links, events and types are kept")
}

func TestRead_invalid(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                      "read traces: this is no OTLP JSON: ",
		"[]":                    "read traces: this is no OTLP JSON: ",
		"{}":                    "read traces: it has no spans: OTLP JSON has them below resourceSpans",
		`{"data":[]}`:           "read traces: it has no spans",
		`{"resourceSpans":[1]}`: "read traces: ",
	} {
		_, err := archive.Read(strings.NewReader(text))
		require.ErrorContains(t, err, want, "of %q", text)
	}
	_, err := archive.Read(iotest.ErrReader(errors.New("disk gone")))
	require.EqualError(t, err, "read traces: disk gone")
	require.ErrorContains(t, archive.Write(failingWriter{}, trace(1)), "write traces: disk full")
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }
