package diagnose

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/workloads/catalog"
	"github.com/kubetracing/kubetracing/infra/docker"
)

// Namespace is a namespace of a cluster.
type Namespace struct {
	Client *docker.Client
	// Node is the Docker name of a node that has kubectl.
	Node string
	// Name is the name of the namespace.
	Name string
}

// PodState is how far a pod has come.
type PodState int

const (
	// Started means that the pod's containers run, or have ended as they should.
	Started PodState = iota
	// Pending means that it may start.
	Pending
	// Stuck means that something keeps it from starting, which is tried again.
	Stuck
	// Restarting means that a container ends again and again.
	Restarting
	// Failed means that it never starts, or has ended with an error.
	Failed
)

// Pod is a pod of a namespace.
type Pod struct {
	Name  string
	State PodState
	// Reason is why it has not started: its newest warnings, else its own status.
	Reason string
	// MayFail reports whether it is a workload that is meant to fail.
	MayFail bool
}

// Describe says why the pod does not start.
func (p Pod) Describe() string {
	what := fmt.Sprintf("pod %s does not start: %s", p.Name, shortenMiddle(p.Reason, widestReason))
	if cause, known := LikelyCause(p.Reason); known {
		what += "; likely cause: " + cause
	}
	return what
}

// widestReason is how many characters of a reason are shown.
const widestReason = 400

// shortenMiddle cuts a text to a number of characters. What went wrong is said at its
// end, and of what at its beginning.
func shortenMiddle(text string, longest int) string {
	runes := []rune(text)
	if len(runes) <= longest {
		return text
	}
	return string(runes[:longest/2]) + "…" + string(runes[len(runes)-longest/2:])
}

// Look returns the command that shows more of a pod.
func (n Namespace) Look(pod string) string {
	return fmt.Sprintf("docker exec %s kubectl --namespace %s describe pod %s", n.Node, n.Name, pod)
}

// Pods returns the pods of the namespace.
func (n Namespace) Pods(ctx context.Context) ([]Pod, error) {
	var pods list[pod]
	if err := kubectl(ctx, n.Client, n.Node, &pods, "--namespace", n.Name, "get", "pods"); err != nil {
		return nil, err
	}
	var events list[event]
	if slices.ContainsFunc(pods.Items, func(p pod) bool { return p.state(nil) != Started }) {
		if err := kubectl(ctx, n.Client, n.Node, &events, "--namespace", n.Name, "get", "events"); err != nil {
			// What the pods themselves say is left.
			events.Items = nil
		}
	}
	described := make([]Pod, len(pods.Items))
	for i, p := range pods.Items {
		own := p.events(events.Items)
		described[i] = Pod{
			Name: p.Metadata.Name, State: p.state(own), Reason: p.reason(own), MayFail: catalog.MayFail(p.Metadata.Annotations),
		}
	}
	return described, nil
}

