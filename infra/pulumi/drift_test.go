package pulumi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/stacks"
)

var names = stacks.NewNames("kubetracing", "dev")

const identity = "IDENTITY"

// Names in Docker of the nodes of a cluster.
const (
	server   = "k3d-kubetracing-dev-server-0"
	agent    = "k3d-kubetracing-dev-agent-0"
	balancer = "k3d-kubetracing-dev-serverlb"
)

func newResource(name, kind, id string, inputs map[string]any, dependencies ...string) pulumi.Resource {
	r := apitype.ResourceV3{
		URN: resource.URN("urn::" + name), Type: tokens.Type(kind), ID: resource.ID(id), Inputs: inputs,
	}
	for _, dependency := range dependencies {
		r.Dependencies = append(r.Dependencies, resource.URN("urn::"+dependency))
	}
	return pulumi.Resource{ResourceV3: r}
}

// clusterDocument describes a cluster of two nodes.
func clusterDocument(t testing.TB) string {
	t.Helper()
	text, err := spec.Encode(spec.Cluster{
		Name: names.Cluster, Stack: names.Owner, Network: names.Network(), K3d: []byte("{}"),
		Nodes: []spec.Node{{Container: server, Server: true, Address: "10.0.0.4"}, {Container: agent, Address: "10.0.0.5"}},
	})
	require.NoError(t, err)
	return text
}

// completeState is a stack with two nodes that lacks nothing.
func completeState(t testing.TB) pulumi.State {
	t.Helper()
	const container, volume, command = "docker:index/container:Container", "docker:index/volume:Volume", "command:local:Command"
	named := func(name string) map[string]any { return map[string]any{"name": name} }
	identified := newResource("identity", command, "i1", nil)
	identified.Outputs = map[string]any{"stdout": identity}
	return pulumi.State{Resources: []pulumi.Resource{
		newResource("kubetracing-dev", "pulumi:pulumi:Stack", "", nil),
		identified,
		newResource("network-bridge", "docker:index/network:Network", "net1", named("kubetracing-dev")),
		newResource("node-config-volume", volume, "kubetracing-dev-tracing", named("kubetracing-dev-tracing")),
		newResource("jaeger-volume", volume, "kubetracing-dev-jaeger", named("kubetracing-dev-jaeger")),
		// It was built for another version before.
		newResource("node-image-build", "docker:index/image:Image", "kubetracing-dev-node:first", map[string]any{"imageName": "kubetracing-dev-node:abc"}),
		newResource("jaeger-volume-owner", command, "1", nil, "jaeger-volume"),
		newResource("node-config-files", command, "1", nil, "node-config-volume"),
		newResource("jaeger-container", container, "jjj", named("kubetracing-dev-jaeger")),
		newResource("collector-container", container, "ccc", named("kubetracing-dev-collector")),
		newResource("collector-healthy", command, "1", nil, "collector-container", "jaeger-container"),
		newResource("cluster-k3d", command, "1", map[string]any{"stdin": clusterDocument(t)}, "network-bridge", "node-config-files"),
		newResource("verification-services", command, "1", nil, "cluster-k3d"),
	}}
}

// labels are those of everything that a state of the stack creates.
func labels(identity string) map[string]string {
	return map[string]string{spec.StackLabel: names.Owner, spec.StateLabel: identity}
}

func newNode(name, role, identity string) docker.Container {
	node := docker.Container{Name: name, State: docker.State{Status: "running"}, Labels: map[string]string{
		"k3d.cluster": names.Cluster, "k3d.role": role,
	}}
	if identity != "" {
		node.Labels[spec.StackLabel], node.Labels[spec.StateLabel] = names.Owner, identity
	}
	return node
}

// nodes are the containers of a cluster that a state created.
func nodes(identity string) []docker.Container {
	return []docker.Container{
		newNode(server, "server", identity), newNode(agent, "agent", identity), newNode(balancer, "loadbalancer", ""),
		newNode("k3d-kubetracing-dev-tools", "noRole", ""),
	}
}

