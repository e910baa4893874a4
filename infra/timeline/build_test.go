package timeline_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/timeline"
)

// without returns the facts without the spans of some services.
func without(facts timeline.Facts, services ...string) timeline.Facts {
	facts.Spans = slices.DeleteFunc(slices.Clone(facts.Spans), func(span verify.Span) bool { return slices.Contains(services, span.Service) })
	return facts
}

// phases returns the names of the phases in which something was done.
func phases(pod timeline.Pod) []timeline.PhaseName {
	var names []timeline.PhaseName
	for _, phase := range pod.Phases {
		if !phase.Wait {
			names = append(names, phase.Name)
		}
	}
	return names
}

func phaseOf(t *testing.T, pod timeline.Pod, name timeline.PhaseName) timeline.Phase {
	t.Helper()
	for _, phase := range pod.Phases {
		if phase.Name == name {
			return phase
		}
	}
	require.Fail(t, "no phase "+string(name))
	return timeline.Phase{}
}

// What sampling left out is said, with what that means.
func TestBuild_sampling(t *testing.T) {
	t.Parallel()
	r := read(t, "1.36")
	all := []timeline.PhaseName{
		timeline.PhaseAccepted, timeline.PhaseScheduled, timeline.PhaseVolumes, timeline.PhaseSandbox, timeline.PhaseCreate,
		timeline.PhaseStart, timeline.PhaseRun, timeline.PhaseCreate, timeline.PhaseStart,
	}
	tests := map[string]struct {
		change func(timeline.Facts) timeline.Facts
		phases []timeline.PhaseName
		notes  []string
	}{
		"everything": {func(facts timeline.Facts) timeline.Facts { return facts }, all, nil},
		"kube-apiserver samples one in a hundred": {
			func(facts timeline.Facts) timeline.Facts {
				facts.Rates.APIServer = 10_000
				return without(facts, "apiserver")
			},
			all,
			[]string{
				"the request that created the pod: Jaeger has no span of it, since kube-apiserver samples 1 %; when it was created is known to the second, and who asked by the name in its managed fields",
				"the scheduler's binding: Jaeger has no span of it, since kube-apiserver samples 1 %; its end is known by an Event",
			},
		},
		"the kubelet samples nothing": {
			func(facts timeline.Facts) timeline.Facts {
				facts.Rates.Kubelet = 0
				return without(facts, "kubelet", "containerd")
			},
			slices.DeleteFunc(slices.Clone(all), func(name timeline.PhaseName) bool {
				return name == timeline.PhaseSandbox || name == timeline.PhaseVolumes
			}),
			[]string{"the kubelet's work for the pod: no span of it exists, since the kubelet does not sample; its steps are known by Events and the pod's status alone"},
		},
		"the Collector drops half": {
			func(facts timeline.Facts) timeline.Facts {
				facts.Rates.Collector = 500_000
				return without(facts, "apiserver", "kubelet", "containerd")
			},
			slices.DeleteFunc(slices.Clone(all), func(name timeline.PhaseName) bool {
				return name == timeline.PhaseSandbox || name == timeline.PhaseVolumes
			}),
			[]string{
				"the request that created the pod: Jaeger has no span of it, since the Collector passes on 50 %; when it was created is known to the second, and who asked by the name in its managed fields",
				"the scheduler's binding: Jaeger has no span of it, since the Collector passes on 50 %; its end is known by an Event",
				"the kubelet's work for the pod: Jaeger has no span of it, since the Collector passes on 50 %; its steps are known by Events and the pod's status alone",
			},
		},
		"rates that nobody knows": {
			func(facts timeline.Facts) timeline.Facts {
				facts.Rates = timeline.Rates{}
				return without(facts, "kubelet", "containerd")
			},
			slices.DeleteFunc(slices.Clone(all), func(name timeline.PhaseName) bool {
				return name == timeline.PhaseSandbox || name == timeline.PhaseVolumes
			}),
			[]string{"the kubelet's work for the pod: Jaeger has no span of it; its steps are known by Events and the pod's status alone"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := timeline.Build(test.change(r.facts(t, "1.36", "plain", "")))
			assert.Equal(t, test.phases, phases(pod))
			assert.Equal(t, test.notes, pod.Notes)
			assert.Equal(t, timeline.StateReady, pod.State)
			for i, phase := range pod.Phases {
				assert.GreaterOrEqual(t, phase.Length, timeline.Duration(0), phase.Text)
				if i > 0 {
					assert.False(t, phase.Start.Before(pod.Phases[i-1].Start), "phases are in the order of their starts")
				}
			}
			// Whatever is known of the steps, the whole is known to the second.
			assert.InDelta(t, 6.6, time.Duration(pod.ReadyAfter).Seconds(), 1.1)
		})
	}
}

