package drift_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kubetracing/kubetracing/infra/drift"
	"github.com/kubetracing/kubetracing/stacks"
)

var names = stacks.NewNames("kubetracing", "dev")

// A stack of which everything is there, with two nodes.
func wholeState() drift.State {
	command := func(name string, dependencies ...string) drift.Resource {
		return drift.Resource{URN: "urn::" + name, Type: "command:local:Command", ID: name + "1", Dependencies: dependencies}
	}
	cluster := command("cluster-k3d", "urn::network-bridge", "urn::node-config-files")
	cluster.Inputs = map[string]any{"stdin": "kind: Simple\nservers: 1\nagents: 1\n"}
	named := func(urn, kind, id, name string) drift.Resource {
		return drift.Resource{URN: urn, Type: kind, ID: id, Inputs: map[string]any{"name": name}}
	}
	return drift.State{Resources: []drift.Resource{
		{URN: "urn::kubetracing-dev", Type: "pulumi:pulumi:Stack"},
		named("urn::network-bridge", "docker:index/network:Network", "net1", "kubetracing-dev"),
		named("urn::node-config-volume", "docker:index/volume:Volume", "kubetracing-dev-tracing", "kubetracing-dev-tracing"),
		named("urn::jaeger-volume", "docker:index/volume:Volume", "kubetracing-dev-jaeger", "kubetracing-dev-jaeger"),
		// It was built for another version before.
		{
			URN: "urn::node-image-build", Type: "docker:index/image:Image", ID: "kubetracing-dev-node:first",
			Inputs: map[string]any{"imageName": "kubetracing-dev-node:abc"},
		},
		command("jaeger-volume-owner", "urn::jaeger-volume"),
		command("node-config-files", "urn::node-config-volume"),
		named("urn::jaeger-container", "docker:index/container:Container", "jjj", "kubetracing-dev-jaeger"),
		named("urn::collector-container", "docker:index/container:Container", "ccc", "kubetracing-dev-collector"),
		command("collector-healthy", "urn::collector-container", "urn::jaeger-container"),
		cluster,
		command("verification-services", "urn::cluster-k3d"),
	}}
}

func wholeWorld() drift.World {
	running := func(id, name, cluster, role string) drift.Container {
		return drift.Container{ID: id, Name: name, State: "running", Status: "Up 2 minutes", Cluster: cluster, Role: role, Owner: names.Owner}
	}
	return drift.World{
		Containers: []drift.Container{
			running("xxx", "someone-elses", "", ""),
			running("jjj", "kubetracing-dev-jaeger", "", ""),
			running("ccc", "kubetracing-dev-collector", "", ""),
			running("sss", "k3d-kubetracing-dev-server-0", "kubetracing-dev", "server"),
			running("aaa", "k3d-kubetracing-dev-agent-0", "kubetracing-dev", "agent"),
			running("lll", "k3d-kubetracing-dev-serverlb", "kubetracing-dev", "loadbalancer"),
			running("ttt", "k3d-kubetracing-dev-tools", "kubetracing-dev", "noRole"),
			running("ooo", "k3d-other-server-0", "other", "server"),
		},
		Networks: []string{"net0", "net1"},
		Volumes:  []string{"kubetracing-dev-tracing", "kubetracing-dev-jaeger", "other"},
		Images:   []string{"kubetracing-dev-node:abc"},
	}
}

// remove takes containers and everything else of these names away.
func remove(world drift.World, gone ...string) drift.World {
	isGone := func(name string) bool { return strings.Contains(" "+strings.Join(gone, " ")+" ", " "+name+" ") }
	var left drift.World
	for _, c := range world.Containers {
		if !isGone(c.Name) {
			left.Containers = append(left.Containers, c)
		}
	}
	for to, from := range map[*[]string][]string{&left.Networks: world.Networks, &left.Volumes: world.Volumes, &left.Images: world.Images} {
		for _, name := range from {
			if !isGone(name) {
				*to = append(*to, name)
			}
		}
	}
	return left
}

// become puts a container into another state.
func become(world drift.World, name, state, status string) drift.World {
	for i := range world.Containers {
		if world.Containers[i].Name == name {
			world.Containers[i].State, world.Containers[i].Status = state, status
		}
	}
	return world
}