func completeSnapshot() pulumi.Snapshot {
	running := func(id, name string) docker.Container {
		return docker.Container{ID: id, Name: name, State: docker.State{Status: "running"}, Labels: labels(identity)}
	}
	return pulumi.Snapshot{
		Containers: []docker.Container{running("jjj", "kubetracing-dev-jaeger"), running("ccc", "kubetracing-dev-collector")},
		Nodes:      nodes(identity),
		Networks:   []docker.Network{{ID: "net1", Name: "kubetracing-dev", Labels: labels(identity)}},
		Volumes:    []docker.Volume{{Name: "kubetracing-dev-tracing", Labels: labels(identity)}, {Name: "kubetracing-dev-jaeger", Labels: labels(identity)}},
		Images:     []docker.Image{{ID: "sha256:1", Tags: []string{"kubetracing-dev-node:abc"}, Labels: labels(identity)}},
	}
}

// without removes containers and everything else of these names.
func without(s pulumi.Snapshot, gone ...string) pulumi.Snapshot {
	return pulumi.Snapshot{
		Containers: keep(s.Containers, gone, func(c docker.Container) string { return c.Name }),
		Nodes:      keep(s.Nodes, gone, func(c docker.Container) string { return c.Name }),
		Networks:   keep(s.Networks, gone, func(n docker.Network) string { return n.ID }),
		Volumes:    keep(s.Volumes, gone, func(v docker.Volume) string { return v.Name }),
		Images:     keep(s.Images, gone, func(i docker.Image) string { return i.Tags[0] }),
	}
}

// keep returns the objects whose names are not gone.
func keep[T any](objects []T, gone []string, name func(T) string) []T {
	return slices.DeleteFunc(slices.Clone(objects), func(object T) bool { return slices.Contains(gone, name(object)) })
}

// with gives a container another state.
func with(s pulumi.Snapshot, name string, state docker.State) pulumi.Snapshot {
	for _, containers := range [][]docker.Container{s.Containers, s.Nodes} {
		for i := range containers {
			if containers[i].Name == name {
				containers[i].State = state
			}
		}
	}
	return s
}

