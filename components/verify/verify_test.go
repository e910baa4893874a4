package verify_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
)

const (
	interval = time.Millisecond
	// longTimeout is for checks that are expected to succeed: only a failing one
	// reaches it.
	longTimeout = 10 * time.Second
	// deadline is for checks that are expected to fail.
	deadline = 50 * time.Millisecond
)

const sandbox = "runtime.v1.RuntimeService/RunPodSandbox"

var (
	apiserver = verify.Expectation{Name: "apiserver", Spans: []verify.SpanMatch{{Service: "apiserver"}}}
	echo      = verify.Expectation{Name: "echo", Spans: []verify.SpanMatch{
		{Service: "kubelet", Operation: sandbox},
		{Service: "containerd", Operation: sandbox},
		{Service: "kubelet", Operation: "syncPod", Attributes: map[string]string{"k8s.pod": "tests/echo-*"}},
	}}
)

// held is the result of an expectation that holds in a number of traces, of which
// one has a number of spans that have no times.
func held(expectation verify.Expectation, traces int, trace uint16, spans int) verify.Result {
	return verify.Result{Expectation: expectation, Traces: traces, Trace: verify.Trace{
		ID: traceID(trace), Spans: spans, Start: time.Unix(0, 0).UTC(),
	}}
}

// echoTrace are the spans that fulfil echo.
func echoTrace(trace uint16) []span {
	return []span{
		{trace: trace, service: "kubelet", operation: "syncPod", attributes: map[string]string{"k8s.pod": "tests/echo-x7k"}},
		{trace: trace, service: "kubelet", operation: sandbox},
		{trace: trace, service: "containerd", operation: sandbox},
	}
}

// run runs a check against a Jaeger.
func run(t *testing.T, jaeger string, within time.Duration, expectations ...verify.Expectation) verify.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return verify.Check{
		Client:       verify.Client{BaseURL: jaeger},
		Expectations: expectations,
		Interval:     interval,
	}.Run(ctx)
}

// runOnce runs a check for a single poll.
func runOnce(t *testing.T, check verify.Check) verify.Report {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	progress := check.Progress
	// Cancelled between two polls, the check never fails for an interrupted one.
	check.Progress = func(met, all int, missing []string) {
		if progress != nil {
			progress(met, all, missing)
		}
		cancel()
	}
	check.Interval = time.Hour
	return check.Run(ctx)
}

// once polls a Jaeger once.
func once(t *testing.T, jaeger string, expectations ...verify.Expectation) verify.Report {
	t.Helper()
	return runOnce(t, verify.Check{Client: verify.Client{BaseURL: jaeger}, Expectations: expectations})
}

func TestCheck_AllSeenAtOnce(t *testing.T) {
	t.Parallel()

	jaeger := serve(t, func(_ int, query url.Values) (int, []span) {
		if query.Get("query.service_name") == "apiserver" {
			return http.StatusOK, []span{
				{trace: 1, service: "apiserver", operation: "List"},
				{trace: 2, service: "apiserver", operation: "Get"},
				{trace: 2, service: "etcd", operation: "Range"},
			}
		}
		return http.StatusOK, echoTrace(3)
	})
	report := run(t, jaeger.URL, longTimeout, apiserver, echo)

	assert.True(t, report.Met())
	require.NoError(t, report.Reason)
	assert.Equal(t, []verify.Result{
		held(apiserver, 2, 1, 1),
		held(echo, 1, 3, 3),
	}, report.Results)
	assert.Equal(t, map[string]int{"apiserver": 2, "kubelet": 2, "containerd": 1}, report.Services,
		"only services that are expected are counted")
	assert.Len(t, jaeger.seen(), 2, "one poll is enough")
}

