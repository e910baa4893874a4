// Package preflight looks at the machine before anything is created: the tools,
// the Docker daemon, the ports and the names that a stack needs. Whatever is in
// the way gets one clear message, and all messages come at once.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/kubetracing/kubetracing/stacks"
)

// Needs are what a stack wants from the machine.
type Needs struct {
	// Cluster is the name of its k3d cluster.
	Cluster string
	// Owner is the value of the label on everything that is its own.
	Owner string
	// Architectures are those for which its runtime is to be had; none means any.
	Architectures []string
	// Ports are published on 127.0.0.1.
	Ports []stacks.Port
	// Network is the name of its Docker network, Subnet that one's range and SubnetKey
	// the key that chooses it.
	Network, SubnetKey string
	Subnet             netip.Prefix
}

// NeedsOf lists what a stack wants.
func NeedsOf(stack stacks.Stack) Needs {
	needs := Needs{
		Cluster: stack.Names.Cluster, Owner: stack.Names.Owner,
		Architectures: stack.Architectures(), Ports: stack.Settings.Ports(),
		Network: stack.Names.Network(), Subnet: stack.Subnet.Prefix, SubnetKey: stack.Project + ":network.subnet",
	}
	for i := range needs.Ports {
		// In full, as a message names it.
		needs.Ports[i].Key = stack.Project + ":" + needs.Ports[i].Key
	}
	return needs
}

// Check looks for everything that would make an update fail halfway.
func Check(ctx context.Context, needs Needs) error {
	// Each is a process or two that would wait for the one before: a preview has nothing
	// else to do meanwhile.
	var tooOld, architectures, subnets []error
	var asked sync.WaitGroup
	asked.Go(func() { tooOld = k3d(ctx) })
	asked.Go(func() { architectures = architecture(ctx, needs) })
	asked.Go(func() { subnets = takenSubnet(ctx, needs) })
	containers, err := listContainers(ctx)
	asked.Wait()
	if err != nil {
		// The others could not ask either.
		return errors.Join(append(tooOld, err)...)
	}
	return errors.Join(slices.Concat(
		tooOld, architectures, foreignCluster(needs, containers), takenPorts(ctx, needs, containers), subnets,
	)...)
}

// Docker tells whether there is a Docker daemon to talk to.
func Docker(ctx context.Context) error {
	_, err := listContainers(ctx)
	return err
}

// container is what is known of a container in the daemon.
type container struct {
	name, cluster, role, owner, ports string
}

var containerFormat = strings.Join([]string{
	"{{.Names}}", `{{.Label "k3d.cluster"}}`, `{{.Label "k3d.role"}}`, `{{.Label "` + stacks.OwnerLabel + `"}}`, "{{.Ports}}",
}, "\t")

func listContainers(ctx context.Context) ([]container, error) {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil, errors.New("docker is not on PATH: install Docker Engine or Docker Desktop (https://docs.docker.com/get-docker/); " +
			"`make plan` shows what would be created without it")
	}
	var stderr strings.Builder
	command := exec.CommandContext(ctx, "docker", "ps", "--all", "--format", containerFormat)
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("the Docker daemon does not answer: is it running, and may this user talk to it? "+
			"`make plan` shows what would be created without it. docker says: %s",
			strings.TrimSpace(stderr.String()))
	}
	var containers []container
	for line := range strings.Lines(string(output)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) == 5 {
			containers = append(containers, container{fields[0], fields[1], fields[2], fields[3], fields[4]})
		}
	}
	return containers, nil
}

// architecture finds out whether the nodes can have the runtime.
func architecture(ctx context.Context, needs Needs) []error {
	if len(needs.Architectures) == 0 {
		return nil
	}
	output, err := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Arch}}").Output()
	if err != nil {
		return []error{fmt.Errorf("ask the Docker daemon for its architecture: %w", err)}
	}
	if arch := strings.TrimSpace(string(output)); !slices.Contains(needs.Architectures, arch) {
		return []error{fmt.Errorf("no official bundle of the container runtime is pinned for this Docker host's architecture %s, only for %s: give runtime.bundle",
			arch, strings.Join(needs.Architectures, " and "))}
	}
	return nil
}

// foreignCluster finds a k3d cluster that has our name but not our label.
func foreignCluster(needs Needs, containers []container) []error {
	for _, c := range containers {
		if c.cluster == needs.Cluster && c.role == "server" && c.owner != needs.Owner {
			return []error{fmt.Errorf("a k3d cluster named %q exists and is not this stack's: rename the stack, or remove it with `k3d cluster delete %s`",
				needs.Cluster, needs.Cluster)}
		}
	}
	return nil
}

// takenPorts finds ports that something else listens on.
func takenPorts(ctx context.Context, needs Needs, containers []container) []error {
	if remoteDaemon() {
		// The ports are those of another machine.
		return nil
	}
	var problems []error
	for _, port := range needs.Ports {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port.Number)))
		if err == nil {
			if err := listener.Close(); err != nil {
				problems = append(problems, fmt.Errorf("close port %d: %w", port.Number, err))
			}
			continue
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			problems = append(problems, fmt.Errorf("port %d (%s) cannot be used: %w", port.Number, port.Key, err))
			continue
		}
		holder := "another process"
		for _, c := range containers {
			if strings.Contains(c.ports, fmt.Sprintf(":%d->", port.Number)) {
				holder = fmt.Sprintf("container %q", c.name)
				// k3d's load balancer has no label of ours; a foreign cluster of our
				// name is a problem of its own.
				if c.owner == needs.Owner || c.cluster == needs.Cluster {
					holder = ""
				}
			}
		}
		if holder != "" {
			problems = append(problems, fmt.Errorf("port %d (%s) is taken by %s: stop it, or choose another port", port.Number, port.Key, holder))
		}
	}
	return problems
}

func remoteDaemon() bool {
	host := os.Getenv("DOCKER_HOST")
	return host != "" && !strings.HasPrefix(host, "unix://") && !strings.HasPrefix(host, "npipe://")
}
