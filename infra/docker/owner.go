package docker

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/kubetracing/kubetracing/components/spec"
)

// Owner is who owns objects in Docker. The rule of ownership is [Owner.Owns]; whatever
// is deleted, restarted, adopted or reported is decided by it.
type Owner struct {
	// Stack is "project/stack", for people.
	Stack string
	// State is the identity of the Pulumi state that creates the objects.
	State string
}

// Owns reports whether an object with these labels was created by the owner's state.
// A state without an identity owns nothing.
func (o Owner) Owns(labels map[string]string) bool {
	return o.State != "" && labels[spec.StateLabel] == o.State
}

// Labels returns the labels that mark an object as the owner's.
func (o Owner) Labels() map[string]string {
	return map[string]string{spec.StackLabel: o.Stack, spec.StateLabel: o.State}
}

// Filter selects the objects of the owner's state.
func (o Owner) Filter() Filter { return Filter{spec.StateLabel, o.State} }

// Labelled is an object with labels.
type Labelled interface {
	// Title names the object for messages, as `volume "data"`.
	Title() string
	// LabelMap returns its labels.
	LabelMap() map[string]string
}

// Title implements [Labelled].
func (c Container) Title() string { return fmt.Sprintf("container %q", c.Name) }

// LabelMap implements [Labelled].
func (c Container) LabelMap() map[string]string { return c.Labels }

// Title implements [Labelled].
func (n Network) Title() string { return fmt.Sprintf("network %q", n.Name) }

// LabelMap implements [Labelled].
func (n Network) LabelMap() map[string]string { return n.Labels }

// Title implements [Labelled].
func (v Volume) Title() string { return fmt.Sprintf("volume %q", v.Name) }

// LabelMap implements [Labelled].
func (v Volume) LabelMap() map[string]string { return v.Labels }

// Title implements [Labelled].
func (i Image) Title() string {
	if len(i.Tags) == 0 {
		return "image " + i.ID
	}
	return fmt.Sprintf("image %q", i.Tags[0])
}

// LabelMap implements [Labelled].
func (i Image) LabelMap() map[string]string { return i.Labels }

// Split separates the objects of the owner's state from those that carry its stack's
// label and were created by another state: another checkout, a lost state, or a stack
// of the same name of somebody else. Objects with neither label are in none of the two.
func Split[T Labelled](o Owner, objects []T) (ours, strangers []T) {
	for _, object := range objects {
		switch labels := object.LabelMap(); {
		case o.Owns(labels):
			ours = append(ours, object)
		case o.Stack != "" && labels[spec.StackLabel] == o.Stack:
			strangers = append(strangers, object)
		}
	}
	return ours, strangers
}

// Whose describes in words whom an object seems to belong to.
func Whose(object Labelled) string {
	labels := object.LabelMap()
	stack, state := labels[spec.StackLabel], labels[spec.StateLabel]
	switch {
	case stack != "" && state != "":
		return fmt.Sprintf("stack %s with another state (%s)", stack, state)
	case stack != "":
		return fmt.Sprintf("stack %s, created by an earlier version of kubetracing", stack)
	case state != "":
		return fmt.Sprintf("another state (%s)", state)
	default:
		return "something other than kubetracing"
	}
}

// Belonging is whom a k3d cluster belongs to.
type Belonging int

const (
	// Absent means that there is no container of the cluster.
	Absent Belonging = iota
	// Ours means that the owner's state created it.
	Ours
	// Foreign means anything else.
	Foreign
)

// Cluster returns whom a cluster belongs to, given all of its containers. It is the
// owner's only if it has a server and every server and agent is the owner's: the load
// balancer and k3d's helpers carry k3d's labels only.
func (o Owner) Cluster(containers []Container) Belonging { return belonging(containers, o.Owns) }

func belonging(containers []Container, owns func(labels map[string]string) bool) Belonging {
	if len(containers) == 0 {
		return Absent
	}
	servers := 0
	for _, c := range containers {
		if c.Node() && !owns(c.Labels) {
			return Foreign
		}
		if c.Server() {
			servers++
		}
	}
	if servers == 0 {
		return Foreign
	}
	return Ours
}