func TestCheck_PollsUntilSeen(t *testing.T) {
	t.Parallel()

	// The spans of a pod arrive one process after the other.
	jaeger := serve(t, func(request int, _ url.Values) (int, []span) {
		return http.StatusOK, echoTrace(9)[:request]
	})
	type progress struct {
		met, all int
		missing  []string
	}
	var reported []progress
	ctx, cancel := context.WithTimeout(t.Context(), longTimeout)
	defer cancel()
	report := verify.Check{
		Client:       verify.Client{BaseURL: jaeger.URL},
		Expectations: []verify.Expectation{echo},
		Interval:     interval,
		Progress: func(met, all int, missing []string) {
			reported = append(reported, progress{met, all, missing})
		},
	}.Run(ctx)

	assert.Equal(t, []verify.Result{held(echo, 1, 9, 3)}, report.Results)
	require.NoError(t, report.Reason)
	assert.Len(t, jaeger.seen(), 3)
	assert.Equal(t, []progress{{0, 1, []string{"echo"}}, {0, 1, []string{"echo"}}}, reported,
		"progress is reported after every poll but the last")
}

// The memory backend drops old traces, so what was seen must not be asked for
// again.
func TestCheck_RemembersDroppedTraces(t *testing.T) {
	t.Parallel()

	jaeger := serve(t, func(request int, query url.Values) (int, []span) {
		switch {
		case query.Get("query.service_name") == "apiserver" && request == 1:
			return http.StatusOK, []span{{trace: 1, service: "apiserver"}, {trace: 1, service: "apiserver"}}
		case query.Get("query.service_name") != "apiserver" && request > 4:
			return http.StatusOK, echoTrace(2)
		default:
			return http.StatusOK, nil
		}
	})
	report := run(t, jaeger.URL, longTimeout, apiserver, echo)

	assert.True(t, report.Met())
	assert.Equal(t, traceID(1), report.Results[0].Trace.ID)
	assert.Equal(t, 2, report.Services["apiserver"])
	var services []string
	for _, request := range jaeger.seen() {
		services = append(services, request.Query().Get("query.service_name"))
	}
	assert.Equal(t, []string{"apiserver", "kubelet", "kubelet", "kubelet", "kubelet"}, services)
}

func TestCheck_MissingSpansOfNearestTrace(t *testing.T) {
	t.Parallel()

	kubeletSandbox, containerdSandbox, syncPod := echo.Spans[0], echo.Spans[1], echo.Spans[2]
	tests := map[string]struct {
		spans   []span
		missing []verify.SpanMatch
	}{
		"no trace lacks everything": {
			spans:   nil,
			missing: echo.Spans,
		},
		"foreign traces lack everything": {
			spans:   []span{{trace: 1, service: "apiserver", operation: sandbox}},
			missing: echo.Spans,
		},
		"one span of three": {
			spans:   []span{{trace: 1, service: "containerd", operation: sandbox}},
			missing: []verify.SpanMatch{kubeletSandbox, syncPod},
		},
		"the trace with most of it counts, wherever it stands": {
			spans: []span{
				{trace: 1, service: "containerd", operation: sandbox},
				{trace: 2, service: "kubelet", operation: sandbox},
				{trace: 2, service: "containerd", operation: sandbox},
				{trace: 3, service: "kubelet", operation: sandbox},
			},
			missing: []verify.SpanMatch{syncPod},
		},
		"spans that are split over two traces do not make one": {
			spans: []span{
				{trace: 1, service: "kubelet", operation: sandbox},
				{trace: 1, service: "kubelet", operation: "syncPod", attributes: map[string]string{"k8s.pod": "tests/echo-1"}},
				{trace: 2, service: "containerd", operation: sandbox},
			},
			missing: []verify.SpanMatch{containerdSandbox},
		},
		"the right operation of another service does not count": {
			spans: []span{
				{trace: 1, service: "kubelet", operation: sandbox},
				{trace: 1, service: "crio", operation: sandbox},
				{trace: 1, service: "kubelet", operation: "syncPod", attributes: map[string]string{"k8s.pod": "tests/echo-1"}},
			},
			missing: []verify.SpanMatch{containerdSandbox},
		},
		"the right operation of another pod does not count": {
			spans: []span{
				{trace: 1, service: "kubelet", operation: sandbox},
				{trace: 1, service: "containerd", operation: sandbox},
				{trace: 1, service: "kubelet", operation: "syncPod", attributes: map[string]string{"k8s.pod": "kube-system/coredns"}},
			},
			missing: []verify.SpanMatch{syncPod},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jaeger := serveSpans(t, test.spans...)
			report := once(t, jaeger.URL, echo)
			assert.False(t, report.Met())
			require.NoError(t, report.Reason)
			assert.Equal(t, []verify.Result{{Expectation: echo, Missing: test.missing}}, report.Results)
		})
	}
}

