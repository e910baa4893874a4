package verify_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/verify"
)

func TestReadExpectations(t *testing.T) {
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
- name: failing pulls
  spans:
    - {service: kubelet, error: true, minSpans: 2, maxDuration: 1.5s}
  traces: 3
  maxDuration: 1m
  noErrors: true
  everyTrace: true
  hint: check the registry
`))
	require.NoError(t, err)
	assert.Equal(t, []verify.Expectation{apiserver, echo, complete}, expectations)
}

// complete sets every field.
var complete = verify.Expectation{
	Name: "failing pulls",
	Spans: []verify.SpanMatch{
		{Service: "kubelet", Error: &yes, MinSpans: 2, MaxDuration: verify.Duration(1500 * time.Millisecond)},
	},
	Traces: 3, MaxDuration: verify.Duration(time.Minute), NoErrors: true, EveryTrace: true, Hint: "check the registry",
}

func TestReadExpectations_RoundTrip(t *testing.T) {
	t.Parallel()

	text, err := yaml.Marshal([]verify.Expectation{apiserver, echo, complete})
	require.NoError(t, err)
	expectations, err := verify.ReadExpectations(text)
	require.NoError(t, err)
	assert.Equal(t, []verify.Expectation{apiserver, echo, complete}, expectations)
}

func TestReadExpectations_Empty(t *testing.T) {
	t.Parallel()

	for _, text := range []string{"", "[]", "null"} {
		expectations, err := verify.ReadExpectations([]byte(text))
		require.NoError(t, err, "of %q", text)
		assert.Empty(t, expectations, "of %q", text)
	}
}

func TestReadExpectations_Mistakes(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		text string
		want string
	}{
		"an unknown key": {
			text: "- {name: a, span: [{service: a}]}",
			want: "read expectations: [0].span: unknown key; the nearest valid one is spans",
		},
		"an unknown key of a span": {
			text: "- {name: a, spans: [{service: a, tags: {}}]}",
			want: "read expectations: [0].spans[0].tags: unknown key; the nearest valid one is spans.error",
		},
		"a key that is written twice": {
			text: "- name: a\n  name: b\n  spans: [{service: a}]",
			want: "read expectations: error converting YAML to JSON: yaml: unmarshal errors:\n" +
				`  line 2: key "name" already set in map`,
		},
		"an object instead of a list": {
			text: "{name: a}",
			want: "read expectations: must be a list",
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
		"an entry that is not an expectation": {
			text: "- hello",
			want: `read expectations: [0]: hello: must be an object`,
		},
		"a duration without a unit": {
			text: "- {name: a, spans: [{service: a}], maxDuration: '5'}",
			want: `read expectations: [0].maxDuration: 5: must be a positive duration, as 1.5s`,
		},
		"a duration that is a number": {
			text: "- {name: a, spans: [{service: a}], maxDuration: 5}",
			want: "read expectations: [0].maxDuration: 5: must be a positive duration, as 1.5s",
		},
		"a fraction of a trace": {
			text: "- {name: a, spans: [{service: a}], traces: 1.5}",
			want: "read expectations: [0].traces: 1.5: must be an integer",
		},
		"a duration that nothing can keep": {
			text: "- {name: a, spans: [{service: a, maxDuration: -1s}]}",
			want: `read expectations: [0].spans[0].maxDuration: -1s: must be a positive duration, as 1.5s`,
		},
		"negative numbers of traces or spans, or more than are read": {
			text: "- {name: a, spans: [{service: a, minSpans: -1}], traces: 501}",
			want: "read expectations: [0].traces: 501: must be from 1 to 500\n[0].spans[0].minSpans: -1: must be at least 1",
		},
		"every trace without a limit": {
			text: "- {name: a, spans: [{service: a}], everyTrace: true}",
			want: "read expectations: [0].everyTrace: needs a limit: maxDuration or noErrors",
		},
		"every mistake at once": {
			text: `
- name: a
  span: []
  traces: many
  spans: [{service: a, error: maybe, tags: {}}]
- spans:
    - service: a
    - {operation: get, attributes: {pod: "["}}
- name: b
`,
			want: "read expectations: [0].span: unknown key; the nearest valid one is spans\n" +
				"[0].spans[0].tags: unknown key; the nearest valid one is spans.error\n" +
				"[0].spans[0].error: maybe: must be true or false\n" +
				"[0].traces: many: must be an integer\n" +
				"[1].name: must not be empty\n" +
				"[1].spans[1].service: must not be empty\n" +
				`[1].spans[1].attributes["pod"]: "[": syntax error in pattern` + "\n" +
				"[2].spans: must name at least one span",
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
