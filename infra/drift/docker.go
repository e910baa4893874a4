package drift

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/kubetracing/kubetracing/stacks"
)

// World is what Docker has.
type World struct {
	Containers []Container
	// Networks are ids, Volumes names, and Images the references of images with the
	// label of any stack.
	Networks, Volumes, Images []string
}

// Container is a container in Docker.
type Container struct {
	ID, Name string
	// State is one of created, restarting, running, removing, paused, exited and
	// dead; Status says more, as "Up 3 minutes (unhealthy)".
	State, Status string
	// Cluster and Role are k3d's labels, Owner is ours. Empty without.
	Cluster, Role, Owner string
}

// lists are docker's commands that tell what there is.
var lists = [][]string{
	{"ps", "--all", "--no-trunc", "--format", strings.Join([]string{
		"{{.ID}}", "{{.Names}}", "{{.State}}", "{{.Status}}",
		`{{.Label "k3d.cluster"}}`, `{{.Label "k3d.role"}}`, `{{.Label "` + stacks.OwnerLabel + `"}}`,
	}, "\t")},
	{"network", "ls", "--no-trunc", "--format", "{{.ID}}"},
	{"volume", "ls", "--format", "{{.Name}}"},
	{"image", "ls", "--filter", "label=" + stacks.OwnerLabel, "--format", "{{.Repository}}:{{.Tag}}"},
}

// Look asks Docker for what it has.
func Look(ctx context.Context) (World, error) {
	lines, problems := make([][]string, len(lists)), make([]error, len(lists))
	var asked sync.WaitGroup
	for i, list := range lists {
		asked.Go(func() { lines[i], problems[i] = docker(ctx, list...) })
	}
	asked.Wait()
	world := World{Networks: lines[1], Volumes: lines[2], Images: lines[3]}
	for _, line := range lines[0] {
		if f := strings.Split(line, "\t"); len(f) == 7 {
			world.Containers = append(world.Containers, Container{f[0], f[1], f[2], f[3], f[4], f[5], f[6]})
		}
	}
	return world, errors.Join(problems...)
}

// container is the container with an id.
func (w World) container(id string) (Container, bool) {
	i := slices.IndexFunc(w.Containers, func(c Container) bool { return c.ID == id })
	if i < 0 {
		return Container{}, false
	}
	return w.Containers[i], true
}

// nodes are the containers of a cluster that are meant to stay.
func (w World) nodes(names stacks.Names) []Container {
	var nodes []Container
	for _, c := range w.Containers {
		if c.Cluster == names.Cluster && (c.isNode() || c.Role == "loadbalancer") {
			nodes = append(nodes, c)
		}
	}
	return nodes
}

// isNode tells whether Kubernetes runs in the container.
func (c Container) isNode() bool { return c.Role == "server" || c.Role == "agent" }

// docker gives the lines that a docker command prints.
func docker(ctx context.Context, arguments ...string) ([]string, error) {
	var stderr strings.Builder
	command := exec.CommandContext(ctx, "docker", arguments...)
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("docker %s: %w: %s", arguments[0], err, strings.TrimSpace(stderr.String()))
	}
	text := strings.TrimRight(string(output), "\n")
	if text == "" {
		return nil, nil
	}
	return strings.Split(text, "\n"), nil
}
