package verify_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
)

func TestClient_Spans_Request(t *testing.T) {
	t.Parallel()

	// Jaeger reads RFC 3339, so a zone that is not UTC must not leak into it.
	since := time.Date(2026, 3, 1, 12, 30, 0, 5_000_000, time.FixedZone("", 2*60*60))
	tests := map[string]struct {
		query verify.Query
		want  url.Values
	}{
		"with an operation": {
			query: verify.Query{Service: "kubelet", Operation: sandbox, Since: since, Limit: 7},
			want: url.Values{
				"query.service_name":   {"kubelet"},
				"query.operation_name": {sandbox},
				"query.start_time_min": {"2026-03-01T10:30:00.005Z"},
				"query.num_traces":     {"7"},
			},
		},
		"with attributes": {
			query: verify.Query{Service: "apiserver", Attributes: map[string]string{"audit-id": "4f"}, Since: since, Limit: 1},
			want: url.Values{
				"query.service_name":   {"apiserver"},
				"query.attributes":     {`{"audit-id":"4f"}`},
				"query.start_time_min": {"2026-03-01T10:30:00.005Z"},
				"query.num_traces":     {"1"},
			},
		},
		"everything": {
			query: verify.Query{Service: "kubelet", Limit: 1},
			want: url.Values{
				"query.service_name":   {"kubelet"},
				"query.start_time_min": {"1970-01-01T00:00:00Z"},
				"query.num_traces":     {"1"},
			},
		},
		"without an operation": {
			query: verify.Query{Service: "api server & co", Since: since, Limit: 1},
			want: url.Values{
				"query.service_name":   {"api server & co"},
				"query.start_time_min": {"2026-03-01T10:30:00.005Z"},
				"query.num_traces":     {"1"},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jaeger := serveSpans(t)
			// The trailing slash is what people copy from a browser.
			before := time.Now()
			spans, err := verify.Client{BaseURL: jaeger.URL + "/"}.Spans(t.Context(), test.query)
			require.NoError(t, err)
			assert.Empty(t, spans)

			requests := jaeger.seen()
			require.Len(t, requests, 1)
			assert.Equal(t, "/api/v3/traces", requests[0].Path)
			got := requests[0].Query()
			// Jaeger requires an end; the clock of its host may be ahead of ours.
			end, err := time.Parse(time.RFC3339Nano, got.Get("query.start_time_max"))
			require.NoError(t, err)
			assert.WithinDuration(t, before.Add(24*time.Hour), end, time.Minute)
			got.Del("query.start_time_max")
			assert.Equal(t, test.want, got)
		})
	}
}

// A fully sampled cluster has far more traces of a service than one poll reads;
// the span with the longest operation is the one that few traces have.
func TestCheck_AsksByOperation(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		spans              []verify.SpanMatch
		service, operation string
	}{
		"the only one":                       {[]verify.SpanMatch{{Service: "apiserver"}}, "apiserver", ""},
		"the one that names its operation":   {[]verify.SpanMatch{{Service: "a"}, {Service: "b", Operation: "get"}}, "b", "get"},
		"the one with the longest operation": {echo.Spans, "kubelet", sandbox},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jaeger := serveSpans(t)
			since := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
			check := verify.Check{
				Client:       verify.Client{BaseURL: jaeger.URL},
				Expectations: []verify.Expectation{{Name: name, Spans: test.spans}},
				Since:        since,
				Interval:     interval,
			}
			runOnce(t, check)
			query := jaeger.seen()[0].Query()
			assert.Equal(t, test.service, query.Get("query.service_name"))
			assert.Equal(t, test.operation, query.Get("query.operation_name"))
			assert.Equal(t, "2026-03-01T10:00:00Z", query.Get("query.start_time_min"))
			assert.Equal(t, "50", query.Get("query.num_traces"))
		})
	}
}

