package verify_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
)

func TestExpectation_Limits(t *testing.T) {
	t.Parallel()
	pull := verify.SpanMatch{Service: "kubelet", Operation: "PullImage"}
	with := func(change func(*verify.SpanMatch)) []verify.SpanMatch {
		match := pull
		change(&match)
		return []verify.SpanMatch{match}
	}
	fast := span{trace: 1, service: "kubelet", operation: "PullImage", took: time.Second}
	slow := span{trace: 2, service: "kubelet", operation: "PullImage", took: 3 * time.Second}
	failed := span{trace: 3, service: "kubelet", operation: "PullImage", took: time.Second, failed: "no image"}
	elsewhere := span{trace: 1, service: "containerd", operation: "Pull", start: 4 * time.Second, took: time.Second, failed: "denied"}
	tests := map[string]struct {
		expectation verify.Expectation
		spans       []span
		held        int
		missing     []verify.SpanMatch
		broken      []string
		brokenBy    string
	}{
		"as many traces as are asked for": {
			verify.Expectation{Spans: []verify.SpanMatch{pull}, Traces: 3}, []span{fast, slow, failed}, 3, nil, nil, "",
		},
		"fewer traces than are asked for": {
			verify.Expectation{Spans: []verify.SpanMatch{pull}, Traces: 3}, []span{fast, slow}, 2, nil, nil, "",
		},
		"as many spans in one trace as are asked for": {
			verify.Expectation{Spans: with(func(m *verify.SpanMatch) { m.MinSpans = 2 })}, []span{fast, fast}, 1, nil, nil, "",
		},
		"spans of two traces do not add up": {
			verify.Expectation{Spans: with(func(m *verify.SpanMatch) { m.MinSpans = 2 })},
			[]span{fast, slow},
			0,
			with(func(m *verify.SpanMatch) { m.MinSpans = 2 }), nil, "",
		},
		"a span with an error where one is expected": {
			verify.Expectation{Spans: with(func(m *verify.SpanMatch) { m.Error = &yes })}, []span{fast, failed}, 1, nil, nil, "",
		},
		"no span with an error where one is expected": {
			verify.Expectation{Spans: with(func(m *verify.SpanMatch) { m.Error = &yes })},
			[]span{fast, slow},
			0,
			with(func(m *verify.SpanMatch) { m.Error = &yes }), nil, "",
		},
		"only spans with an error where one without is expected": {
			verify.Expectation{Spans: with(func(m *verify.SpanMatch) { m.Error = &no })},
			[]span{failed},
			0,
			with(func(m *verify.SpanMatch) { m.Error = &no }), nil, "",
		},
		"a trace without errors": {
			verify.Expectation{Spans: []verify.SpanMatch{pull}, NoErrors: true}, []span{fast}, 1, nil, nil, "",
		},
		"an error anywhere in the trace": {
			verify.Expectation{Spans: []verify.SpanMatch{pull}, NoErrors: true},
			[]span{fast, elsewhere},
			0, nil,
			[]string{`containerd Pull has an error: "denied"`},
			traceID(1),
		},
		"an error in another trace does not count": {
			verify.Expectation{Spans: []verify.SpanMatch{pull}, NoErrors: true},
			[]span{fast, failed},
			1, nil,
			[]string{`kubelet PullImage has an error: "no image"`},
			traceID(3),
		},
		"a span that is slow": {
			verify.Expectation{Spans: with(func(m *verify.SpanMatch) { m.MaxDuration = verify.Duration(2 * time.Second) })},
			[]span{slow},
			0, nil,
			[]string{"kubelet PullImage took 3s, more than 2s"},
			traceID(2),
		},
		"a span that takes exactly as long as it may": {
			verify.Expectation{Spans: with(func(m *verify.SpanMatch) { m.MaxDuration = verify.Duration(3 * time.Second) })},
			[]span{slow},
			1, nil, nil, "",
		},
		"a trace lasts from its first start to its last end": {
			verify.Expectation{Spans: []verify.SpanMatch{pull}, MaxDuration: verify.Duration(4 * time.Second)},
			[]span{fast, elsewhere},
			0, nil,
			[]string{"it took 5s, more than 4s"},
			traceID(1),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.expectation.Name = name
			report := once(t, serveSpans(t, test.spans...).URL, test.expectation)
			require.NoError(t, report.Reason)
			result := report.Results[0]
			assert.Equal(t, test.held, result.Traces)
			assert.Equal(t, test.held >= max(1, test.expectation.Traces), result.Met())
			assert.Equal(t, test.missing, result.Missing)
			assert.Equal(t, test.broken, result.Broken)
			assert.Equal(t, test.brokenBy, result.BrokenBy)
		})
	}
}

func TestExpectation_EveryTrace(t *testing.T) {
	t.Parallel()
	spans := []span{
		{trace: 1, service: "kubelet", operation: "PullImage", took: time.Second},
		{trace: 2, service: "kubelet", operation: "PullImage", took: 3 * time.Second},
		{trace: 3, service: "kubelet", operation: "syncPod", took: time.Hour},
	}
	expectation := verify.Expectation{Name: "fast pulls", EveryTrace: true, Spans: []verify.SpanMatch{
		{Service: "kubelet", Operation: "PullImage", MaxDuration: verify.Duration(2 * time.Second)},
	}}
	report := once(t, serveSpans(t, spans...).URL, expectation)
	assert.False(t, report.Met())
	assert.Equal(t, traceID(2), report.Results[0].BrokenBy)

	expectation.Spans[0].MaxDuration = verify.Duration(3 * time.Second)
	assert.True(t, once(t, serveSpans(t, spans...).URL, expectation).Met(), "a trace that is not selected has no limits")
	assert.False(t, once(t, serveSpans(t).URL, expectation).Met(), "nothing is not everything")
}

// The span that breaks a limit may be the last one to arrive.
func TestExpectation_LimitsOfGrowingTrace(t *testing.T) {
	t.Parallel()
	recent := span{trace: 1, service: "kubelet", start: time.Since(startOfTime) - time.Second}
	kubelet := []verify.SpanMatch{{Service: "kubelet"}}
	limited := verify.Expectation{Name: "limited", Spans: kubelet, NoErrors: true}
	report := once(t, serveSpans(t, recent).URL, limited)
	assert.False(t, report.Met())
	assert.Empty(t, report.Results[0].Missing)
	assert.Empty(t, report.Results[0].Broken)
	assert.True(t, once(t, serveSpans(t, recent).URL, verify.Expectation{Name: "unlimited", Spans: kubelet}).Met())

	recent.start -= time.Minute
	assert.True(t, once(t, serveSpans(t, recent).URL, limited).Met())
}

// Two polls may each see some of the traces.
func TestCheck_CountsTracesOfAllQueries(t *testing.T) {
	t.Parallel()
	jaeger := serve(t, func(request int, _ url.Values) (int, []span) {
		return http.StatusOK, []span{{trace: uint16(request), service: "kubelet"}}
	})
	report := run(t, jaeger.URL, longTimeout, verify.Expectation{
		Name: "three", Traces: 3, Spans: []verify.SpanMatch{{Service: "kubelet"}},
	})
	assert.True(t, report.Met())
	assert.Equal(t, 3, report.Results[0].Traces)
	assert.Equal(t, traceID(1), report.Results[0].Trace.ID)
}