// Pods and events, as far as they are read.
//
// Source: k8s.io/api core/v1/types.go.
type (
	pod struct {
		Metadata metadata `json:"metadata"`
		Status   struct {
			Phase          string            `json:"phase"`
			Message        string            `json:"message"`
			Conditions     []condition       `json:"conditions"`
			InitContainers []containerStatus `json:"initContainerStatuses"`
			Containers     []containerStatus `json:"containerStatuses"`
		} `json:"status"`
	}
	containerStatus struct {
		RestartCount int `json:"restartCount"`
		State        struct {
			Waiting    *containerReason `json:"waiting"`
			Terminated *containerReason `json:"terminated"`
		} `json:"state"`
		LastState struct {
			Terminated *containerReason `json:"terminated"`
		} `json:"lastState"`
	}
	containerReason struct {
		Reason   string `json:"reason"`
		Message  string `json:"message"`
		ExitCode int    `json:"exitCode"`
	}
	event struct {
		Type           string `json:"type"`
		Reason         string `json:"reason"`
		Message        string `json:"message"`
		InvolvedObject struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"involvedObject"`
		LastTimestamp *time.Time `json:"lastTimestamp"`
		EventTime     *time.Time `json:"eventTime"`
		Series        *struct {
			LastObservedTime time.Time `json:"lastObservedTime"`
		} `json:"series"`
	}
)

// Why the kubelet does not start a container.
//
// Sources: k8s.io/kubernetes pkg/kubelet/kubelet_pods.go (ContainerCreating,
// PodInitializing); pkg/kubelet/images/types.go (the final ones).
var (
	underWay = []string{"", "ContainerCreating", "PodInitializing"}
	final    = []string{"InvalidImageName", "ErrImageNeverPull"}
)

// unstarted are the reasons of a container that the runtime could not start, which the
// kubelet counts as restarts.
//
// Sources: github.com/containerd/containerd internal/cri/server/container_start.go
// (errorStartReason); k8s.io/kubernetes
// pkg/kubelet/kuberuntime/kuberuntime_container.go (ContainerCannotRun).
var unstarted = []string{"StartError", "ContainerCannotRun"}

// progress are the reasons of events that say that a start goes on.
//
// Source: k8s.io/kubernetes pkg/kubelet/events/event.go.
var progress = []string{"Pulling", "Pulled", "Created", "Started"}

// state returns how far the pod has come, given its events.
func (p pod) state(events []event) PodState {
	switch {
	case p.Status.Phase == "Succeeded", p.running():
		return Started
	case p.Status.Phase == "Failed":
		return Failed
	}
	state := Pending
	for _, c := range p.containers() {
		switch waiting := c.State.Waiting; {
		case waiting == nil:
		case slices.Contains(final, waiting.Reason):
			return Failed
		case c.LastState.Terminated != nil && slices.Contains(unstarted, c.LastState.Terminated.Reason):
			state = Stuck
		case c.RestartCount > 0 || waiting.Reason == "CrashLoopBackOff":
			state = Restarting
		case !slices.Contains(underWay, waiting.Reason):
			state = Stuck
		}
	}
	if state == Pending && (p.has("PodScheduled", "False") || hindered(events)) {
		return Stuck
	}
	return state
}

// running reports whether all containers of the pod run. The workloads have no readiness
// probes.
func (p pod) running() bool {
	waits := func(c containerStatus) bool { return c.State.Waiting != nil }
	return p.Status.Phase == "Running" && !slices.ContainsFunc(p.containers(), waits)
}

func (p pod) containers() []containerStatus {
	return slices.Concat(p.Status.InitContainers, p.Status.Containers)
}

// has reports whether a condition of the pod has a status.
func (p pod) has(kind, status string) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c condition) bool { return c.Type == kind && c.Status == status })
}

// hindered reports whether the newest event about a pod's start is a warning.
func hindered(events []event) bool {
	for _, e := range events {
		if e.Type == "Warning" {
			return true
		}
		if slices.Contains(progress, e.Reason) {
			return false
		}
	}
	return false
}

// events returns the events of the pod, the newest first.
func (p pod) events(all []event) []event {
	var own []event
	for _, e := range all {
		if e.InvolvedObject.Kind == "Pod" && e.InvolvedObject.Name == p.Metadata.Name {
			own = append(own, e)
		}
	}
	slices.SortStableFunc(own, func(a, b event) int { return b.time().Compare(a.time()) })
	return own
}

// empty are messages of warnings that only repeat a reason, as Error: ErrImagePull. The
// kubelet's other warnings say more.
var empty = regexp.MustCompile(`^(Error: \w+|Back-off restarting failed container.*)$`)

// reason returns why a pod does not start: by its newest warnings, else by its own
// status.
func (p pod) reason(events []event) string {
	const shown = 2
	var precise, vague []string
	for _, e := range events {
		text := describe(e.Reason, e.Message)
		switch {
		case e.Type != "Warning" || slices.Contains(precise, text) || slices.Contains(vague, text):
		case empty.MatchString(e.Message):
			vague = append(vague, text)
		default:
			precise = append(precise, text)
		}
	}
	if len(precise) == 0 {
		precise = vague
	}
	if len(precise) > 0 {
		return strings.Join(precise[:min(shown, len(precise))], "; ")
	}
	for _, c := range p.containers() {
		if waiting := c.State.Waiting; waiting != nil && waiting.Reason != "PodInitializing" {
			return describe(waiting.Reason, waiting.Message)
		}
		if ended := c.State.Terminated; ended != nil && ended.ExitCode != 0 {
			return describe(fmt.Sprintf("%s (exit code %d)", cmp.Or(ended.Reason, "Error"), ended.ExitCode), ended.Message)
		}
	}
	for _, condition := range p.Status.Conditions {
		if condition.Status == "False" && condition.Message != "" {
			return describe(condition.Reason, condition.Message)
		}
	}
	return cmp.Or(p.Status.Message, "its phase is "+p.Status.Phase)
}

// describe joins a reason and a message, which may be empty.
func describe(reason, message string) string {
	message = strings.Join(strings.Fields(message), " ")
	if message == "" || reason == "" {
		return reason + message
	}
	return reason + ": " + message
}

// time returns when an event last happened.
func (e event) time() time.Time {
	var newest time.Time
	for _, t := range []*time.Time{e.LastTimestamp, e.EventTime} {
		if t != nil && t.After(newest) {
			newest = *t
		}
	}
	if e.Series != nil && e.Series.LastObservedTime.After(newest) {
		newest = e.Series.LastObservedTime
	}
	return newest
}
