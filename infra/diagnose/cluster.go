package diagnose

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/kubetracing/kubetracing/components/workloads/catalog"
	"github.com/kubetracing/kubetracing/infra/docker"
)

// cluster returns the causes that Kubernetes knows of, asked in the first container that
// runs a server, and whether one of them is that a pod of a workload does not start.
func (d diagnosis) cluster(ctx context.Context, containers []string) (causes []Cause, stuck bool) {
	for _, container := range containers {
		var nodes list[node]
		if kubectl(ctx, d.client, container, &nodes, "get", "nodes") != nil {
			continue
		}
		pods := d.pods(ctx, container)
		return append(pressures(nodes.Items), pods...), len(pods) > 0
	}
	return nil, false
}

// kubectl reads what kubectl prints as JSON in a container.
func kubectl(ctx context.Context, client *docker.Client, container string, into any, args ...string) error {
	text, err := client.Exec(ctx, container, slices.Concat([]string{"kubectl"}, args, []string{"--output", "json"})...)
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
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
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
		Reason  string `json:"reason"`
		Message string `json:"message"`
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

// Pressures returns the nodes on which Kubernetes starts no pods, asked in a node that has
// kubectl; none if Kubernetes does not answer.
func Pressures(ctx context.Context, client *docker.Client, server string) []Cause {
	var nodes list[node]
	if kubectl(ctx, client, server, &nodes, "get", "nodes") != nil {
		return nil
	}
	return pressures(nodes.Items)
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

// pods returns the workloads' pods that do not start and are not meant to fail.
func (d diagnosis) pods(ctx context.Context, container string) []Cause {
	namespace := Namespace{Client: d.client, Node: container, Name: catalog.Namespace}
	pods, err := namespace.Pods(ctx)
	if err != nil {
		return nil
	}
	var causes []Cause
	for _, pod := range pods {
		// A container that ends and is restarted has started.
		if pod.State != Started && pod.State != Restarting && !pod.MayFail {
			causes = append(causes, Cause{pod.Describe(), namespace.Look(pod.Name)})
		}
	}
	return causes
}
