package timeline

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

// Attributes of the kubelet's spans that name a pod.
//
// Source: kubernetes pkg/kubelet/kubelet.go (SyncPod, SyncTerminatingPod; from 1.27
// on).
const (
	PodAttribute = "k8s.pod"
	UIDAttribute = "k8s.pod.uid"
)

// Operations of the kubelet's own spans.
const (
	syncPod            = "syncPod"
	syncTerminatingPod = "syncTerminatingPod"
)

// Calls of the container runtime interface.
//
// Source: k8s.io/cri-api pkg/apis/runtime/v1/api.proto.
const (
	runPodSandbox   = "RunPodSandbox"
	pullImage       = "PullImage"
	createContainer = "CreateContainer"
	startContainer  = "StartContainer"
)

// RuntimeOperations are the operations of a runtime's spans that belong to the start
// of a pod.
func RuntimeOperations() []string {
	return []string{
		"runtime.v1.RuntimeService/" + runPodSandbox, "runtime.v1.RuntimeService/" + createContainer,
		"runtime.v1.RuntimeService/" + startContainer, "runtime.v1.ImageService/" + pullImage,
	}
}

// call is a call of the kubelet's to the runtime.
type call struct {
	name       string
	start, end time.Time
	container  string
	// runtime is the service name of the runtime, and network how much of a sandbox was
	// its network.
	runtime string
	network time.Duration
	image   string
	err     string
	source  Source
	exact   bool
	// traceID and spanID are empty if no span is known.
	traceID, spanID string
}

// tree finds the spans above and below one.
type tree struct {
	byID     map[[2]string]verify.Span
	children map[[2]string][]verify.Span
}

func newTree(spans []verify.Span) tree {
	t := tree{byID: map[[2]string]verify.Span{}, children: map[[2]string][]verify.Span{}}
	for _, span := range spans {
		t.byID[[2]string{span.TraceID, span.ID}] = span
		if span.ParentID != "" {
			parent := [2]string{span.TraceID, span.ParentID}
			t.children[parent] = append(t.children[parent], span)
		}
	}
	return t
}

// below returns the spans below one, in no particular order.
func (t tree) below(span verify.Span) []verify.Span {
	var found []verify.Span
	pending := t.children[[2]string{span.TraceID, span.ID}]
	// A span that is its own ancestor must not be followed forever.
	for len(pending) > 0 && len(found) <= len(t.byID) {
		next := pending[0]
		found = append(found, next)
		pending = append(pending[1:len(pending):len(pending)], t.children[[2]string{next.TraceID, next.ID}]...)
	}
	return found
}

// method returns the last part of an operation, as StartContainer of
// runtime.v1.RuntimeService/StartContainer.
func method(operation string) string { return operation[strings.LastIndexByte(operation, '/')+1:] }

func isStartCall(name string) bool {
	return slices.Contains([]string{runPodSandbox, pullImage, createContainer, startContainer}, name)
}

// syncs returns the kubelet's own spans of a pod with an operation, in the order of
// their starts.
func syncs(spans []verify.Span, uid, operation string) []verify.Span {
	var found []verify.Span
	for _, span := range spans {
		if span.Service == tracing.ServiceKubelet && span.Operation == operation && span.Attributes[UIDAttribute] == uid {
			found = append(found, span)
		}
	}
	slices.SortFunc(found, func(a, b verify.Span) int { return a.Start.Compare(b.Start) })
	return found
}

// callsBelow returns the calls for which the kubelet's spans of a pod have a span.
func callsBelow(t tree, syncs []verify.Span) []call {
	var calls []call
	for _, sync := range syncs {
		for _, span := range t.below(sync) {
			if span.Service == tracing.ServiceKubelet && isStartCall(method(span.Operation)) {
				calls = append(calls, newCall(t, span))
			}
		}
	}
	return calls
}

