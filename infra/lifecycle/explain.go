package lifecycle

import (
	"context"
	"strings"

	"github.com/kubetracing/kubetracing/infra/diagnose"
	"github.com/kubetracing/kubetracing/infra/docker"
)

// Lines of logs that are read for an explanation.
const (
	nodeLogLines       = 2000
	containerdLogLines = 200
)

// explain prints the state of every node, the last errors in its log and their likely
// cause. The log goes with the node.
func (c *cluster) explain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	found, err := c.docker.Containers(ctx, docker.OfCluster(c.Name))
	if err != nil {
		c.log.printf("the reason is not known: %v", err)
		return
	}
	docker.ByRole(found)
	for _, node := range found {
		if c.owner.Owns(node.Labels) || !node.Node() {
			c.explainNode(ctx, node)
		}
	}
}

func (c *cluster) explainNode(ctx context.Context, node docker.Container) {
	c.log.printf("%s", describe(node))
	if node.State.OOMKilled {
		c.log.printf("likely cause: the Docker host has too little memory")
	}
	log := c.nodeLog(ctx, node.Name)
	for _, line := range diagnose.Failures(log) {
		c.log.line("    " + line)
	}
	if cause, known := diagnose.LikelyCause(log); known {
		c.log.printf("likely cause: %s", cause)
	}
}

// nodeLog returns what k3s logged, and what containerd did in a file of its own. A node
// that does not run has no other way to that file.
func (c *cluster) nodeLog(ctx context.Context, node string) string {
	log, err := c.docker.Logs(ctx, node, docker.LogOptions{Tail: nodeLogLines})
	if err != nil {
		c.log.printf("%v", err)
	}
	// A node that did not get as far, or runs CRI-O, has none.
	if containerd, err := c.docker.CopyFrom(ctx, node, diagnose.ContainerdLog); err == nil {
		log += "\n" + lastLines(containerd, containerdLogLines)
	}
	return log
}

// lastLines returns the last lines of a text.
func lastLines(text string, number int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-number):], "\n")
}
