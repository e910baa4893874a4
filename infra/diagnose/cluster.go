package diagnose

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// namespace is the namespace of the workloads.
const namespace = "kubetracing"

// cluster returns the causes that Kubernetes knows of, asked in the first container that
// runs a server.
func (d diagnosis) cluster(ctx context.Context, containers []string) []Cause {
	for _, container := range containers {
		var nodes list[node]
		if d.kubectl(ctx, container, &nodes, "get", "nodes") != nil {
			continue
		}
		return append(pressures(nodes.Items), d.pods(ctx, container)...)
	}
	return nil
}

// kubectl reads what kubectl prints as JSON in a container.
func (d diagnosis) kubectl(ctx context.Context, container string, into any, args ...string) error {
	text, err := d.client.Exec(ctx, container, slices.Concat([]string{"kubectl"}, args, []string{"--output", "json"})...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("kubectl %s: read JSON: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Lists of Kubernetes objects, as far as they are read.
//
// Source: k8s.io/api core/v1/types.go.
type (
	list[T any] struct {
		Items []T `json:"items"`
	}
	metadata struct {
		Name string `json:"name"`
	}
	node struct {
		Metadata metadata `json:"metadata"`
		Status   struct {
			Conditions []condition `json:"conditions"`
		} `json:"status"`
	}
	condition struct {
		Type    string `json:"type"`
		Status  string `json:"status"`
		Message string `json:"message"`
	}
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
			Waiting *waiting `json:"waiting"`
		} `json:"state"`
	}
	waiting struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
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

// pressureCommands are the commands that show more of the conditions of a node on which
// Kubernetes starts no more pods.
//
// Source: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
// (Node conditions).
var pressureCommands = map[string]string{
	"DiskPressure":   "docker system df",
	"MemoryPressure": "docker stats --no-stream",
	"PIDPressure":    "docker stats --no-stream",
}

// pressures returns the nodes on which no pod starts: a workload that nothing schedules
// has no spans.
func pressures(nodes []node) []Cause {
	var causes []Cause
	for _, node := range nodes {
		for _, condition := range node.Status.Conditions {
			if look, ok := pressureCommands[condition.Type]; ok && condition.Status == "True" {
				causes = append(causes, Cause{
					fmt.Sprintf("node %s is under %s: Kubernetes starts no pod on it", node.Metadata.Name, condition.Type), look,
				})
			}
		}
	}
	return causes
}

// pods returns the workloads' pods that do not start, with their last warnings.
func (d diagnosis) pods(ctx context.Context, container string) []Cause {
	var pods list[pod]
	if err := d.kubectl(ctx, container, &pods, "--namespace", namespace, "get", "pods"); err != nil {
		return nil
	}
	var stuck []pod
	for _, pod := range pods.Items {
		if pod.stuck() {
			stuck = append(stuck, pod)
		}
	}
	if len(stuck) == 0 {
		return nil
	}
	var events list[event]
	if err := d.kubectl(ctx, container, &events, "--namespace", namespace, "get", "events"); err != nil {
		// What the pods themselves say is left.
		events.Items = nil
	}
	var causes []Cause
	for _, pod := range stuck {
		reason := pod.reason(events.Items)
		what := fmt.Sprintf("pod %s does not start: %s", pod.Metadata.Name, Shorten(reason, widest))
		if cause, known := LikelyCause(reason); known {
			what += "; likely cause: " + cause
		}
		causes = append(causes, Cause{
			what, fmt.Sprintf("docker exec %s kubectl --namespace %s describe pod %s", container, namespace, pod.Metadata.Name),
		})
	}
	return causes
}

// stuck reports whether a pod does not start. A container that ends and is restarted has
// started: that may be what the workload is for.
func (p pod) stuck() bool {
	if p.Status.Phase == "Pending" || p.Status.Phase == "Failed" {
		return true
	}
	return slices.ContainsFunc(p.Status.Containers, func(c containerStatus) bool {
		return c.State.Waiting != nil && c.RestartCount == 0
	})
}

// reason returns why a pod does not start: by its newest warnings, else by its own
// status.
func (p pod) reason(events []event) string {
	const shown = 2
	var warnings []event
	for _, e := range events {
		if e.Type == "Warning" && e.InvolvedObject.Kind == "Pod" && e.InvolvedObject.Name == p.Metadata.Name {
			warnings = append(warnings, e)
		}
	}
	// Newest first.
	slices.SortStableFunc(warnings, func(a, b event) int { return b.time().Compare(a.time()) })
	var reasons []string
	for _, e := range warnings {
		text := describe(e.Reason, e.Message)
		if !slices.Contains(reasons, text) && len(reasons) < shown {
			reasons = append(reasons, text)
		}
	}
	if len(reasons) > 0 {
		return strings.Join(reasons, "; ")
	}
	for _, c := range slices.Concat(p.Status.InitContainers, p.Status.Containers) {
		if c.State.Waiting != nil && c.State.Waiting.Reason != "PodInitializing" {
			return describe(c.State.Waiting.Reason, c.State.Waiting.Message)
		}
	}
	for _, condition := range p.Status.Conditions {
		if condition.Status == "False" && condition.Message != "" {
			return condition.Message
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