// The clocks of two nodes differ, and the order of what happened shows it.
func TestBuild_clocks(t *testing.T) {
	t.Parallel()
	r := read(t, "1.36")
	for offset, want := range map[time.Duration]string{
		-2 * time.Second:        "the clock of node node is at least 1.99s behind kube-apiserver's: ",
		2 * time.Second:         "the clock of node node is at least 1.99s ahead of kube-apiserver's: ",
		time.Millisecond:        "",
		-300 * time.Microsecond: "",
	} {
		facts := r.facts(t, "1.36", "plain", "")
		facts.Spans = slices.Clone(facts.Spans)
		for i := range facts.Spans {
			if span := &facts.Spans[i]; span.Service == "kubelet" || span.Service == "containerd" {
				span.Start, span.End = span.Start.Add(offset), span.End.Add(offset)
			}
		}
		pod := timeline.Build(facts)
		if want == "" {
			assert.Empty(t, pod.Notes, offset)
			continue
		}
		require.Len(t, pod.Notes, 1, offset)
		assert.Contains(t, pod.Notes[0], want)
		for _, phase := range pod.Phases {
			assert.GreaterOrEqual(t, phase.Length, timeline.Duration(0), phase.Text)
		}
	}
}

// made is a pod that was not recorded. Times are seconds after its creation.
type made struct{ facts timeline.Facts }

// born is when a made pod was created.
var born = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newPod(t *testing.T, object string) *made {
	t.Helper()
	m := &made{timeline.Facts{
		Object: timeline.Object{Kind: "pod", Namespace: "shop", Name: "web", UID: "u-1"},
		Now:    born.Add(time.Minute),
	}}
	if object != "" {
		m.facts.Pod = &timeline.PodObject{}
		require.NoError(t, json.Unmarshal([]byte(object), m.facts.Pod))
		m.facts.Pod.Metadata = timeline.Meta{Name: "web", Namespace: "shop", UID: "u-1", Created: born}
	}
	return m
}

// event adds an Event of the kubelet's, or of another component.
func (m *made) event(after float64, reason, message, container string) *made {
	at := born.Add(time.Duration(after * float64(time.Second)))
	e := timeline.Event{Reason: reason, Message: message, Time: &at}
	e.Involved.UID, e.Source.Component = "u-1", "kubelet"
	if container != "" {
		e.Involved.FieldPath = "spec.containers{" + container + "}"
	}
	m.facts.Events = append(m.facts.Events, e)
	return m
}

// span adds a span. A call of the kubelet's is below a syncPod.
func (m *made) span(id, parent, service, operation string, from, to float64, attributes map[string]string) *made {
	m.facts.Spans = append(m.facts.Spans, verify.Span{
		TraceID: "t-" + service, ID: id, ParentID: parent, Service: service, Operation: operation, Attributes: attributes,
		Start: born.Add(time.Duration(from * float64(time.Second))), End: born.Add(time.Duration(to * float64(time.Second))),
	})
	return m
}

const (
	runtimeService = "runtime.v1.RuntimeService/"
	imageService   = "runtime.v1.ImageService/"
)

var podSpan = map[string]string{"k8s.pod": "shop/web", "k8s.pod.uid": "u-1", "k8s.node.name": "agent-0"}

