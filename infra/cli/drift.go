package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"

	"github.com/kubetracing/kubetracing/infra/workspace"
	"github.com/kubetracing/kubetracing/stacks"
)

// drift is what Pulumi believes to be there and Docker does not have.
type drift struct {
	// Containers are the names of missing containers.
	Containers []string
	// Cluster are the URNs of what made a cluster which is gone; none if it is there,
	// or was never made.
	Cluster []string
}

// Types of the resources that are looked for.
const (
	containerType = "docker:index/container:Container"
	commandType   = "command:local:Command"
)

// clusterCommands are the names of the commands that make the cluster: with it may
// have gone the volume of which the second fills a new one.
var clusterCommands = []string{"cluster-k3d", "node-config-files"}

// findDrift compares a stack's state with what Docker has. Pulumi itself only does
// so for containers, and only when it is asked to refresh.
func findDrift(ctx context.Context, space workspace.Workspace, names stacks.Names) (drift, error) {
	var found drift
	export := exec.CommandContext(ctx, "pulumi", "stack", "export", "--stack", space.Stack, "--non-interactive")
	export.Dir = space.Directory
	text, err := export.Output()
	if err != nil {
		return found, fmt.Errorf("pulumi stack export: %w", withStderr(err))
	}
	var state struct {
		Deployment struct {
			Resources []struct {
				URN     string         `json:"urn"`
				Type    string         `json:"type"`
				ID      string         `json:"id"`
				Outputs map[string]any `json:"outputs"`
			} `json:"resources"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return found, fmt.Errorf("read what pulumi stack export says: %w", err)
	}
	ids, err := dockerLines(ctx, "ps", "--all", "--no-trunc", "--quiet")
	if err != nil {
		return found, err
	}
	nodes, err := dockerLines(ctx, "ps", "--all", "--quiet", "--filter", "label=k3d.cluster="+names.Cluster)
	if err != nil {
		return found, err
	}
	for _, resource := range state.Deployment.Resources {
		switch {
		case resource.Type == containerType && !slices.Contains(ids, resource.ID):
			found.Containers = append(found.Containers, fmt.Sprint(resource.Outputs["name"]))
		case resource.Type == commandType && len(nodes) == 0 && slices.Contains(clusterCommands, nameOf(resource.URN)):
			found.Cluster = append(found.Cluster, resource.URN)
		}
	}
	if !slices.ContainsFunc(found.Cluster, func(urn string) bool { return nameOf(urn) == clusterCommands[0] }) {
		// An interrupted update has not come to the cluster yet.
		found.Cluster = nil
	}
	return found, nil
}

// tell says what is missing.
func (d drift) tell(w io.Writer, names stacks.Names) {
	for _, container := range d.Containers {
		fmt.Fprintf(w, "kubetracing: container %s is gone: an update creates it again\n", container)
	}
	if len(d.Cluster) > 0 {
		fmt.Fprintf(w, "kubetracing: cluster %s is gone: an update creates it again, with everything in it\n", names.Cluster)
	}
}

// nameOf is the last part of a URN.
func nameOf(urn string) string { return urn[strings.LastIndex(urn, ":")+1:] }

// refresh are the flags with which Pulumi takes note of missing containers.
func (d drift) refresh() []string {
	if len(d.Containers) == 0 {
		return nil
	}
	return []string{"--refresh"}
}

func dockerLines(ctx context.Context, arguments ...string) ([]string, error) {
	output, err := exec.CommandContext(ctx, "docker", arguments...).Output()
	if err != nil {
		return nil, fmt.Errorf("docker %s: %w", arguments[0], withStderr(err))
	}
	return strings.Fields(string(output)), nil
}