func newCall(t tree, span verify.Span) call {
	c := call{
		name: method(span.Operation), start: span.Start, end: span.End, source: SourceSpan, exact: true,
		traceID: span.TraceID, spanID: span.ID, image: span.Attributes["image.ref"],
		container: containerIn(span),
	}
	if span.Error {
		c.err = span.Message
	}
	if span.Service != tracing.ServiceKubelet {
		c.runtime = span.Service
	}
	for _, below := range t.below(span) {
		if below.Service != tracing.ServiceKubelet && c.runtime == "" {
			c.runtime = below.Service
		}
		if c.container == "" && method(below.Operation) == c.name {
			c.container = containerIn(below)
		}
		if c.image == "" {
			c.image = below.Attributes["image.ref"]
		}
		if below.Operation == networkOperation {
			c.network = below.End.Sub(below.Start)
		}
	}
	return c
}

// networkOperation is containerd's span of the network's setup.
//
// Source: github.com/containerd/containerd internal/cri/server/sandbox_run.go (2.x).
const networkOperation = "cni.setup_pod_network"

// What containerd writes to its log about a call, which is also an event of the
// call's span. The second form is that of containerd before 2.0.
//
// Sources: github.com/containerd/containerd internal/cri/instrument/
// instrumented_service.go; pkg/cri/server/instrumented_service.go at v1.7.
var (
	ranSandbox     = regexp.MustCompile(`^RunPodSandbox for .*\b[uU]id:"?([0-9a-f-]+)\b.* returns sandbox id "([^"]+)"`)
	createdText    = regexp.MustCompile(`^CreateContainer within sandbox "([^"]+)" for .*?\b[nN]ame:"?([^",]+)`)
	createdID      = regexp.MustCompile(` returns container id "([^"]+)"`)
	startedText    = regexp.MustCompile(`^StartContainer for "([^"]+)"`)
	containerOfRun = regexp.MustCompile(`^([^_]+)_[^_]+_[^_]+_[^_]+_\d+$`)
)

// containerIn returns the container that a runtime's span of CreateContainer names.
func containerIn(span verify.Span) string {
	// Source: github.com/containerd/containerd internal/cri/server/
	// container_create.go (makeContainerName: name, pod, namespace, uid, attempt).
	if parts := containerOfRun.FindStringSubmatch(span.Attributes["container.name"]); parts != nil {
		return parts[1]
	}
	for _, event := range span.Events {
		if parts := createdText.FindStringSubmatch(event); parts != nil {
			return parts[2]
		}
	}
	return ""
}

// callsByLog returns the calls for a pod whose kubelet names no pods, by what the
// runtime logged about them: the sandbox's log has the pod's uid, a container's that
// of its sandbox.
func callsByLog(t tree, spans []verify.Span, uid string) []call {
	sandboxes, containers := map[string]bool{}, map[string]string{}
	var calls []call
	add := func(span verify.Span, container string) {
		// The kubelet's span of the same call covers the runtime's.
		caller, has := t.byID[[2]string{span.TraceID, span.ParentID}]
		runtime := span.Service
		if has && caller.Service == tracing.ServiceKubelet {
			span = caller
		}
		c := newCall(t, span)
		c.container, c.runtime = container, runtime
		calls = append(calls, c)
	}
	sorted := slices.Clone(spans)
	slices.SortStableFunc(sorted, func(a, b verify.Span) int { return a.Start.Compare(b.Start) })
	for _, span := range sorted {
		for _, event := range span.Events {
			switch method(span.Operation) {
			case runPodSandbox:
				parts := ranSandbox.FindStringSubmatch(event)
				switch {
				case parts != nil && parts[1] == uid:
					sandboxes[parts[2]] = true
					add(span, "")
				case parts == nil && span.Error && strings.Contains(event, uid):
					add(span, "")
				}
			case createContainer:
				parts, id := createdText.FindStringSubmatch(event), createdID.FindStringSubmatch(event)
				if parts != nil && id != nil && sandboxes[parts[1]] {
					containers[id[1]] = parts[2]
					add(span, parts[2])
				}
			}
		}
		if method(span.Operation) == startContainer {
			for _, event := range span.Events {
				parts := startedText.FindStringSubmatch(event)
				if parts == nil {
					continue
				}
				if container, own := containers[parts[1]]; own {
					add(span, container)
					break
				}
			}
		}
	}
	return calls
}