func TestFindDrift(t *testing.T) {
	t.Parallel()
	const (
		jaeger, collector = "kubetracing-dev-jaeger", "kubetracing-dev-collector"
		replaceCluster    = "--replace urn::cluster-k3d"
		replaceFiles      = "--replace urn::node-config-files"
		clusterGone       = "cluster kubetracing-dev is gone: an update creates it again, with everything in it"
		startsOrCreates   = ": an update starts it, or else creates the cluster again"
	)
	everyNode := []string{server, agent, balancer, "k3d-kubetracing-dev-tools"}
	exited, unhealthy := docker.State{Status: "exited"}, docker.State{Status: "running", Health: "unhealthy"}
	tests := map[string]struct {
		snapshot             pulumi.Snapshot
		messages             []string
		preview, up, destroy string
		paused, stopped      []string
	}{
		"nothing": {snapshot: completeSnapshot()},
		"container gone": {
			snapshot: without(completeSnapshot(), collector),
			messages: []string{"container kubetracing-dev-collector is gone: an update creates it again"},
			preview:  "--refresh", up: "--refresh", destroy: "--refresh",
		},
		"container exited": {
			snapshot: with(completeSnapshot(), jaeger, docker.State{Status: "exited", ExitCode: 1}),
			messages: []string{"container kubetracing-dev-jaeger does not work (exited, exit code 1): an update replaces it"},
			preview:  "--replace urn::jaeger-container", up: "--replace urn::jaeger-container",
		},
		"container restarting": {
			snapshot: with(completeSnapshot(), collector, docker.State{Status: "restarting", ExitCode: 1}),
			messages: []string{"container kubetracing-dev-collector does not work (restarting, exit code 1): an update replaces it"},
			preview:  "--replace urn::collector-container", up: "--replace urn::collector-container",
		},
		"container unhealthy": {
			snapshot: with(completeSnapshot(), collector, unhealthy),
			messages: []string{"container kubetracing-dev-collector does not work (running, unhealthy): an update replaces it"},
			preview:  "--replace urn::collector-container", up: "--replace urn::collector-container",
		},
		"container paused": {
			snapshot: with(completeSnapshot(), jaeger, docker.State{Status: "paused"}),
			messages: []string{"container kubetracing-dev-jaeger is paused: an update resumes it"}, paused: []string{jaeger},
		},
		// A refresh removes an exited container, which no preview does.
		"one container gone and another exited": {
			snapshot: with(without(completeSnapshot(), collector), jaeger, exited),
			messages: []string{
				"container kubetracing-dev-jaeger does not work (exited, exit code 0): an update replaces it",
				"container kubetracing-dev-collector is gone: an update creates it again",
			},
			preview: "--replace urn::jaeger-container", up: "--refresh", destroy: "--refresh",
		},
		"one container gone and another unhealthy": {
			snapshot: with(without(completeSnapshot(), collector), jaeger, unhealthy),
			messages: []string{
				"container kubetracing-dev-jaeger does not work (running, unhealthy): an update replaces it",
				"container kubetracing-dev-collector is gone: an update creates it again",
			},
			preview: "--refresh --replace urn::jaeger-container", up: "--refresh --replace urn::jaeger-container", destroy: "--refresh",
		},
		"volume gone with what a command had put into it": {
			snapshot: without(completeSnapshot(), jaeger),
			messages: []string{
				"volume kubetracing-dev-jaeger is gone: an update creates it again",
				"container kubetracing-dev-jaeger is gone: an update creates it again",
			},
			preview: "--refresh --replace urn::jaeger-volume-owner", up: "--refresh --replace urn::jaeger-volume-owner", destroy: "--refresh",
		},
		"node image gone": {
			snapshot: without(completeSnapshot(), "kubetracing-dev-node:abc"),
			messages: []string{"image kubetracing-dev-node:abc is gone: an update builds it again"},
			preview:  "--replace urn::node-image-build", up: "--replace urn::node-image-build",
		},
		"cluster gone": {
			snapshot: without(completeSnapshot(), everyNode...), messages: []string{clusterGone}, preview: replaceCluster, up: replaceCluster,
		},
		"node gone": {
			snapshot: without(completeSnapshot(), agent),
			messages: []string{"cluster kubetracing-dev has lost 1 of its 2 nodes: an update creates it again, with everything in it"},
			preview:  replaceCluster, up: replaceCluster,
		},
		"nodes stopped": {
			snapshot: with(with(completeSnapshot(), server, docker.State{Status: "exited", ExitCode: 137}), balancer, docker.State{Status: "created"}),
			messages: []string{
				"node " + server + " does not run (exited, exit code 137)" + startsOrCreates,
				"node " + balancer + " does not run (created)" + startsOrCreates,
			},
			stopped: []string{server, balancer},
		},
		"node restarting": {
			snapshot: with(completeSnapshot(), agent, docker.State{Status: "restarting", ExitCode: 1}),
			messages: []string{"node " + agent + " does not run (restarting, exit code 1)" + startsOrCreates},
			stopped:  []string{agent},
		},
		"node paused": {
			snapshot: with(completeSnapshot(), agent, docker.State{Status: "paused"}),
			messages: []string{"node " + agent + " is paused: an update resumes it"}, paused: []string{agent},
		},
		"network gone under a stopped cluster": {
			snapshot: with(with(without(completeSnapshot(), "net1"), server, exited), agent, exited),
			messages: []string{
				"network kubetracing-dev is gone: an update creates it again",
				"cluster kubetracing-dev has lost its network: an update creates it again, with everything in it",
			},
			preview: "--refresh " + replaceCluster, up: "--refresh " + replaceCluster, destroy: "--refresh",
		},
		"everything gone": {
			snapshot: pulumi.Snapshot{},
			messages: []string{
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
		"cluster gone and one of its name created by another state": {
			snapshot: func() pulumi.Snapshot {
				s := completeSnapshot()
				s.Nodes = nodes("OTHER")
				return s
			}(),
			messages: []string{"cluster kubetracing-dev is gone, and the one of that name belongs to stack kubetracing/dev with another state (OTHER): " +
				"it must go before an update can create this stack's again"},
			preview: replaceCluster, up: replaceCluster,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := pulumi.FindDrift(completeState(t), test.snapshot, names)
			assert.Equal(t, test.messages, found.Messages)
			assert.Equal(t, test.preview, strings.Join(found.PreviewFlags(), " "))
			assert.Equal(t, test.up, strings.Join(found.UpFlags(), " "))
			assert.Equal(t, test.destroy, strings.Join(found.DestroyFlags(), " "))
			assert.Equal(t, test.paused, found.Paused)
			assert.Equal(t, test.stopped, found.Stopped)
		})
	}
}

func TestFindDrift_never_created(t *testing.T) {
	t.Parallel()
	assert.Equal(t, pulumi.Drift{}, pulumi.FindDrift(pulumi.State{}, pulumi.Snapshot{}, names))
	// An update that was interrupted before it came to the cluster.
	assert.Empty(t, pulumi.FindDrift(pulumi.State{Resources: []pulumi.Resource{
		newResource("node-config-files", "command:local:Command", "1", nil),
	}}, pulumi.Snapshot{}, names).Messages)
}

func TestFindDrift_unfinished_creation(t *testing.T) {
	t.Parallel()
	state := completeState(t)
	state.Creating = []pulumi.Resource{newResource("workloads-echo", "kubernetes:core/v1:Pod", "", nil)}
	found := pulumi.FindDrift(state, completeSnapshot(), names)
	const message = "an update has not finished creating workloads-echo: if it no longer runs, the next one creates it again"
	assert.Equal(t, []string{message}, found.Messages)
	assert.Empty(t, found.UpFlags())

	var printed strings.Builder
	found.Print(&printed)
	assert.Equal(t, "kubetracing: "+message+"\n", printed.String())
}

func TestTakeSnapshot(t *testing.T) {
	t.Parallel()
	runner := dockertest.New(t)
	world := dockertest.NewWorld(runner)
	want := completeSnapshot()
	world.Set(append(append(want.Containers, want.Nodes...), docker.Container{Name: "other", State: docker.State{Status: "running"}},
		docker.Container{Name: "k3d-other-server-0", Labels: map[string]string{"k3d.cluster": "other", "k3d.role": "server"}})...)
	world.SetNetworks(append(want.Networks, docker.Network{ID: "net0", Name: "bridge"})...)
	world.SetVolumes(append(want.Volumes, docker.Volume{Name: "other"})...)
	world.SetImages(append(want.Images, docker.Image{ID: "sha256:2", Tags: []string{"busybox:1"}})...)

	got, err := pulumi.TakeSnapshot(t.Context(), runner.Client(), names)
	require.NoError(t, err)
	list := func(s pulumi.Snapshot) (all []string) {
		for _, c := range s.Containers {
			all = append(all, "container "+c.Name)
		}
		for _, c := range s.Nodes {
			all = append(all, "node "+c.Name)
		}
		for _, v := range s.Volumes {
			all = append(all, "volume "+v.Name)
		}
		return append(all, fmt.Sprint(s.Networks), fmt.Sprint(len(s.Images)))
	}
	want.Containers = append(want.Containers, want.Nodes[:2]...)
	assert.ElementsMatch(t, list(want), list(got))
	assert.Empty(t, pulumi.FindDrift(completeState(t), got, names).Messages)
}

func TestTakeSnapshot_error(t *testing.T) {
	t.Parallel()
	runner := dockertest.New(t)
	dockertest.NewWorld(runner)
	runner.On([]string{"docker", "volume", "ls", dockertest.Rest}, dockertest.Fail("no volumes today"))
	_, err := pulumi.TakeSnapshot(t.Context(), runner.Client(), names)
	require.ErrorContains(t, err, "list volumes: ")
	require.ErrorContains(t, err, "no volumes today")
}