func TestBuild_image_pull(t *testing.T) {
	t.Parallel()
	const running = `{"spec": {"nodeName": "agent-0", "containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"}]},
		"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-01T12:00:20Z"}]}}`
	m := newPod(t, running).
		event(0.1, "Scheduled", "Successfully assigned shop/web to agent-0", "").
		event(2, "Pulling", `Pulling image "a:1"`, "a").event(8, "Pulled", `Successfully pulled image "a:1" in 6s`, "a").
		event(9.5, "Created", "Created container", "a").event(10, "Started", "Started container", "a").
		event(11, "Pulling", `Pulling image "b:2"`, "b").event(18, "Pulled", `Successfully pulled image "b:2" in 7s`, "b").
		event(18.5, "Created", "Created container", "b").event(19, "Started", "Started container", "b")
	byEvents := timeline.Build(m.facts)
	m.span("s", "", "kubelet", "syncPod", 0.2, 19, podSpan).
		span("1", "s", "kubelet", runtimeService+"RunPodSandbox", 1, 1.5, nil).
		span("2", "s", "kubelet", imageService+"PullImage", 2, 8, nil).
		span("3", "s", "kubelet", runtimeService+"CreateContainer", 9, 9.5, nil).
		span("4", "s", "kubelet", runtimeService+"StartContainer", 9.5, 10, nil).
		span("5", "s", "kubelet", imageService+"PullImage", 11, 18, nil).
		span("6", "s", "kubelet", runtimeService+"CreateContainer", 18, 18.5, nil).
		span("7", "s", "kubelet", runtimeService+"StartContainer", 18.5, 19, nil)
	bySpans := timeline.Build(m.facts)
	for _, pod := range []timeline.Pod{byEvents, bySpans} {
		assert.Equal(t, timeline.StateReady, pod.State)
		assert.Equal(t, timeline.Duration(20*time.Second), pod.ReadyAfter)
		var pulls []string
		for _, phase := range pod.Phases {
			if phase.Name == timeline.PhaseImagePull {
				pulls = append(pulls, fmt.Sprint(phase.Container, " ", time.Duration(phase.Length)))
				assert.Equal(t, phase.Container == "b", phase.Longest)
			}
		}
		assert.Equal(t, []string{"a 6s", "b 7s"}, pulls)
	}
	assert.Equal(t, timeline.SourceEvent, phaseOf(t, byEvents, timeline.PhaseImagePull).Source)
	assert.Equal(t, timeline.SourceSpan, phaseOf(t, bySpans, timeline.PhaseImagePull).Source)
	assert.Equal(t, "2", phaseOf(t, bySpans, timeline.PhaseImagePull).SpanID)
}

func TestBuild_states(t *testing.T) {
	t.Parallel()
	const spec = `"spec": {"nodeName": "agent-0", "containers": [{"name": "a", "image": "a:1", "readinessProbe": {}}]}`
	status := func(phase, more string) string {
		return `{` + spec + `, "status": {"phase": "` + phase + `", "startTime": "2026-03-01T12:00:01Z"` + more + `}}`
	}
	tests := map[string]struct {
		pod    *made
		state  timeline.State
		reason string
		// last is the text of the last phase, and its error.
		last, failure string
	}{
		"a probe that fails": {
			newPod(t, status("Running", `, "containerStatuses": [{"name": "a", "state": {"running": {"startedAt": "2026-03-01T12:00:03Z"}}}],
				"conditions": [{"type": "Ready", "status": "False", "message": "containers with unready status: [a]"}]`)).
				event(2, "Created", "", "a").event(3, "Started", "", "a").event(9, "Unhealthy", "Readiness probe failed: HTTP 503", "a"),
			timeline.StateNotReady, "Readiness probe failed: HTTP 503",
			"waiting for the readiness probe of a", "Readiness probe failed: HTTP 503",
		},
		"a sandbox that cannot be created": {
			newPod(t, status("Pending", `, "containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "ContainerCreating"}}}]`)).
				event(2, "FailedCreatePodSandBox", "no network", ""),
			timeline.StateFailing, "no network", "waiting for the kubelet to try again", "",
		},
		"a configuration that is wrong": {
			newPod(t, status("Pending", `, "containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "CreateContainerConfigError", "message": "secret \"x\" not found"}}}]`)),
			timeline.StateFailing, `a: CreateContainerConfigError: secret "x" not found`,
			"waiting for the kubelet to try again: CreateContainerConfigError", `secret "x" not found`,
		},
		"an eviction": {
			newPod(t, status("Failed", `, "reason": "Evicted", "message": "The node was low on memory."`)),
			timeline.StateFailed, "Evicted: The node was low on memory.", "", "",
		},
		"a container that ran out of memory": {
			newPod(t, status("Failed", `, "containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled",
				"startedAt": "2026-03-01T12:00:03Z", "finishedAt": "2026-03-01T12:00:09Z"}}}]`)).
				event(2, "Created", "", "a").event(3, "Started", "", "a"),
			timeline.StateFailed, "a: exit code 137, OOMKilled", "its containers ran and ended", "a: exit code 137, OOMKilled",
		},
		"nothing but the object": {
			newPod(t, status("Pending", "")), timeline.StateStarting, "", "volumes and other preparation by the kubelet", "",
		},
		"no scheduler yet": {
			newPod(t, `{"spec": {}, "status": {"phase": "Pending"}}`), timeline.StatePending, "it has not been scheduled",
			"waiting for kube-scheduler", "",
		},
		"a pod that is gone and was never scheduled": {
			newPod(t, "").event(3, "FailedScheduling", "no node has a GPU", "").event(9, "FailedScheduling", "no node has a GPU", ""),
			timeline.StateDeleted, "", "waiting for kube-scheduler", "no node has a GPU",
		},
		"a pod that is gone and of which only one Event tells": {
			newPod(t, "").event(3, "Killing", "Stopping container a", "a"), timeline.StateDeleted, "", "stopped by the kubelet", "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := timeline.Build(test.pod.facts)
			assert.Equal(t, test.state, pod.State)
			assert.Equal(t, test.reason, pod.Reason)
			if test.last == "" {
				return
			}
			require.NotEmpty(t, pod.Phases)
			last := pod.Phases[len(pod.Phases)-1]
			assert.Equal(t, test.last, last.Text)
			assert.Equal(t, test.failure, last.Error)
			assert.Equal(t, test.state != timeline.StateFailed && test.state != timeline.StateDeleted, last.End.IsZero(), "what goes on has no end")
		})
	}
}

