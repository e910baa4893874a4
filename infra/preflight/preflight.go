// Package preflight checks the machine before anything is created: the tools, the
// Docker daemon, and the ports and names that a stack needs. Everything that is in the
// way gets one clear message, and all messages come at once.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/semver"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/tools"
	"github.com/kubetracing/kubetracing/stacks"
)

// Needs describes what a stack needs from the machine.
type Needs struct {
	// Names are the names that it uses in Docker.
	Names spec.Names
	// State is the identity of its state. Empty means unknown, and then everything with
	// the stack's label counts as its own, unless New.
	State string
	// New reports that the stack has no state yet: nothing in Docker is its own.
	New bool
	// Architectures are those for which there is a release of its runtime; empty means
	// any.
	Architectures []string
	// BuildImages are those on which the node image is built.
	BuildImages []string
	// Ports are published on 127.0.0.1.
	Ports []stacks.Port
	// Subnet is the range of its network, and SubnetKey the key that chooses it. Derived
	// reports whether nobody did.
	Subnet    netip.Prefix
	SubnetKey string
	Derived   bool
	// Images are what its containers are created from and its nodes' image is built
	// from, but for k3d's own.
	Images []string
	// LoadBalancer reports whether k3d balances the load of several servers.
	LoadBalancer bool
	// ProviderHost and ProviderContext are the settings docker:host and docker:context
	// of Pulumi's provider. Optional.
	ProviderHost, ProviderContext string
}

// NeedsOf returns what a stack needs. The caller sets State or New if it knows.
func NeedsOf(stack stacks.Stack) Needs {
	needs := Needs{
		Names: spec.Names{
			Stack: stack.Names.Owner, Cluster: stack.Names.Cluster, Networks: []string{stack.Names.Network()},
		},
		Architectures: stack.Architectures(), BuildImages: []string{stack.BaseImage(), spec.ToolsImage}, Ports: stack.Settings.Ports(),
		Subnet: stack.Subnet.Prefix, SubnetKey: stack.Project + ":network.subnet",
		Derived: stack.Settings.Network.Subnet == "",
		Images:  stack.Images(), LoadBalancer: stack.ClusterSpec().LoadBalancer(),
	}
	for i := range needs.Ports {
		// In full, as a message names it.
		needs.Ports[i].Key = stack.Project + ":" + needs.Ports[i].Key
	}
	return needs
}

// owns reports whether an object with these labels is the stack's own.
func (n Needs) owns(labels map[string]string) bool {
	if n.State == "" && !n.New {
		return labels[spec.StackLabel] == n.Names.Stack
	}
	return docker.Owner{Stack: n.Names.Stack, State: n.State}.Owns(labels)
}

// Machine is what is checked.
type Machine struct {
	Docker *docker.Client
	// K3d returns what is wrong with the k3d on PATH, if anything.
	K3d func(context.Context) error
	// K3dImages returns the images that k3d uses for containers of its own.
	K3dImages func(ctx context.Context, loadBalancer bool) []string
	// Routes returns the routes of this machine.
	Routes func() ([]Route, error)
	// Offline reports whether nothing may be downloaded: every image must be there.
	Offline bool
	// Getenv reads the environment of Pulumi's provider.
	Getenv func(string) string
}

// Check returns an error for everything that would make an update fail halfway.
func Check(ctx context.Context, client *docker.Client, needs Needs) error {
	return Machine{client, tools.K3d().OnPath, tools.K3dImages, Routes, tools.Offline(), os.Getenv}.Check(ctx, needs)
}

// Docker returns an error unless there is a Docker daemon to connect to.
func Docker(ctx context.Context, client *docker.Client) error {
	_, err := client.Architecture(ctx)
	return advise(err)
}

