package docker

import (
	"fmt"

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
func (o Owner) Cluster(containers []Container) Belonging {
	if len(containers) == 0 {
		return Absent
	}
	servers := 0
	for _, c := range containers {
		if c.Node() && !o.Owns(c.Labels) {
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
