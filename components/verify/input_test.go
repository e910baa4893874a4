package verify_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/verify"
)

func TestReadExpectationsReadsEveryKey(t *testing.T) {
	t.Parallel()

	expectations, err := verify.ReadExpectations([]byte(`
- name: apiserver
  spans:
    - service: apiserver
- name: echo
  spans:
    - service: kubelet
      operation: runtime.v1.RuntimeService/RunPodSandbox
    - service: containerd
      operation: runtime.v1.RuntimeService/RunPodSandbox
    - service: kubelet
      operation: syncPod
      attributes: {k8s.pod: tests/echo-*}
`))
	require.NoError(t, err)
	assert.Equal(t, []verify.Expectation{apiserver, echo}, expectations)
}

func TestReadExpectationsReadsWhatIsWritten(t *testing.T) {
	t.Parallel()

	text, err := yaml.Marshal([]verify.Expectation{apiserver, echo})
	require.NoError(t, err)
	expectations, err := verify.ReadExpectations(text)
	require.NoError(t, err)
	assert.Equal(t, []verify.Expectation{apiserver, echo}, expectations)
}

func TestReadExpectationsAcceptsThatNothingIsExpected(t *testing.T) {
	t.Parallel()

	for _, text := range []string{"", "[]", "null"} {
		expectations, err := verify.ReadExpectations([]byte(text))
		require.NoError(t, err, "of %q", text)
		assert.Empty(t, expectations, "of %q", text)
	}
}

func TestReadExpectationsRefuses(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		text string
		want string
	}{
		"an unknown key": {
			text: "- {name: a, span: [{service: a}]}",
			want: `read expectations: error unmarshaling JSON: while decoding JSON: json: unknown field "span"`,
		},
		"an unknown key of a span": {
			text: "- {name: a, spans: [{service: a, tags: {}}]}",
			want: `read expectations: error unmarshaling JSON: while decoding JSON: json: unknown field "tags"`,
		},
		"a key that is written twice": {
			text: "- name: a\n  name: b\n  spans: [{service: a}]",
			want: "read expectations: error converting YAML to JSON: yaml: unmarshal errors:\n" +
				`  line 2: key "name" already set in map`,
		},
		"an object instead of a list": {
			text: "{name: a}",
			want: "read expectations: error unmarshaling JSON: while decoding JSON: " +
				"json: cannot unmarshal object into Go value of type []verify.Expectation",
		},
		"an expectation without a name": {
			text: "- spans: [{service: a}]",
			want: "read expectations: [0].name: must not be empty",
		},
		"an expectation without spans, which would always hold": {
			text: "- name: a",
			want: "read expectations: [0].spans: must name at least one span",
		},
		"a span without a service": {
			text: "- {name: a, spans: [{operation: get}]}",
			want: "read expectations: [0].spans[0].service: must not be empty",
		},
		"an invalid pattern": {
			text: "- {name: a, spans: [{service: a, attributes: {pod: 'echo-['}}]}",
			want: `read expectations: [0].spans[0].attributes["pod"]: "echo-[": syntax error in pattern`,
		},
		"invalid patterns in the order of their keys": {
			text: "- {name: a, spans: [{service: a, attributes: {d: '[', b: '[', c: '[', a: '['}}]}",
			want: `read expectations: [0].spans[0].attributes["a"]: "[": syntax error in pattern` + "\n" +
				`[0].spans[0].attributes["b"]: "[": syntax error in pattern` + "\n" +
				`[0].spans[0].attributes["c"]: "[": syntax error in pattern` + "\n" +
				`[0].spans[0].attributes["d"]: "[": syntax error in pattern`,
		},
		"every mistake at once": {
			text: `
- spans:
    - service: a
    - {operation: get, attributes: {pod: "["}}
- name: b
`,
			want: "read expectations: [0].name: must not be empty\n" +
				"[0].spans[1].service: must not be empty\n" +
				`[0].spans[1].attributes["pod"]: "[": syntax error in pattern` + "\n" +
				"[1].spans: must name at least one span",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expectations, err := verify.ReadExpectations([]byte(test.text))
			require.EqualError(t, err, test.want)
			assert.Nil(t, expectations)
		})
	}
}
