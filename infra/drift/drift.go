package drift

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/stacks"
)

// Drift is what happened behind Pulumi's back, and what sets it right.
type Drift struct {
	// Told are the sentences that say what happened and what an update does.
	Told []string
	// Refresh tells that Pulumi has to look at the world itself: something is gone
	// that it must not try to remove.
	Refresh bool
	// Replace are the URNs of what an update makes anew, but for containers that have
	// ended.
	Replace []string
	// Paused are the names of paused containers, Stopped those of nodes that do not
	// run.
	Paused, Stopped []string

	cluster clusterState
	// ended are the URNs of containers that do not run.
	ended []string
}

// clusterState is what Pulumi believes about the cluster.
type clusterState struct {
	urn, verification string
	// nodes is how many servers and agents it has.
	nodes int
}

// Find compares a stack's state with what Docker has.
func Find(state State, world World, names stacks.Names) Drift {
	found := Drift{}
	lostVolumes := map[string]bool{}
	lostNetwork := false
	for _, r := range state.Resources {
		switch {
		case r.Type == containerType:
			found.container(r, world)
		case r.Type == networkType && !slices.Contains(world.Networks, r.ID):
			lostNetwork = true
			found.gone("network", r)
		case r.Type == volumeType && !slices.Contains(world.Volumes, r.ID):
			lostVolumes[r.URN] = true
			found.gone("volume", r)
		case r.Type == imageType && !slices.Contains(world.Images, r.dockerName()):
			found.Replace = append(found.Replace, r.URN)
			found.tell("image %s is gone: an update builds it again", r.dockerName())
		case r.isCluster():
			found.cluster.urn, found.cluster.nodes = r.URN, nodesOf(r)
		case r.Name() == verificationName:
			found.cluster.verification = r.URN
		case r.Type == commandType && slices.ContainsFunc(r.Dependencies, func(urn string) bool { return lostVolumes[urn] }):
			// What a command had put into a volume went with it.
			found.Replace = append(found.Replace, r.URN)
		}
	}
	if found.cluster.urn != "" {
		found.nodes(world.nodes(names), lostNetwork, names)
	}
	for _, r := range state.Creating {
		found.tell("an update has not ended its creation of %s: if it runs no more, the next one starts that anew", r.Name())
	}
	return found
}

// gone notes a resource that Pulumi has to miss by itself.
func (d *Drift) gone(kind string, r Resource) {
	d.Refresh = true
	d.tell("%s %s is gone: an update creates it again", kind, r.dockerName())
}

// container looks at a container of ours that is no node.
func (d *Drift) container(r Resource, world World) {
	c, exists := world.container(r.ID)
	switch {
	case !exists:
		d.gone("container", r)
	case c.State == "paused":
		d.Paused = append(d.Paused, c.Name)
		d.tell("container %s is paused: an update lets it go on", c.Name)
	case c.State != "running" || strings.Contains(c.Status, "(unhealthy)"):
		if c.State == "restarting" || c.State == "running" {
			d.Replace = append(d.Replace, r.URN)
		} else {
			d.ended = append(d.ended, r.URN)
		}
		d.tell("container %s does not work (%s): an update replaces it", c.Name, c.Status)
	}
}

// nodes looks at the cluster.
func (d *Drift) nodes(nodes []Container, lostNetwork bool, names stacks.Names) {
	var left int
	for _, c := range nodes {
		if c.isNode() {
			left++
		}
	}
	switch {
	case left == 0:
		d.Replace = append(d.Replace, d.cluster.urn)
		d.tell("cluster %s is gone: an update creates it again, with everything in it", names.Cluster)
		return
	case left < d.cluster.nodes:
		d.Replace = append(d.Replace, d.cluster.urn)
		d.tell("cluster %s has lost %d of its %d nodes: an update creates it again, with everything in it",
			names.Cluster, d.cluster.nodes-left, d.cluster.nodes)
		return
	case lostNetwork:
		d.Replace = append(d.Replace, d.cluster.urn)
		d.tell("cluster %s has lost its network: an update creates it again, with everything in it", names.Cluster)
		return
	}
	for _, c := range nodes {
		switch c.State {
		case "running":
		case "paused":
			d.Paused = append(d.Paused, c.Name)
			d.tell("node %s is paused: an update lets it go on", c.Name)
		default:
			d.Stopped = append(d.Stopped, c.Name)
			d.tell("node %s does not run (%s): an update starts it, or else creates the cluster again", c.Name, c.Status)
		}
	}
}

// nodesOf counts the nodes of a cluster in the k3d configuration that made it.
func nodesOf(cluster Resource) int {
	var config struct {
		Servers int `json:"servers"`
		Agents  int `json:"agents"`
	}
	// It is what this program rendered; one that cannot be read promises one node.
	if text, ok := cluster.Inputs["stdin"].(string); !ok || yaml.Unmarshal([]byte(text), &config) != nil {
		return 1
	}
	return config.Servers + config.Agents
}

func (d *Drift) tell(format string, values ...any) {
	d.Told = append(d.Told, fmt.Sprintf(format, values...))
}

// Tell says what happened.
func (d Drift) Tell(w io.Writer) {
	for _, sentence := range d.Told {
		fmt.Fprintln(w, "kubetracing:", sentence)
	}
}

// PreviewFlags are those with which a preview shows what an update does about it.
func (d Drift) PreviewFlags() []string {
	if len(d.ended) > 0 {
		// To refresh is to remove them.
		return replaceFlags(d.ended, d.Replace)
	}
	return d.UpFlags()
}

// UpFlags are those with which an update sets it right.
//
// The docker provider removes a container that has ended when it is told to look at
// it, and Pulumi then creates it again without being told to.
//
// Source: kreuzwerker/terraform-provider-docker
// internal/provider/resource_docker_container_funcs.go (resourceDockerContainerRead).
func (d Drift) UpFlags() []string {
	if d.Refresh {
		return append(d.DestroyFlags(), replaceFlags(d.Replace)...)
	}
	return replaceFlags(d.ended, d.Replace)
}

// DestroyFlags are those with which everything can be removed.
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