// Each request that a User-Agent can name.
func TestBuild_callers(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"kubectl/v1.36.4 (linux/amd64) kubernetes/5f6bd7c":                                                                         "kubectl",
		"k3s/v1.36.3+k3s1 (linux/amd64) kubernetes/2a1e2e8/system:serviceaccount:kube-system:job-controller":                       "job-controller",
		"kube-controller-manager/v1.36.3 (linux/amd64) kubernetes/2a1e2e8/system:serviceaccount:kube-system:daemon-set-controller": "daemon-set-controller",
		"my-operator/v0.1 (linux/amd64) kubernetes/$Format/leader-election":                                                        "leader-election",
		"Helm/3.19":  "Helm",
		"curl/8.5.0": "curl",
		"":           "",
	} {
		m := newPod(t, `{"spec": {}, "status": {}}`).
			span("c", "", "apiserver", "POST", 0.1, 0.2, map[string]string{
				"http.target": "/api/v1/namespaces/shop/pods?fieldManager=x", "http.request.method": "POST",
				"http.response.status_code": "201", "user_agent.original": agent,
			}).
			span("k", "c", "apiserver", "Create etcd3", 0.1, 0.2, map[string]string{"key": "/pods/shop/web"})
		assert.Equal(t, want, timeline.Build(m.facts).CreatedBy, agent)
	}
}

// A request that failed changed nothing.
func TestBuild_failed_requests(t *testing.T) {
	t.Parallel()
	request := func(m *made, id string, at float64, target, code string) *made {
		return m.span(id, "", "apiserver", "POST", at, at+0.01, map[string]string{
			"http.target": target, "http.request.method": "POST", "http.response.status_code": code,
		})
	}
	m := newPod(t, `{"spec": {"nodeName": "agent-0"}, "status": {"phase": "Pending"}}`)
	request(m, "1", 0.2, "/api/v1/namespaces/shop/pods/web/binding", "409")
	request(m, "2", 0.4, "/api/v1/namespaces/shop/pods/web/binding", "201")
	request(m, "3", 0.5, "/api/v1/namespaces/shop/pods/website/binding", "201")
	pod := timeline.Build(m.facts)
	scheduled := phaseOf(t, pod, timeline.PhaseScheduled)
	assert.Equal(t, "2", scheduled.SpanID)
}

