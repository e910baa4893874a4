package timeline_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/timeline"
)

// spansOf returns the spans of traces by their names.
func spansOf(traces ptrace.Traces) map[string]ptrace.Span {
	spans := map[string]ptrace.Span{}
	for _, resource := range traces.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				spans[span.Name()] = span
			}
		}
	}
	return spans
}

func TestTimeline_Encode(t *testing.T) {
	t.Parallel()
	pod := timeline.Build(read(t, "1.36").facts(t, "1.36", "late", ""))
	found := timeline.Timeline{Object: pod.Object, Pods: []timeline.Pod{pod}}
	traces, id, err := found.Encode()
	require.NoError(t, err)
	spans := verify.Flatten(traces)
	require.Len(t, spans, len(pod.Phases)+1)
	for i, span := range spans {
		assert.Equal(t, id, span.TraceID)
		assert.Equal(t, "timeline", span.Service)
		assert.Equal(t, "shop", span.Attributes["k8s.namespace.name"])
		assert.Equal(t, "late", span.Attributes["k8s.pod.name"])
		assert.Equal(t, pod.UID, span.Attributes["k8s.pod.uid"])
		if i > 0 {
			assert.Equal(t, spans[0].ID, span.ParentID)
			assert.Equal(t, pod.Phases[i-1].Start, span.Start)
			assert.Equal(t, pod.Phases[i-1].End, span.End)
		}
	}
	assert.Empty(t, spans[0].ParentID)
	assert.Equal(t, "pod/late", spans[0].Operation)
	assert.Equal(t, "shop/late", spans[0].Attributes["k8s.pod"])
	assert.Equal(t, "00-57c7930e066dc7591f10c54a1e3f87b7-"+pod.Phases[0].SpanID+"-01", spans[0].Attributes["tracing.k8s.io/traceparent"])

	byName := spansOf(traces)
	sandbox := byName["sandbox"]
	require.Equal(t, 1, sandbox.Links().Len())
	assert.Equal(t, "542ce735e6d10e057887d7ce52a0afb9", sandbox.Links().At(0).TraceID().String())
	wait := byName["wait for kubelet on node"]
	assert.NotZero(t, wait.SpanID())
	assert.Zero(t, byName["wait for kube-scheduler"].Links().Len(), "a wait that no span shows")
	assert.Equal(t, `MountVolume.SetUp failed for volume "settings" : configmap "late" not found`, messageOf(traces, "volumes"))

	_, again, err := found.Encode()
	require.NoError(t, err)
	assert.Equal(t, id, again)
	found.Pods[0].State = timeline.StateNotReady
	_, other, err := found.Encode()
	require.NoError(t, err)
	assert.NotEqual(t, id, other)
}

// messageOf returns the status of the span of a phase.
func messageOf(traces ptrace.Traces, phase string) string {
	for _, span := range verify.Flatten(traces) {
		if span.Attributes["timeline.phase"] == phase {
			return span.Message
		}
	}
	return ""
}

func TestTimeline_Encode_of_an_owner(t *testing.T) {
	t.Parallel()
	r := read(t, "1.36")
	owner := timeline.Timeline{Object: timeline.Object{Kind: "deployment", Namespace: namespace, Name: "web", UID: "u"}}
	for name := range r.names() {
		if len(name) > 4 && name[:4] == "web-" {
			owner.Pods = append(owner.Pods, timeline.Build(r.facts(t, "1.36", name, "")))
		}
	}
	require.Len(t, owner.Pods, 3)
	owner.Phases = []timeline.Phase{{Name: timeline.PhaseCreated, Text: "created", By: "kube-apiserver", Start: owner.Pods[0].Start.Add(-time.Minute), End: owner.Pods[0].Start}}
	traces, _, err := owner.Encode()
	require.NoError(t, err)
	spans := spansOf(traces)
	root := spans["deployment/web"]
	assert.Equal(t, owner.Phases[0].Start, root.StartTimestamp().AsTime())
	for _, pod := range owner.Pods {
		assert.Equal(t, root.SpanID(), spans[pod.String()].ParentSpanID())
	}
	assert.Equal(t, root.SpanID(), spans["created"].ParentSpanID())
	ids := map[string]bool{}
	for _, span := range verify.Flatten(traces) {
		assert.False(t, ids[span.ID], "two spans have one id")
		ids[span.ID] = true
	}
}

// What goes on ends with the timeline, and a failure is the trace's.
func TestTimeline_Encode_of_a_failing_pod(t *testing.T) {
	t.Parallel()
	pod := timeline.Build(read(t, "1.36").facts(t, "1.36", "crashloop", ""))
	traces, _, err := timeline.Timeline{Object: pod.Object, Pods: []timeline.Pod{pod}}.Encode()
	require.NoError(t, err)
	spans := verify.Flatten(traces)
	assert.True(t, spans[0].Error)
	assert.Equal(t, "main ended 4 times: exit code 1", spans[0].Message)
	last := spans[len(spans)-1]
	assert.Equal(t, "backOff", last.Attributes["timeline.phase"])
	assert.Equal(t, now["1.36"], last.End)
}