// Check is the function of the same name for a machine.
func (m Machine) Check(ctx context.Context, needs Needs) error {
	// Each runs a program or two, so they run side by side.
	var group sync.WaitGroup
	var k3d, credentials, systemErr, haveErr, endpointErr, imageErr error
	var system docker.System
	var have docker.Inventory
	var endpoint docker.Endpoint
	group.Go(func() { k3d = m.k3d(ctx) })
	group.Go(func() { system, systemErr = m.Docker.System(ctx) })
	group.Go(func() { credentials = m.Docker.CheckCredentials(ctx, m.Getenv, needs.BuildImages...) })
	group.Go(func() { have, haveErr = m.Docker.Inventory(ctx) })
	group.Go(func() { endpoint, endpointErr = m.Docker.Endpoint(ctx, m.Getenv) })
	group.Go(func() { imageErr = m.missingImages(ctx, needs) })
	group.Wait()
	// The others could not ask either.
	for _, err := range []error{systemErr, haveErr, endpointErr} {
		if err != nil {
			return errors.Join(k3d, advise(err))
		}
	}
	// Whatever is in this daemon says nothing about another.
	provider := docker.Provider{Host: needs.ProviderHost, Context: needs.ProviderContext, Getenv: m.Getenv}
	if err := m.Docker.CheckProvider(ctx, endpoint, provider); err != nil {
		return errors.Join(k3d, err)
	}
	problems := slices.Concat(
		[]error{k3d, architecture(needs, system.Architecture), imageStore(system), credentials, imageErr},
		docker.Strangers(needs.Names, have, needs.owns),
		takenSubnets(needs, have.Networks),
	)
	// The ports and routes of a remote daemon are those of another machine.
	if !endpoint.Remote() {
		problems = append(problems, takenPorts(ctx, needs, have.Containers)...)
		routes, err := m.Routes()
		problems = append(problems, err, coveredSubnet(needs, routes, have.Networks))
	}
	return errors.Join(problems...)
}

// Build returns an error for everything that would make the build of the node image
// fail.
func (m Machine) Build(ctx context.Context, needs Needs) error {
	system, err := m.Docker.System(ctx)
	if err != nil {
		return advise(err)
	}
	return errors.Join(imageStore(system), m.Docker.CheckCredentials(ctx, m.Getenv, needs.BuildImages...))
}

// contextRelease is the first release of Docker whose containerd image store takes a
// build's context as Pulumi's provider sends it: as an archive over the API.
//
// Sources: github.com/moby/moby#47717 and #49178; github.com/pulumi/pulumi-docker#967.
const contextRelease = "27.5.0"

// imageStore returns an error for a Docker that cannot build the node image.
func imageStore(system docker.System) error {
	version := "v" + system.Version
	if !system.ContainerdStore || !semver.IsValid(version) || semver.Compare(version, "v"+contextRelease) >= 0 {
		return nil
	}
	return fmt.Errorf("the node image cannot be built by Docker %s with the containerd image store (https://github.com/moby/moby/issues/47717): "+
		"update Docker to %s or newer, or turn that store off, in Docker Desktop with \"Use containerd for pulling and storing images\", "+
		"elsewhere with \"features\": {\"containerd-snapshotter\": false} in daemon.json", system.Version, contextRelease)
}

// advise adds to an error of Docker's what to do about it.
func advise(err error) error {
	const without = "`make plan` shows what would be created without it"
	switch {
	case errors.Is(err, docker.ErrNotInstalled):
		return fmt.Errorf("%w: install Docker Engine or Docker Desktop (https://docs.docker.com/get-docker/); %s", err, without)
	case errors.Is(err, docker.ErrUnavailable), errors.Is(err, docker.ErrUnresponsive):
		return fmt.Errorf("%w; %s", err, without)
	default:
		return err
	}
}

// k3d returns an error if k3d is missing or too old.
func (m Machine) k3d(ctx context.Context) error {
	if err := m.K3d(ctx); err != nil {
		return fmt.Errorf("%w: install k3d %s or newer (https://k3d.io), or run `make up`, which brings its own", err, tools.K3d().Minimum)
	}
	return nil
}

// architecture returns an error if there is no release of the runtime for the nodes.
func architecture(needs Needs, arch string) error {
	if len(needs.Architectures) == 0 || slices.Contains(needs.Architectures, arch) {
		return nil
	}
	return fmt.Errorf("no official bundle of the container runtime is pinned for this Docker host's architecture %s, only for %s: set runtime.bundle",
		arch, strings.Join(needs.Architectures, " and "))
}

// takenSubnets returns an error for every Docker network that overlaps the stack's
// range.
func takenSubnets(needs Needs, networks []docker.Network) []error {
	var problems []error
	for _, network := range networks {
		// A network of that name is the stack's own, or a stranger already.
		if slices.Contains(needs.Names.Networks, network.Name) {
			continue
		}
		for _, subnet := range network.Subnets {
			if subnet.Overlaps(needs.Subnet) {
				problems = append(problems, fmt.Errorf("the range %s (%s) is taken: Docker's network %q has %s; choose another range",
					needs.Subnet, needs.SubnetKey, network.Name, subnet))
			}
		}
	}
	return problems
}
