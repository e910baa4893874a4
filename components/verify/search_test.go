package verify_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
)

// pods is a Jaeger's worth of pods, one a second. The traces of a few are received
// much later than they began.
func pods(count int) []span {
	var spans []span
	for i := range count {
		start := time.Duration(i) * time.Second
		if i%97 == 0 {
			start = time.Duration(i/97) * time.Millisecond
		}
		spans = append(spans, span{
			trace: uint16(i + 1), service: "kubelet", operation: "syncPod", start: start, //nolint:gosec // below 65536
			attributes: map[string]string{"k8s.pod": fmt.Sprintf("tests/pod-%d", i)},
		}, span{trace: uint16(i + 1), service: "containerd", operation: sandbox, start: start + time.Second}) //nolint:gosec // see above
	}
	return spans
}

func podExpectation(pod string) verify.Expectation {
	return verify.Expectation{Name: pod, Spans: []verify.SpanMatch{
		{Service: "containerd", Operation: sandbox},
		{Service: "kubelet", Operation: "syncPod", Attributes: map[string]string{"k8s.pod": pod, "k8s.node": "*"}},
	}}
}

// Attributes whose whole value is known say more than any operation.
func TestCheck_AsksByAttribute(t *testing.T) {
	t.Parallel()

	jaeger := serveSpans(t)
	expectation := verify.Expectation{Name: "echo", Spans: []verify.SpanMatch{
		{Service: "containerd", Operation: sandbox},
		{Service: "kubelet", Operation: "syncPod", Attributes: map[string]string{
			"k8s.pod": "tests/echo", "attempt": "3", "node": "k3d-*", "set": "[ab]", "one": "node-?", "escaped": `a\*`,
			"ratio": "0.5", "object": "{}", "error": "true", "span.kind": "client", "service.name": "kubelet", "resource.a": "b",
		}},
	}}
	assert.False(t, once(t, jaeger.URL, expectation).Met())
	requests := jaeger.seen()
	require.Len(t, requests, 1)
	query := requests[0].Query()
	assert.Equal(t, "kubelet", query.Get("query.service_name"))
	assert.Equal(t, "syncPod", query.Get("query.operation_name"))
	assert.JSONEq(t, `{"k8s.pod": "tests/echo", "attempt": "3"}`, query.Get("query.attributes"))
}

// A trace is found wherever it is among many, in whatever order Jaeger answers.
func TestCheck_FindsEveryTrace(t *testing.T) {
	t.Parallel()

	const count = 3000
	tests := map[string]store{
		"in the order of arrival":          {},
		"newest first":                     {newestFirst: true},
		"attributes are ignored":           {ignoresAttributes: true},
		"newest first, without attributes": {newestFirst: true, ignoresAttributes: true},
		"more traces than are kept":        {ignoresAttributes: true, maxTraces: 40},
	}
	for name, storage := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storage.spans = pods(count)
			for _, pod := range []string{"tests/pod-0", "tests/pod-97", "tests/pod-1500", "tests/pod-2910", "tests/pod-2999"} {
				// The node's name is only on the spans that are looked for.
				for i := range storage.spans {
					if storage.spans[i].attributes["k8s.pod"] == pod {
						storage.spans[i].resource = map[string]string{"k8s.node": "node"}
					}
				}
				report := run(t, serveStore(t, &storage).URL, time.Minute, podExpectation(pod))
				require.NoError(t, report.Reason)
				assert.True(t, report.Met(), pod)
			}
		})
	}
}

// Nothing that Jaeger has is left out of an expectation about every trace.
func TestCheck_EveryTraceOfMany(t *testing.T) {
	t.Parallel()

	spans := pods(1200)
	spans[2*700].took = time.Minute
	jaeger := serveStore(t, &store{spans: spans})
	report := once(t, jaeger.URL, verify.Expectation{Name: "fast", EveryTrace: true, Spans: []verify.SpanMatch{
		{Service: "kubelet", Operation: "syncPod", MaxDuration: verify.Duration(time.Second)},
	}})
	assert.Equal(t, traceID(701), report.Results[0].BrokenBy)
	assert.Equal(t, 1199, report.Results[0].Traces)
	assert.Less(t, len(jaeger.seen()), 30)
}

