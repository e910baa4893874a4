package pulumi

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/stacks"
)

// Drift is what happened behind Pulumi's back, and what repairs it.
type Drift struct {
	// Messages say what happened and what an update does about it.
	Messages []string
	// Refresh reports whether Pulumi must refresh: something is gone that it must not
	// try to remove.
	Refresh bool
	// Replace lists the URNs that an update must replace, except exited containers.
	Replace []string
	// Paused are the names of paused containers, Stopped those of nodes that do not
	// run.
	Paused, Stopped []string

	// cluster and verification are the URNs of these resources; empty if there are none.
	cluster, verification string
	// exited are the URNs of containers that do not run.
	exited []string
}

// FindDrift compares a stack's state with what Docker has.
func FindDrift(state State, snapshot Snapshot, names stacks.Names) Drift {
	var d Drift
	lostVolumes := map[string]bool{}
	lostNetwork := false
	for _, r := range state.Resources {
		urn := string(r.URN)
		switch {
		case r.Delete || r.External:
			// Not what the stack consists of now.
		case r.Type == containerType:
			d.addContainer(r, snapshot)
		case r.Type == networkType && !slices.ContainsFunc(snapshot.Networks, func(n docker.Network) bool { return n.ID == string(r.ID) }):
			lostNetwork = true
			d.addGone("network", r)
		case r.Type == volumeType && !slices.ContainsFunc(snapshot.Volumes, func(v docker.Volume) bool { return v.Name == string(r.ID) }):
			lostVolumes[urn] = true
			d.addGone("volume", r)
		case r.Type == imageType && !slices.ContainsFunc(snapshot.Images, func(i docker.Image) bool { return slices.Contains(i.Tags, r.dockerName()) }):
			d.Replace = append(d.Replace, urn)
			d.add("image %s is gone: an update builds it again", r.dockerName())
		case r.isCluster():
			d.cluster = urn
		case strings.HasSuffix(r.Name(), verificationName):
			d.verification = urn
		case r.Type == commandType && dependsOnAny(r, lostVolumes):
			// What a command had put into a volume is lost with it.
			d.Replace = append(d.Replace, urn)
		}
	}
	if d.cluster != "" {
		d.addCluster(state, snapshot.Nodes, lostNetwork, names)
	}
	for _, r := range state.Creating {
		d.add("an update has not finished creating %s: if it no longer runs, the next one creates it again", r.Name())
	}
	return d
}

func dependsOnAny(r Resource, urns map[string]bool) bool {
	for _, dependency := range r.Dependencies {
		if urns[string(dependency)] {
			return true
		}
	}
	return false
}

// addGone notes a resource whose absence Pulumi must find itself.
func (d *Drift) addGone(kind string, r Resource) {
	d.Refresh = true
	d.add("%s %s is gone: an update creates it again", kind, r.dockerName())
}

// addContainer notes what is wrong with a container that is not a node.
func (d *Drift) addContainer(r Resource, snapshot Snapshot) {
	c, exists := snapshot.container(string(r.ID))
	switch {
	case !exists:
		d.addGone("container", r)
	case c.State.Status == "paused":
		d.Paused = append(d.Paused, c.Name)
		d.add("container %s is paused: an update resumes it", c.Name)
	case !c.State.Running() || c.State.Health == "unhealthy":
		if c.State.Running() || c.State.Status == "restarting" {
			d.Replace = append(d.Replace, string(r.URN))
		} else {
			d.exited = append(d.exited, string(r.URN))
		}
		d.add("container %s does not work (%s): an update replaces it", c.Name, c.State)
	}
}

// addCluster notes what is wrong with the cluster, given the containers of that name.
func (d *Drift) addCluster(state State, containers []docker.Container, lostNetwork bool, names stacks.Names) {
	const again = ": an update creates it again, with everything in it"
	expected := 1
	if cluster, ok := state.Cluster(); ok {
		expected = len(cluster.Nodes)
	}
	left := 0
	for _, c := range containers {
		if c.Node() {
			left++
		}
	}
	owner := docker.Owner{Stack: names.Owner, State: state.Identity()}
	switch belonging := owner.Cluster(containers); {
	case left == 0:
		d.Replace = append(d.Replace, d.cluster)
		d.add("cluster %s is gone"+again, names.Cluster)
		return
	case belonging == docker.Foreign && left == expected:
		d.Replace = append(d.Replace, d.cluster)
		d.add("cluster %s is gone, and the one of that name belongs to %s: it must go before an update can create this stack's again",
			names.Cluster, docker.Whose(owner.Witness(slices.Clone(containers))))
		return
	case left < expected:
		d.Replace = append(d.Replace, d.cluster)
		d.add("cluster %s has lost %d of its %d nodes"+again, names.Cluster, expected-left, expected)
		return
	case lostNetwork:
		d.Replace = append(d.Replace, d.cluster)
		d.add("cluster %s has lost its network"+again, names.Cluster)
		return
	}
	for _, c := range containers {
		switch {
		case !c.Node() && !c.LoadBalancer(), c.State.Running():
		case c.State.Status == "paused":
			d.Paused = append(d.Paused, c.Name)
			d.add("node %s is paused: an update resumes it", c.Name)
		default:
			d.Stopped = append(d.Stopped, c.Name)
			d.add("node %s does not run (%s): an update starts it, or else creates the cluster again", c.Name, c.State)
		}
	}
}

func (d *Drift) add(format string, values ...any) {
	d.Messages = append(d.Messages, fmt.Sprintf(format, values...))
}

// Print writes what happened.
func (d Drift) Print(w io.Writer) {
	for _, message := range d.Messages {
		fmt.Fprintln(w, "kubetracing:", message)
	}
}

// PreviewFlags returns the flags with which a preview shows what an update does about
// the drift.
func (d Drift) PreviewFlags() []string {
	if len(d.exited) > 0 {
		// A refresh would remove them.
		return replaceFlags(d.exited, d.Replace)
	}
	return d.UpFlags()
}

// UpFlags returns the flags with which an update repairs the drift.
//
// The docker provider removes an exited container when Pulumi refreshes it, and
// Pulumi then creates it again by itself.
//
// Source: kreuzwerker/terraform-provider-docker
// internal/provider/resource_docker_container_funcs.go (resourceDockerContainerRead).
func (d Drift) UpFlags() []string {
	if d.Refresh {
		return append(d.DestroyFlags(), replaceFlags(d.Replace)...)
	}
	return replaceFlags(d.exited, d.Replace)
}

// DestroyFlags returns the flags with which everything can be removed.
func (d Drift) DestroyFlags() []string {
	if d.Refresh {
		return []string{"--refresh"}
	}
	return nil
}

func replaceFlags(urns ...[]string) []string {
	var flags []string
	for _, urn := range slices.Concat(urns...) {
		flags = append(flags, "--replace", urn)
	}
	return flags
}