func TestWhatHappenedIsToldAndSetRight(t *testing.T) {
	t.Parallel()
	const (
		jaeger, collector    = "kubetracing-dev-jaeger", "kubetracing-dev-collector"
		server, agent        = "k3d-kubetracing-dev-server-0", "k3d-kubetracing-dev-agent-0"
		balancer             = "k3d-kubetracing-dev-serverlb"
		clusterGone          = "cluster kubetracing-dev is gone: an update creates it again, with everything in it"
		replaceCluster       = "--replace urn::cluster-k3d"
		replaceFiles         = "--replace urn::node-config-files"
		startsOrCreatesAgain = ": an update starts it, or else creates the cluster again"
	)
	everyNode := []string{server, agent, balancer}
	tests := map[string]struct {
		world           drift.World
		told            []string
		preview, up     string
		destroy         string
		paused, stopped []string
	}{
		"nothing": {world: wholeWorld()},
		"a container is gone": {
			world: remove(wholeWorld(), collector), told: []string{"container kubetracing-dev-collector is gone: an update creates it again"},
			preview: "--refresh", up: "--refresh", destroy: "--refresh",
		},
		"a container has ended": {
			world:   become(wholeWorld(), jaeger, "exited", "Exited (0) 3 minutes ago"),
			told:    []string{"container kubetracing-dev-jaeger does not work (Exited (0) 3 minutes ago): an update replaces it"},
			preview: "--replace urn::jaeger-container", up: "--replace urn::jaeger-container",
		},
		"a container is unhealthy": {
			world:   become(wholeWorld(), jaeger, "running", "Up 3 minutes (unhealthy)"),
			told:    []string{"container kubetracing-dev-jaeger does not work (Up 3 minutes (unhealthy)): an update replaces it"},
			preview: "--replace urn::jaeger-container", up: "--replace urn::jaeger-container",
		},
		"a container ends again and again": {
			world:   become(wholeWorld(), collector, "restarting", "Restarting (1) 2 seconds ago"),
			told:    []string{"container kubetracing-dev-collector does not work (Restarting (1) 2 seconds ago): an update replaces it"},
			preview: "--replace urn::collector-container", up: "--replace urn::collector-container",
		},
		"a container is paused": {
			world: become(wholeWorld(), jaeger, "paused", "Up 3 minutes (Paused)"),
			told:  []string{"container kubetracing-dev-jaeger is paused: an update lets it go on"}, paused: []string{jaeger},
		},
		// To look at a stopped container is to remove it, which no preview does.
		"a container is gone and another one has ended": {
			world: become(remove(wholeWorld(), collector), jaeger, "exited", "Exited (0)"),
			told: []string{
				"container kubetracing-dev-jaeger does not work (Exited (0)): an update replaces it",
				"container kubetracing-dev-collector is gone: an update creates it again",
			},
			preview: "--replace urn::jaeger-container", up: "--refresh", destroy: "--refresh",
		},
		"a container is gone and another one is unhealthy": {
			world: become(remove(wholeWorld(), collector), jaeger, "running", "Up 3 minutes (unhealthy)"),
			told: []string{
				"container kubetracing-dev-jaeger does not work (Up 3 minutes (unhealthy)): an update replaces it",
				"container kubetracing-dev-collector is gone: an update creates it again",
			},
			preview: "--refresh --replace urn::jaeger-container", up: "--refresh --replace urn::jaeger-container", destroy: "--refresh",
		},
		"a volume is gone with what a command had put into it": {
			world: remove(wholeWorld(), "kubetracing-dev-jaeger", "kubetracing-dev-jaeger"),
			told: []string{
				"volume kubetracing-dev-jaeger is gone: an update creates it again",
				"container kubetracing-dev-jaeger is gone: an update creates it again",
			},
			preview: "--refresh --replace urn::jaeger-volume-owner", up: "--refresh --replace urn::jaeger-volume-owner", destroy: "--refresh",
		},
		"the node image is gone": {
			world:   remove(wholeWorld(), "kubetracing-dev-node:abc"),
			told:    []string{"image kubetracing-dev-node:abc is gone: an update builds it again"},
			preview: "--replace urn::node-image-build", up: "--replace urn::node-image-build",
		},
		"the cluster is gone": {
			world: remove(wholeWorld(), everyNode...), told: []string{clusterGone}, preview: replaceCluster, up: replaceCluster,
		},
		"a node is gone": {
			world:   remove(wholeWorld(), agent),
			told:    []string{"cluster kubetracing-dev has lost 1 of its 2 nodes: an update creates it again, with everything in it"},
			preview: replaceCluster, up: replaceCluster,
		},
		"nodes do not run": {
			world: become(become(wholeWorld(), server, "exited", "Exited (137) 1 second ago"), balancer, "created", "Created"),
			told: []string{
				"node " + server + " does not run (Exited (137) 1 second ago)" + startsOrCreatesAgain,
				"node " + balancer + " does not run (Created)" + startsOrCreatesAgain,
			},
			stopped: []string{server, balancer},
		},
		"a node ends again and again": {
			world:   become(wholeWorld(), agent, "restarting", "Restarting (1)"),
			told:    []string{"node " + agent + " does not run (Restarting (1))" + startsOrCreatesAgain},
			stopped: []string{agent},
		},
		"a node is paused": {
			world: become(wholeWorld(), agent, "paused", "Up 1 second (Paused)"),
			told:  []string{"node " + agent + " is paused: an update lets it go on"}, paused: []string{agent},
		},
		"a stopped cluster has lost its network": {
			world: become(become(remove(wholeWorld(), "net1"), server, "exited", "Exited (0)"), agent, "exited", "Exited (0)"),
			told: []string{
				"network kubetracing-dev is gone: an update creates it again",
				"cluster kubetracing-dev has lost its network: an update creates it again, with everything in it",
			},
			preview: "--refresh " + replaceCluster, up: "--refresh " + replaceCluster, destroy: "--refresh",
		},
		"Docker lost everything": {
			world: drift.World{},
			told: []string{
				"network kubetracing-dev is gone: an update creates it again",
				"volume kubetracing-dev-tracing is gone: an update creates it again",
				"volume kubetracing-dev-jaeger is gone: an update creates it again",
				"image kubetracing-dev-node:abc is gone: an update builds it again",
				"container kubetracing-dev-jaeger is gone: an update creates it again",
				"container kubetracing-dev-collector is gone: an update creates it again",
				clusterGone,
			},
			preview: "--refresh --replace urn::node-image-build --replace urn::jaeger-volume-owner " + replaceFiles + " " + replaceCluster,
			up:      "--refresh --replace urn::node-image-build --replace urn::jaeger-volume-owner " + replaceFiles + " " + replaceCluster,
			destroy: "--refresh",
		},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			found := drift.Find(wholeState(), test.world, names)
			assert.Equal(t, test.told, found.Told)
			assert.Equal(t, test.preview, strings.Join(found.PreviewFlags(), " "))
			assert.Equal(t, test.up, strings.Join(found.UpFlags(), " "))
			assert.Equal(t, test.destroy, strings.Join(found.DestroyFlags(), " "))
			assert.Equal(t, test.paused, found.Paused)
			assert.Equal(t, test.stopped, found.Stopped)
		})
	}
}

func TestWhatPulumiNeverMadeIsNotMissed(t *testing.T) {
	t.Parallel()
	assert.Equal(t, drift.Drift{}, drift.Find(drift.State{}, drift.World{}, names))
	// An update that was interrupted before it came to the cluster.
	assert.Empty(t, drift.Find(drift.State{Resources: []drift.Resource{
		{URN: "urn::node-config-files", Type: "command:local:Command", ID: "1"},
	}}, drift.World{}, names).Told)
}

func TestAnUnfinishedCreationIsTold(t *testing.T) {
	t.Parallel()
	state := wholeState()
	state.Creating = []drift.Resource{{URN: "urn::workloads-echo", Type: "kubernetes:core/v1:Pod"}}
	found := drift.Find(state, wholeWorld(), names)
	assert.Equal(t, []string{"an update has not ended its creation of workloads-echo: if it runs no more, the next one starts that anew"}, found.Told)
	assert.Empty(t, found.UpFlags())

	var said strings.Builder
	found.Tell(&said)
	assert.Equal(t, "kubetracing: "+found.Told[0]+"\n", said.String())
}