func TestTimeline_Settled(t *testing.T) {
	t.Parallel()
	controller := func(kind, spec, status string) []timeline.Controller {
		var c timeline.Controller
		require.NoError(t, json.Unmarshal(fmt.Appendf(nil, `{"kind":%q,"metadata":{"name":"web","generation":2},"spec":{%s},"status":{%s}}`, kind, spec, status), &c))
		return []timeline.Controller{c}
	}
	ready, starting, failing := timeline.Pod{State: timeline.StateReady}, timeline.Pod{State: timeline.StateStarting}, timeline.Pod{State: timeline.StateFailing}
	tests := map[string]struct {
		owner []timeline.Controller
		pods  []timeline.Pod
		want  bool
	}{
		"all pods are ready": {
			controller("Deployment", `"replicas":2`, `"observedGeneration":2,"replicas":2,"updatedReplicas":2`), []timeline.Pod{ready, ready}, true,
		},
		"a pod that does not exist yet": {
			controller("Deployment", `"replicas":2`, `"observedGeneration":2,"replicas":1,"updatedReplicas":1`), []timeline.Pod{ready}, false,
		},
		"a change that was not noticed yet": {
			controller("Deployment", `"replicas":1`, `"observedGeneration":1,"replicas":1,"updatedReplicas":1`), []timeline.Pod{ready}, false,
		},
		"pods of an older revision": {
			controller("StatefulSet", `"replicas":2`, `"observedGeneration":2,"replicas":2,"updatedReplicas":1`), []timeline.Pod{ready, ready}, false,
		},
		"a pod that starts": {
			controller("ReplicaSet", `"replicas":2`, `"observedGeneration":2,"replicas":2`), []timeline.Pod{ready, starting}, false,
		},
		"a pod that fails, and others to come": {
			controller("Deployment", `"replicas":3`, `"observedGeneration":2,"replicas":2,"updatedReplicas":2`), []timeline.Pod{failing, starting}, true,
		},
		"no pods are wanted":           {controller("Deployment", `"replicas":0`, `"observedGeneration":2`), nil, true},
		"one pod by default":           {controller("Deployment", "", `"observedGeneration":2,"replicas":1,"updatedReplicas":1`), []timeline.Pod{ready}, true},
		"a DaemonSet on two nodes":     {controller("DaemonSet", "", `"observedGeneration":2,"desiredNumberScheduled":2,"updatedNumberScheduled":2`), []timeline.Pod{ready, ready}, true},
		"a DaemonSet that is updated":  {controller("DaemonSet", "", `"observedGeneration":2,"desiredNumberScheduled":2,"updatedNumberScheduled":1`), []timeline.Pod{ready, ready}, false},
		"a Job without a pod so far":   {controller("Job", "", ""), nil, false},
		"an owner that does not exist": {nil, []timeline.Pod{ready}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := timeline.Timeline{Object: timeline.Object{Kind: "deployment", Name: "web"}, Pods: test.pods}
			found.AddCreations(test.owner, nil, func(string) string { return "" })
			assert.Equal(t, test.want, found.Settled())
		})
	}
	assert.False(t, timeline.Timeline{}.Settled(), "nothing was asked yet")
}

// A sidecar runs beside the containers that follow it.
func TestBuild_sidecar(t *testing.T) {
	t.Parallel()
	pod := func(policy string) timeline.Pod {
		return timeline.Build(newPod(t, `{"spec": {"nodeName": "agent-0", "initContainers": [{"name": "proxy"`+policy+`}], "containers": [{"name": "app"}]},
			"status": {"phase": "Pending", "startTime": "2026-03-01T12:00:01Z"}}`).
			event(2, "Created", "", "proxy").event(3, "Started", "", "proxy").event(9, "Created", "", "app").event(10, "Started", "", "app").facts)
	}
	assert.Contains(t, phases(pod("")), timeline.PhaseRun)
	assert.NotContains(t, phases(pod(`, "restartPolicy": "Always"`)), timeline.PhaseRun)
}

func TestTimeline_Write(t *testing.T) {
	t.Parallel()
	start := born
	pod := timeline.Pod{
		Object: timeline.Object{Kind: "pod", Namespace: "shop", Name: "web", UID: "u-1"}, State: timeline.StateFailing,
		Reason: "it said \x1b[2J\x07 something\nelse", Start: start, End: start.Add(time.Hour),
	}
	for i := range 60 {
		pod.Traces = append(pod.Traces, timeline.Trace{ID: fmt.Sprintf("trace-%d", i+1), Text: "a restart"})
		pod.Phases = append(pod.Phases, timeline.Phase{
			Name: timeline.PhaseStart, Text: fmt.Sprintf("start %d", i+1), Start: start.Add(time.Duration(i) * time.Minute),
			End: start.Add(time.Duration(i+1) * time.Minute), Length: timeline.Duration(time.Minute), Trace: i + 1, Longest: i == 40,
		})
	}
	var text strings.Builder
	require.NoError(t, timeline.Timeline{Object: pod.Object, Pods: []timeline.Pod{pod}}.Write(&text, 100))
	got := text.String()
	assert.NotContains(t, got, "\x1b")
	assert.NotContains(t, got, "\x07")
	assert.Contains(t, got, "  it said [2J something else\n")
	assert.Contains(t, got, "… 26 phases more; --output json has all")
	assert.Contains(t, got, "start 41 [41]  ◀ longest")
	assert.NotContains(t, got, "start 40 ")
	assert.Contains(t, got, "[41] trace-41")
	assert.NotContains(t, got, "trace-40", "a trace of a phase that is not shown")
	for line := range strings.Lines(got) {
		if !strings.Contains(line, "[") {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), 101, line)
		}
	}
}
