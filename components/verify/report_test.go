package verify_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
)

// halfMet is a report with one expectation that holds and one that does not.
func halfMet() verify.Report {
	return verify.Report{
		Results: []verify.Result{
			{Expectation: apiserver, Traces: 1, Trace: verify.Trace{
				ID: traceID(1), Spans: 7, Duration: 1_234_567 * time.Nanosecond,
			}},
			{Expectation: echo, Missing: echo.Spans[1:]},
		},
		Services: map[string]int{"apiserver": 12, "kubelet": 3},
	}
}

func TestReport_WriteTable(t *testing.T) {
	t.Parallel()

	var table strings.Builder
	require.NoError(t, halfMet().WriteTable(&table, "http://127.0.0.1:16686/"))
	assert.Equal(t, ""+
		"RESULT   EXPECTATION  TRACES  SPANS  DURATION  TRACE\n"+
		"seen     apiserver    1       7      1.235ms   http://127.0.0.1:16686/trace/00000000000000000000000000000001\n"+
		"MISSING  echo         0       -      -         no trace has: containerd runtime.v1.RuntimeService/RunPodSandbox; "+
		"kubelet syncPod map[k8s.pod:tests/echo-*]\n", table.String())
}

func TestReport_WriteTable_Missing(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		result verify.Result
		want   string
	}{
		"a limit that a trace breaks": {
			verify.Result{Broken: []string{"it took 7s, more than 5s", "kubelet has an error"}, BrokenBy: traceID(3)},
			"BROKEN   0       -      -         http://jaeger/trace/" + traceID(3) + ": it took 7s, more than 5s; kubelet has an error",
		},
		"too few traces": {
			verify.Result{Expectation: verify.Expectation{Traces: 5}, Traces: 2, Trace: verify.Trace{ID: traceID(4), Spans: 3, Duration: 61_500 * time.Millisecond}},
			"MISSING  2       3      1m1.5s    only 2 of 5 traces",
		},
		"a trace that is not at its end": {
			verify.Result{}, "MISSING  0       -      -         seen, but still growing: increase the timeout",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.result.Expectation.Name = "x"
			var table strings.Builder
			require.NoError(t, verify.Report{Results: []verify.Result{test.result}}.WriteTable(&table, "http://jaeger"))
			_, line, _ := strings.Cut(table.String(), "\n")
			assert.Regexp(t, `^`+test.want[:7]+` +x +`+regexp.QuoteMeta(test.want[9:])+`\n$`, line)
		})
	}
}

func TestReport_WriteTable_Error(t *testing.T) {
	t.Parallel()

	err := halfMet().WriteTable(failingWriter{}, "http://127.0.0.1:16686")
	require.EqualError(t, err, "write report: disk full")
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestReport_Outputs(t *testing.T) {
	t.Parallel()

	text, err := json.Marshal(halfMet().Outputs("http://127.0.0.1:16686"))
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"services": {"apiserver": 12, "kubelet": 3},
		"traces": {"apiserver": "http://127.0.0.1:16686/trace/00000000000000000000000000000001"}
	}`, string(text))
}

// Programs read the outputs, so "nothing" must be an empty object, not null.
func TestReport_Outputs_Empty(t *testing.T) {
	t.Parallel()

	report := verify.Check{}.Run(t.Context())
	text, err := json.Marshal(report.Outputs("http://127.0.0.1:16686"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"services":{},"traces":{}}`, string(text))
}

func TestReport_Met(t *testing.T) {
	t.Parallel()

	report := halfMet()
	assert.False(t, report.Met())
	report.Results[1].Traces = 1
	assert.True(t, report.Met())
}

// Pointers for [verify.SpanMatch].
var yes, no = true, false

func TestSpanMatch_String(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		match verify.SpanMatch
		want  string
	}{
		"a service":             {verify.SpanMatch{Service: "etcd"}, "etcd"},
		"a service's operation": {verify.SpanMatch{Service: "etcd", Operation: "Range"}, "etcd Range"},
		"attributes in alphabetical order": {
			verify.SpanMatch{Service: "kubelet", Attributes: map[string]string{"b": "2", "a": "1", "c": "3"}},
			"kubelet map[a:1 b:2 c:3]",
		},
		"a number of spans":      {verify.SpanMatch{Service: "etcd", MinSpans: 3}, "3 x etcd"},
		"one span is no number":  {verify.SpanMatch{Service: "etcd", MinSpans: 1}, "etcd"},
		"spans with an error":    {verify.SpanMatch{Service: "etcd", Operation: "Put", Error: &yes}, "etcd Put with an error"},
		"spans without an error": {verify.SpanMatch{Service: "etcd", Error: &no}, "etcd without an error"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, test.match.String())
		})
	}
}
