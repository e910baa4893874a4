package preflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/stacks"
)

// takenPorts returns an error for every port that somebody else listens on.
func takenPorts(ctx context.Context, needs Needs, containers []docker.Container) []error {
	var problems []error
	for _, port := range needs.Ports {
		if err := takenPort(ctx, needs, port, containers); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

func takenPort(ctx context.Context, needs Needs, port stacks.Port, containers []docker.Container) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port.Number)))
	if err == nil {
		if err := listener.Close(); err != nil {
			return fmt.Errorf("close port %d: %w", port.Number, err)
		}
		return nil
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d (%s) cannot be used: %w", port.Number, port.Key, err)
	}
	holder := "another process"
	for _, c := range containers {
		if !publishes(c, port.Number) {
			continue
		}
		// k3d's load balancer has no label of ours, and a cluster of our name that is
		// somebody else's is a problem of its own.
		if needs.owns(c.Labels) || c.Cluster() == needs.Names.Cluster {
			return nil
		}
		holder = c.Title()
		if stack := c.Labels[spec.StackLabel]; stack != "" {
			holder += " of stack " + stack
		}
	}
	return fmt.Errorf("port %d (%s) is taken by %s: stop it, or choose another port", port.Number, port.Key, holder)
}

// publishes reports whether a container holds a TCP port of 127.0.0.1. One that does not
// run holds none, and a port of every address of IPv6 is none of IPv4: where a container
// has both, Docker lists both.
func publishes(c docker.Container, number int) bool {
	return c.State.Started() && slices.ContainsFunc(c.Ports, func(p docker.Port) bool {
		local := p.HostIP == "" || p.HostIP == "0.0.0.0" || p.HostIP == "127.0.0.1"
		return p.Host == number && p.Protocol == "tcp" && local
	})
}