func TestCheck_Deadline(t *testing.T) {
	t.Parallel()

	jaeger := serveSpans(t)
	start := time.Now()
	report := run(t, jaeger.URL, time.Second, apiserver)

	assert.False(t, report.Met())
	assert.Equal(t, []verify.Result{{Expectation: apiserver, Missing: apiserver.Spans}}, report.Results)
	assert.Empty(t, report.Services)
	assert.GreaterOrEqual(t, time.Since(start), time.Second)
	assert.Greater(t, len(jaeger.seen()), 1)
}

// One expectation's failure must not hide that another holds.
func TestCheck_ReportsEachExpectation(t *testing.T) {
	t.Parallel()

	jaeger := serve(t, func(_ int, query url.Values) (int, []span) {
		if query.Get("query.service_name") == "apiserver" {
			return http.StatusOK, []span{{trace: 1, service: "apiserver"}}
		}
		return http.StatusOK, nil
	})
	var met, all int
	var missing []string
	report := runOnce(t, verify.Check{
		Client:       verify.Client{BaseURL: jaeger.URL},
		Expectations: []verify.Expectation{echo, apiserver},
		Progress:     func(m, a int, names []string) { met, all, missing = m, a, names },
	})

	assert.False(t, report.Met())
	assert.Equal(t, []verify.Result{
		{Expectation: echo, Missing: echo.Spans},
		held(apiserver, 1, 1, 1),
	}, report.Results)
	assert.Equal(t, 1, met)
	assert.Equal(t, 2, all)
	assert.Equal(t, []string{"echo"}, missing)
}

func TestSpanMatch_AttributePatterns(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		pattern string
		value   string
		want    bool
	}{
		"a value without a glob is compared whole":      {"echo", "echo", true},
		"a longer value is another":                     {"echo", "echo-1", false},
		"a star matches any characters":                 {"tests/echo-*", "tests/echo-x7k", true},
		"a star also matches the empty text":            {"echo*", "echo", true},
		"a star does not cross a slash":                 {"tests*", "tests/echo", false},
		"a question mark matches one character":         {"node-?", "node-1", true},
		"a question mark does not match the empty text": {"node-?", "node-", false},
		"a set matches one of its characters":           {"node-[12]", "node-2", true},
		"a set does not match other characters":         {"node-[12]", "node-3", false},
		"a backslash takes the next character as it is": {`a\*`, "a*", true},
		"an invalid pattern matches nothing":            {"[", "[", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expectation := verify.Expectation{Name: name, Spans: []verify.SpanMatch{
				{Service: "kubelet", Attributes: map[string]string{"key": test.pattern}},
			}}
			jaeger := serveSpans(t,
				span{trace: 1, service: "kubelet", attributes: map[string]string{"other": test.value}},
				span{trace: 2, service: "kubelet", attributes: map[string]string{"key": test.value}},
			)
			assert.Equal(t, test.want, once(t, jaeger.URL, expectation).Met())
		})
	}
}

// A star matches any value, but not the absence of one.
func TestSpanMatch_AbsentAttribute(t *testing.T) {
	t.Parallel()

	expectation := verify.Expectation{Name: "pod", Spans: []verify.SpanMatch{
		{Service: "kubelet", Attributes: map[string]string{"k8s.pod": "*"}},
	}}
	without := serveSpans(t, span{trace: 1, service: "kubelet"})
	assert.False(t, once(t, without.URL, expectation).Met())
	with := serveSpans(t, span{trace: 1, service: "kubelet", attributes: map[string]string{"k8s.pod": ""}})
	assert.True(t, once(t, with.URL, expectation).Met())
}

