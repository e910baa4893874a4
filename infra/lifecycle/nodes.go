package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kubetracing/kubetracing/components/poll"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/steps"
)

// condition is what nodes are waited for.
type condition struct {
	// name completes "3 nodes are".
	name string
	// nodes lists those that meet it.
	nodes func(*cluster, context.Context) ([]string, error)
}

var (
	// registered are the nodes that Kubernetes knows.
	registered = condition{"registered", (*cluster).registered}
	// ready are the nodes that are Ready and have a pod network.
	ready = condition{"ready", (*cluster).ready}
	// answering are the nodes whose kubelet answers and, on servers, whose kube-apiserver
	// is ready. Kubernetes counts a node as Ready that has reported so within 40 seconds.
	answering = condition{"answering", (*cluster).answering}
)

// waitOrExplain waits for conditions, and prints why one is not met.
func (c *cluster) waitOrExplain(ctx context.Context, conditions ...condition) error {
	for _, condition := range conditions {
		if err := c.waitFor(ctx, condition); err != nil {
			if ctx.Err() == nil {
				c.explain(context.WithoutCancel(ctx))
			}
			return err
		}
	}
	return nil
}

// waitFor waits until every node meets a condition. Without it, the first thing to
// hang would be a workload that nothing can schedule, with nothing to say why.
func (c *cluster) waitFor(ctx context.Context, condition condition) error {
	return steps.Do(ctx, "wait until the nodes are "+condition.name, func(ctx context.Context) error {
		return c.pollNodes(ctx, condition)
	})
}

func (c *cluster) pollNodes(ctx context.Context, condition condition) error {
	c.log.printf("waiting for %s to be %s", count(len(c.Nodes)), condition.name)
	limited, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	restarts, err := c.restarts(limited)
	if err != nil {
		return err
	}
	met := 0
	loop := poll.Loop{Interval: nodeInterval, Progress: func(status string) { c.log.printf("%s", status) }}
	err = loop.Until(limited, func(ctx context.Context) (string, bool, error) {
		nodes, err := condition.nodes(c, ctx)
		if ctx.Err() != nil {
			return "", false, context.Cause(ctx)
		}
		if err == nil {
			// Kubernetes may not answer for a moment: its last answer still counts.
			met = len(nodes)
		}
		if err == nil && met >= len(c.Nodes) {
			return "", true, nil
		}
		now, err := c.restarts(ctx)
		if err != nil {
			return "", false, err
		}
		for node, count := range now {
			if count >= restarts[node]+crashes {
				return "", false, restartingError(node)
			}
		}
		status := ""
		if met > 0 {
			status = fmt.Sprintf("%d of %d nodes are %s", met, len(c.Nodes), condition.name)
		}
		return status, false, nil
	})
	if limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("only %d of %d nodes are %s after %s", met, len(c.Nodes), condition.name, seconds(nodeTimeout))
	}
	return err
}

func count(nodes int) string {
	if nodes == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", nodes)
}

// seconds formats a duration as whole seconds.
func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int(d.Seconds())) }

// restarts returns how often Docker has restarted each node. It fails when a node is
// gone or not the container that it was.
func (c *cluster) restarts(ctx context.Context) (map[string]int, error) {
	found, err := c.docker.Inspect(ctx, c.names()...)
	if err != nil {
		return nil, err
	}
	first := c.ids == nil
	if first {
		c.ids = map[string]string{}
	}
	restarts := map[string]int{}
	for _, node := range found {
		if first {
			c.ids[node.Name] = node.ID
		}
		if node.ID != c.ids[node.Name] {
			return nil, fmt.Errorf("node %s was replaced by another container", node.Name)
		}
		restarts[node.Name] = node.Restarts
	}
	return restarts, nil
}

// kubectl runs kubectl in the cluster's first server.
func (c *cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	return c.docker.Exec(ctx, c.Nodes[0].Container, append([]string{"kubectl"}, args...)...)
}

// kubernetesNode is a node as Kubernetes knows it.
type kubernetesNode struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Status struct {
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

func (n kubernetesNode) isReady() bool {
	for _, condition := range n.Status.Conditions {
		if condition.Type == "Ready" {
			return condition.Status == "True"
		}
	}
	return false
}

// kubernetesNodes lists the nodes of the cluster that Kubernetes knows.
func (c *cluster) kubernetesNodes(ctx context.Context) ([]kubernetesNode, error) {
	text, err := c.kubectl(ctx, "get", "nodes", "--output", "json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []kubernetesNode `json:"items"`
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("kubectl get nodes: read JSON: %w", err)
	}
	return list.Items, nil
}

func (c *cluster) registered(ctx context.Context) ([]string, error) {
	nodes, err := c.kubernetesNodes(ctx)
	names := make([]string, len(nodes))
	for i, node := range nodes {
		names[i] = node.Metadata.Name
	}
	return names, err
}

// ready lists the nodes that are Ready and have a pod network. Kubernetes calls a node
// Ready some seconds before flannel has a subnet; a pod that starts in between fails
// and waits ten seconds for its next try.
func (c *cluster) ready(ctx context.Context) ([]string, error) {
	nodes, err := c.kubernetesNodes(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, node := range nodes {
		if node.isReady() {
			names = append(names, node.Metadata.Name)
		}
	}
	return filter(ctx, names, func(ctx context.Context, node string) error {
		_, err := c.docker.Exec(ctx, node, "test", "-s", "/run/flannel/subnet.env")
		return err
	}), nil
}

func (c *cluster) answering(ctx context.Context) ([]string, error) {
	return filter(ctx, c.names(), func(ctx context.Context, node string) error {
		if slices.Contains(c.servers(), node) {
			if _, err := c.docker.Exec(ctx, node, "kubectl", "get", "--raw", "/readyz"); err != nil {
				return err
			}
		}
		_, err := c.kubectl(ctx, "get", "--raw", "/api/v1/nodes/"+node+"/proxy/healthz")
		return err
	}), nil
}

// filter returns the nodes for which check succeeds, which it does for all of them at
// once.
func filter(ctx context.Context, nodes []string, check func(context.Context, string) error) []string {
	results := make([]error, len(nodes))
	var group sync.WaitGroup
	for i, node := range nodes {
		group.Go(func() { results[i] = check(ctx, node) })
	}
	group.Wait()
	var met []string
	for i, node := range nodes {
		if results[i] == nil {
			met = append(met, node)
		}
	}
	return met
}

// describe describes a node's container.
func describe(node docker.Container) string {
	return fmt.Sprintf("node %s: %s, restarted %d times", node.Name, node.State, node.Restarts)
}