// Storage in memory compares nanoseconds, others microseconds.
func TestCheck_TracesWithinMicroseconds(t *testing.T) {
	t.Parallel()

	spans := pods(1500)
	for i := range spans {
		spans[i].start = time.Duration(i/2) * 10 * time.Nanosecond
	}
	// In no order, so that an answer is a sample of its range.
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same order every time
	random.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
	report := once(t, serveStore(t, &store{spans: spans}).URL, verify.Expectation{
		Name: "all", EveryTrace: true, NoErrors: true, Spans: []verify.SpanMatch{{Service: "kubelet", Operation: "syncPod"}},
	})
	assert.Equal(t, 1500, report.Results[0].Traces)
}

// More traces than one answer holds may start at the same instant.
func TestCheck_TracesThatCannotBeSplit(t *testing.T) {
	t.Parallel()

	spans := pods(600)
	for i := range spans {
		spans[i].start = time.Hour
	}
	jaeger := serveStore(t, &store{spans: spans})
	report := once(t, jaeger.URL, verify.Expectation{Name: "none", Spans: []verify.SpanMatch{
		{Service: "kubelet", Operation: "syncPod", Error: &yes},
	}})
	assert.False(t, report.Met())
	require.NoError(t, report.Reason)
	assert.Less(t, len(jaeger.seen()), 200)
}

// What has not been found among many traces is not looked for among all of them every
// second.
func TestCheck_SweepsSeldom(t *testing.T) {
	t.Parallel()

	jaeger := serveStore(t, &store{spans: pods(1200), ignoresAttributes: true})
	report := run(t, jaeger.URL, 2*time.Second, podExpectation("tests/absent"))
	assert.False(t, report.Met())
	require.NoError(t, report.Reason)
	newest, older := 0, 0
	for _, request := range jaeger.seen() {
		if request.Query().Get("query.num_traces") == "50" {
			newest++
		} else {
			older++
		}
	}
	assert.Greater(t, newest, 1)
	assert.Greater(t, older, 2, "older traces were looked at")
}

// Spans of a host whose clock is ahead of ours are found, and those whose clock is
// known are judged by it.
func TestCheck_ClockOffset(t *testing.T) {
	t.Parallel()

	for _, ahead := range []time.Duration{70 * time.Second, -70 * time.Second, 10 * time.Hour} {
		now := time.Since(startOfTime) + ahead
		limited := verify.Expectation{Name: "limited", NoErrors: true, Spans: []verify.SpanMatch{{Service: "kubelet"}}}
		check := func(ended time.Duration) verify.Report {
			jaeger := serveStore(t, &store{spans: []span{{trace: 1, service: "kubelet", start: ended}}})
			return runOnce(t, verify.Check{
				Client: verify.Client{BaseURL: jaeger.URL}, Expectations: []verify.Expectation{limited}, ClockOffset: ahead,
			})
		}
		assert.True(t, check(now-time.Minute).Met(), ahead)
		assert.False(t, check(now-time.Second).Met(), "%s: it may still grow", ahead)
	}
}

// The parameters are those of the deepest query, too.
func TestCheck_KeepsBounds(t *testing.T) {
	t.Parallel()

	since := startOfTime.Add(20 * time.Minute)
	jaeger := serveStore(t, &store{spans: pods(2400), ignoresAttributes: true})
	runOnce(t, verify.Check{
		Client: verify.Client{BaseURL: jaeger.URL}, Since: since, Expectations: []verify.Expectation{podExpectation("tests/absent")},
	})
	requests := jaeger.seen()
	require.Greater(t, len(requests), 3)
	for _, request := range requests {
		earliest, err := time.Parse(time.RFC3339Nano, request.Query().Get("query.start_time_min"))
		require.NoError(t, err)
		assert.False(t, earliest.Before(since))
	}
}

func TestClient_All(t *testing.T) {
	t.Parallel()

	jaeger := serveStore(t, &store{spans: pods(1200)})
	client := verify.Client{BaseURL: jaeger.URL}
	query := verify.Query{Service: "kubelet", Operation: "syncPod", Limit: 5000}
	spans, complete, err := client.All(t.Context(), query)
	require.NoError(t, err)
	assert.True(t, complete)
	found := map[string]int{}
	for _, span := range spans {
		found[span.TraceID]++
	}
	assert.Len(t, found, 1200)
	assert.Len(t, spans, 2*1200, "no span is returned twice")

	query.Limit = 10
	spans, complete, err = client.All(t.Context(), query)
	require.NoError(t, err)
	assert.False(t, complete)
	assert.Len(t, spans, 2*10)

	_, _, err = verify.Client{BaseURL: unreachable(t)}.All(t.Context(), query)
	require.ErrorContains(t, err, "query Jaeger: ")
}