func TestSpanMatch_ResourceAttributes(t *testing.T) {
	t.Parallel()

	jaeger := serveSpans(t, span{
		trace: 1, service: "kubelet",
		attributes: map[string]string{"k8s.pod": "tests/echo-1"},
		resource:   map[string]string{"k8s.node.name": "k3d-kubetracing-dev-server-0"},
	})
	expect := func(attributes map[string]string) verify.Expectation {
		return verify.Expectation{Name: "pod", Spans: []verify.SpanMatch{{Service: "kubelet", Attributes: attributes}}}
	}
	assert.True(t, once(t, jaeger.URL, expect(map[string]string{
		"k8s.pod": "tests/echo-1", "k8s.node.name": "k3d-*", "service.name": "kubelet",
	})).Met())
	assert.False(t, once(t, jaeger.URL, expect(map[string]string{
		"k8s.pod": "tests/echo-1", "k8s.node.name": "other",
	})).Met(), "all attributes must match")
}

func TestReport_Reason(t *testing.T) {
	t.Parallel()

	t.Run("an error of Jaeger, with what it says", func(t *testing.T) {
		t.Parallel()
		jaeger := serve(t, func(int, url.Values) (int, []span) { return http.StatusInternalServerError, nil })
		report := once(t, jaeger.URL, apiserver)
		assert.False(t, report.Met())
		require.EqualError(t, report.Reason, "query Jaeger: /api/v3/traces 500 Internal Server Error: storage is gone")
		assert.Equal(t, apiserver.Spans, report.Results[0].Missing)
	})

	t.Run("an address where nothing listens", func(t *testing.T) {
		t.Parallel()
		address := unreachable(t)
		report := once(t, address, apiserver)
		assert.False(t, report.Met())
		require.ErrorContains(t, report.Reason, "query Jaeger: Get \""+address+"/api/v3/traces?")
		require.ErrorContains(t, report.Reason, "connection refused")
	})

	t.Run("an answer that is not Jaeger's", func(t *testing.T) {
		t.Parallel()
		other := serveText(t, "<html>a login page</html>")
		report := once(t, other, apiserver)
		require.EqualError(t, report.Reason, "read traces: invalid character '<' looking for beginning of value")
	})

	t.Run("one reason for every expectation that could not be asked for", func(t *testing.T) {
		t.Parallel()
		jaeger := serve(t, func(_ int, query url.Values) (int, []span) {
			if query.Get("query.service_name") == "apiserver" {
				return http.StatusServiceUnavailable, nil
			}
			return http.StatusBadRequest, nil
		})
		report := once(t, jaeger.URL, apiserver, echo)
		require.EqualError(t, report.Reason,
			"query Jaeger: /api/v3/traces 503 Service Unavailable: storage is gone\n"+
				"query Jaeger: /api/v3/traces 400 Bad Request: storage is gone")
	})

	t.Run("nothing, once Jaeger answers again", func(t *testing.T) {
		t.Parallel()
		jaeger := serve(t, func(request int, _ url.Values) (int, []span) {
			if request < 3 {
				return http.StatusBadGateway, nil
			}
			return http.StatusOK, []span{{trace: 1, service: "apiserver"}}
		})
		report := run(t, jaeger.URL, longTimeout, apiserver)
		assert.True(t, report.Met())
		require.NoError(t, report.Reason)
		assert.Len(t, jaeger.seen(), 3)
	})

	t.Run("nothing, as long as Jaeger has no traces yet", func(t *testing.T) {
		t.Parallel()
		report := once(t, serveSpans(t).URL, apiserver)
		assert.False(t, report.Met())
		require.NoError(t, report.Reason)
	})
}

// The deadline mostly comes during a query.
func TestCheck_DeadlineDuringQuery(t *testing.T) {
	t.Parallel()

	answered := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-answered:
			<-r.Context().Done()
		default:
			close(answered)
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	report := run(t, server.URL, time.Second, apiserver)
	assert.False(t, report.Met())
	require.NoError(t, report.Reason)
}

// A Jaeger that accepts connections and never answers must not outlast the
// deadline.
func TestCheck_JaegerHangs(t *testing.T) {
	t.Parallel()

	report := run(t, serveHanging(t), deadline, apiserver)
	assert.False(t, report.Met())
	require.ErrorIs(t, report.Reason, context.DeadlineExceeded)
}