// Helpers reports whether a cluster consists of nothing but helpers of k3d on a network
// of the owner's: k3d creates its tools container before any node, and cannot label
// it. Such a cluster is what an interrupted creation left; only its containers may be
// removed, one by one.
//
// Source: github.com/k3d-io/k3d/v5@v5.9.0/pkg/client/tools.go (runToolsNode).
func (o Owner) Helpers(containers []Container, network string, networks []Network) bool {
	return helpers(containers, network, networks, o.Owns)
}

func helpers(containers []Container, network string, networks []Network, owns func(map[string]string) bool) bool {
	for _, c := range containers {
		if _, connected := c.Networks[network]; c.Node() || !connected || len(c.Networks) != 1 {
			return false
		}
	}
	return len(containers) > 0 && slices.ContainsFunc(networks, func(n Network) bool { return n.Name == network && owns(n.Labels) })
}

// Inventory is what Docker has.
type Inventory struct {
	Containers []Container
	Networks   []Network
	Volumes    []Volume
	// Images are those that any stack has built.
	Images []Image
}

// Inventory lists what Docker has.
func (c *Client) Inventory(ctx context.Context) (Inventory, error) {
	var have Inventory
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { have.Containers, err = c.Containers(ctx); return err })
	group.Go(func() (err error) { have.Networks, err = c.Networks(ctx); return err })
	group.Go(func() (err error) { have.Volumes, err = c.Volumes(ctx); return err })
	group.Go(func() (err error) { have.Images, err = c.Images(ctx, Filter{Label: spec.StackLabel}); return err })
	return have, group.Wait()
}

// Strangers returns an error for everything that has one of the names of a stack and is
// not the stack's own: who it seems to belong to, and what to do.
func Strangers(names spec.Names, have Inventory, owns func(labels map[string]string) bool) []error {
	var strangers []error
	add := func(title string, object Labelled, remove string) {
		strangers = append(strangers, fmt.Errorf("%s exists already and does not belong to this state of stack %s: it seems to belong to %s. "+
			"Destroy it where it was created, rename this stack, or, if nobody needs it any more, remove it with `%s`",
			title, names.Stack, Whose(object), remove))
	}
	var cluster []Container
	for _, c := range have.Containers {
		if c.Cluster() == names.Cluster {
			cluster = append(cluster, c)
		}
	}
	ByRole(cluster)
	leftover := slices.ContainsFunc(names.Networks, func(network string) bool { return helpers(cluster, network, have.Networks, owns) })
	if belonging(cluster, owns) == Foreign && !leftover {
		add(fmt.Sprintf("k3d cluster %q", names.Cluster), witness(cluster, owns), "k3d cluster delete "+names.Cluster)
	}
	for _, c := range have.Containers {
		if c.Cluster() != names.Cluster && slices.Contains(names.Containers, c.Name) && !owns(c.Labels) {
			add(c.Title(), c, "docker rm --force "+c.Name)
		}
	}
	for _, n := range have.Networks {
		if slices.Contains(names.Networks, n.Name) && !owns(n.Labels) {
			add(n.Title(), n, "docker network rm "+n.Name)
		}
	}
	for _, v := range have.Volumes {
		if slices.Contains(names.Volumes, v.Name) && !owns(v.Labels) {
			add(v.Title(), v, "docker volume rm "+v.Name)
		}
	}
	return strangers
}

// witness returns the container that says best whom a cluster belongs to: the first
// node that is not the owner's. The containers must be sorted by role.
func witness(cluster []Container, owns func(map[string]string) bool) Container {
	for _, c := range cluster {
		if c.Node() && !owns(c.Labels) {
			return c
		}
	}
	return cluster[0]
}

// Witness returns the container of a cluster of somebody else's that says best whom
// it belongs to. There must be at least one.
func (o Owner) Witness(cluster []Container) Container {
	ByRole(cluster)
	return witness(cluster, o.Owns)
}

// ByRole sorts the containers of a cluster: servers before agents, and both before
// k3d's helpers.
func ByRole(containers []Container) {
	rank := func(c Container) int {
		switch {
		case c.Server():
			return 0
		case c.Node():
			return 1
		default:
			return 2
		}
	}
	slices.SortStableFunc(containers, func(a, b Container) int {
		return cmp.Or(rank(a)-rank(b), cmp.Compare(a.Name, b.Name))
	})
}