func TestClient_Spans(t *testing.T) {
	t.Parallel()

	jaeger := serveText(t, `{"result": {"resourceSpans": [{
		"resource": {"attributes": [
			{"key": "service.name", "value": {"stringValue": "kubelet"}},
			{"key": "k8s.node.name", "value": {"stringValue": "node-1"}}]},
		"scopeSpans": [{"spans": [
			{"traceId": "0000000000000000000000000000000a", "spanId": "0000000000000001", "parentSpanId": "0000000000000003", "name": "syncPod",
				"events": [{"name": "pulling"}, {"name": "pulled"}],
				"startTimeUnixNano": "1000000001", "endTimeUnixNano": "3000000000", "status": {"code": 2, "message": "no image"}, "attributes": [
				{"key": "k8s.pod", "value": {"stringValue": "tests/echo"}},
				{"key": "attempt", "value": {"intValue": "3"}},
				{"key": "cached", "value": {"boolValue": true}}]},
			{"traceId": "0000000000000000000000000000000b", "spanId": "0000000000000002", "name": "syncLoop"}]}]}]}}`)
	spans, err := verify.Client{BaseURL: jaeger}.Spans(t.Context(), verify.Query{Service: "kubelet", Limit: 1})
	require.NoError(t, err)
	assert.Equal(t, []verify.Span{
		{
			TraceID: "0000000000000000000000000000000a", ID: "0000000000000001", ParentID: "0000000000000003", Service: "kubelet", Operation: "syncPod",
			Start: time.Unix(1, 1).UTC(), End: time.Unix(3, 0).UTC(), Error: true, Message: "no image",
			Attributes: map[string]string{
				"service.name": "kubelet", "k8s.node.name": "node-1", "k8s.pod": "tests/echo", "attempt": "3", "cached": "true",
			},
			Events: []string{"pulling", "pulled"},
		},
		{
			TraceID: "0000000000000000000000000000000b", ID: "0000000000000002", Service: "kubelet", Operation: "syncLoop", Start: startOfTime, End: startOfTime,
			Attributes: map[string]string{"service.name": "kubelet", "k8s.node.name": "node-1"},
		},
	}, spans)
}

func TestClient_Trace(t *testing.T) {
	t.Parallel()

	var asked []string
	jaeger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		if r.URL.Path != "/api/v3/traces/"+traceID(1) {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]json.RawMessage{"result": otlp([]span{{trace: 1, service: "kubelet", operation: "syncPod"}})})
	}))
	t.Cleanup(jaeger.Close)
	client := verify.Client{BaseURL: jaeger.URL}

	trace, err := client.Trace(t.Context(), traceID(1))
	require.NoError(t, err)
	assert.Equal(t, "syncPod", verify.Flatten(trace)[0].Operation)
	trace, err = client.Trace(t.Context(), "no/trace")
	require.NoError(t, err)
	assert.Zero(t, trace.SpanCount())
	assert.Equal(t, []string{"/api/v3/traces/" + traceID(1), "/api/v3/traces/no/trace"}, asked)
}

func TestClient_Services(t *testing.T) {
	t.Parallel()

	services, err := verify.Client{BaseURL: serveText(t, `{"services":["jaeger","kubelet"]}`)}.Services(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"jaeger", "kubelet"}, services)

	_, err = verify.Client{BaseURL: unreachable(t)}.Services(t.Context())
	require.ErrorContains(t, err, "query Jaeger: ")
	_, err = verify.Client{BaseURL: serveText(t, "<html>")}.Services(t.Context())
	require.ErrorContains(t, err, "read services: ")
}

func TestClient_HTTPClient(t *testing.T) {
	t.Parallel()

	var asked string
	client := verify.Client{
		BaseURL: "http://jaeger.test",
		HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			asked = r.URL.Host + r.URL.Path
			return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Request: r}, nil
		})},
	}
	spans, err := client.Spans(t.Context(), verify.Query{Service: "kubelet"})
	require.NoError(t, err)
	assert.Empty(t, spans)
	assert.Equal(t, "jaeger.test/api/v3/traces", asked)
}

func TestClient_InvalidURL(t *testing.T) {
	t.Parallel()

	_, err := verify.Client{BaseURL: "http://jaeger test"}.Spans(t.Context(), verify.Query{Service: "kubelet"})
	require.ErrorContains(t, err, `query Jaeger: parse "http://jaeger test/api/v3/traces?`)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
