package verify_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
)

// halfMet is a report with one expectation that holds and one that does not.
func halfMet() verify.Report {
	return verify.Report{
		Results: []verify.Result{
			{Expectation: apiserver, TraceID: traceID(1)},
			{Expectation: echo, Missing: echo.Spans[1:]},
		},
		Services: map[string]int{"apiserver": 12, "kubelet": 3},
	}
}

func TestWriteTableTellsWhatWasSeenAndWhatIsMissing(t *testing.T) {
	t.Parallel()

	var table strings.Builder
	require.NoError(t, halfMet().WriteTable(&table, "http://127.0.0.1:16686/"))
	assert.Equal(t, ""+
		"seen     apiserver  http://127.0.0.1:16686/trace/00000000000000000000000000000001\n"+
		"MISSING  echo       no trace has: containerd runtime.v1.RuntimeService/RunPodSandbox; "+
		"kubelet syncPod map[k8s.pod:tests/echo-*]\n", table.String())
}

func TestWriteTableReportsThatItCannotWrite(t *testing.T) {
	t.Parallel()

	err := halfMet().WriteTable(failingWriter{}, "http://127.0.0.1:16686")
	require.EqualError(t, err, "write report: disk full")
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestOutputsLinkOnlyWhatWasSeen(t *testing.T) {
	t.Parallel()

	text, err := json.Marshal(halfMet().Outputs("http://127.0.0.1:16686"))
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"services": {"apiserver": 12, "kubelet": 3},
		"traces": {"apiserver": "http://127.0.0.1:16686/trace/00000000000000000000000000000001"}
	}`, string(text))
}

// Programs read the outputs, so "nothing" must be an empty object, not null.
func TestOutputsOfNothingAreEmptyObjects(t *testing.T) {
	t.Parallel()

	report := verify.Check{}.Run(t.Context())
	text, err := json.Marshal(report.Outputs("http://127.0.0.1:16686"))
	require.NoError(t, err)
	assert.Equal(t, `{"services":{},"traces":{}}`, string(text))
}

func TestReportIsMetOnlyByAllOfItsResults(t *testing.T) {
	t.Parallel()

	report := halfMet()
	assert.False(t, report.Met())
	report.Results[1].TraceID = traceID(2)
	assert.True(t, report.Met())
}

func TestSpanMatchReadsAsText(t *testing.T) {
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
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, test.match.String())
		})
	}
}
