package lifecycle_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
	"github.com/kubetracing/kubetracing/infra/lifecycle"
)

const (
	stack  = "kubetracing/test"
	state  = "STATE-A"
	server = "k3d-traced-server-0"
	agent  = "k3d-traced-agent-0"
)

// Command lines that several tests prepare or expect.
const (
	createCommand = "k3d cluster create --config -"
	deleteCommand = "k3d cluster delete traced"
	listNodes     = "docker exec " + server + " kubectl get nodes --output json"
)

// host is a machine with fake docker and k3d commands and a cluster of one server that
// comes up.
type host struct {
	*dockertest.Runner
	world  *dockertest.World
	stderr bytes.Buffer
	stdout bytes.Buffer
}

func labels(stack, state string) map[string]string {
	return map[string]string{spec.StackLabel: stack, spec.StateLabel: state}
}

// node is a container of a k3d cluster.
func node(cluster, name, role string, more map[string]string) docker.Container {
	all := map[string]string{"k3d.cluster": cluster, "k3d.role": role}
	maps.Copy(all, more)
	return docker.Container{
		Name: "k3d-" + cluster + "-" + name, Labels: all, State: docker.State{Status: "running"},
		Networks: map[string]string{"traced": "10.112.4.2"},
	}
}

// ours are the containers of a cluster with one server that the state created.
func ours() []docker.Container {
	return []docker.Container{
		node("traced", "server-0", "server", labels(stack, state)), node("traced", "serverlb", "loadbalancer", nil),
	}
}

// another is a cluster that must never be touched.
func another() docker.Container { return node("other", "server-0", "server", labels(stack, state)) }

// nodeList is what kubectl prints of nodes; ready are those that are Ready.
func nodeList(ready bool, names ...string) string {
	var items []string
	for _, name := range names {
		items = append(items, fmt.Sprintf(`{"metadata":{"name":%q},"status":{"conditions":[{"type":"DiskPressure","status":"False"},{"type":"Ready","status":%q}]}}`,
			name, map[bool]string{true: "True", false: "False"}[ready]))
	}
	return `{"items":[` + strings.Join(items, ",") + `]}`
}

const (
	tracingKubelet = `{"kubeletconfig":{"tracing":{"endpoint":"otel-collector:4317"}}}`
	tracingPlugin  = "TYPE ID PLATFORMS STATUS\nio.containerd.tracing.processor.v1 otlp - ok\n"
	apiServerLog   = `level=info msg="Running kube-apiserver --secure-port=6444 --tracing-config-file=/etc/kubetracing/apiserver-tracing.yaml"` + "\n"
)

func newHost(t *testing.T) *host {
	h := &host{Runner: dockertest.New(t)}
	h.world = dockertest.NewWorld(h.Runner)
	h.world.SetNetworks(docker.Network{Name: "traced", Labels: labels(stack, state)})
	h.OnFunc(dockertest.Command(createCommand), func(context.Context, dockertest.Call) dockertest.Answer {
		h.world.Add(ours()...)
		return dockertest.Print("\x1b[36mINFO\x1b[0m[0003] Creating node 'k3d-traced-server-0'\nINFO[0009] You can now use it like this:\nkubectl cluster-info\n")
	})
	h.OnFunc(dockertest.Command(deleteCommand), func(context.Context, dockertest.Call) dockertest.Answer {
		h.world.Remove(func(c docker.Container) bool { return c.Cluster() == "traced" })
		return dockertest.Answer{}
	})
	h.OnFunc(dockertest.Command("docker network disconnect traced "+dockertest.Rest), func(_ context.Context, call dockertest.Call) dockertest.Answer {
		h.world.Change(call.Argv[4], func(c *docker.Container) { c.Networks = nil })
		return dockertest.Answer{}
	})
	h.OnFunc(dockertest.Command("docker network connect --ip "+dockertest.Rest), func(_ context.Context, call dockertest.Call) dockertest.Answer {
		h.world.Change(call.Argv[6], func(c *docker.Container) { c.Networks = map[string]string{"traced": call.Argv[4]} })
		return dockertest.Answer{}
	})
	h.On(dockertest.Command("docker logs "+dockertest.Rest), dockertest.Print(apiServerLog))
	h.On(dockertest.Command("docker cp "+dockertest.Rest), dockertest.Fail("Could not find the file"))
	h.healthy(server)
	h.On(dockertest.Command(listNodes), dockertest.Print(nodeList(true, server)))
	return h
}

// readStarts returns the command that reads when k3s and CRI-O were started in a node.
func readStarts(node string) []string {
	return []string{"docker", "exec", node, "sh", "-c", "cat /run/kubetracing/*.started"}
}

// healthy prepares the answers of a node that is ready and traces.
func (h *host) healthy(name string) {
	h.On(dockertest.Command("docker exec "+name+" test -s /run/flannel/subnet.env"), dockertest.Answer{})
	h.On(dockertest.Command("docker exec "+name+" kubectl get --raw /readyz"), dockertest.Print("ok"))
	h.On(dockertest.Command("docker exec "+name+" ctr plugins ls"), dockertest.Print(tracingPlugin))
	h.On(readStarts(name), dockertest.Fail("No such file"))
	h.On(dockertest.Command(changed(name)), dockertest.Answer{})
	h.On(dockertest.Command(restartK3s(name)), dockertest.Answer{})
	h.On(dockertest.Command("docker exec "+server+" kubectl get --raw /api/v1/nodes/"+name+"/proxy/configz"), dockertest.Print(tracingKubelet))
	h.On(dockertest.Command("docker exec "+server+" kubectl get --raw /api/v1/nodes/"+name+"/proxy/healthz"), dockertest.Print("ok"))
}

func (h *host) manager() *lifecycle.Manager { return lifecycle.New(h.Client(), &h.stderr) }

// command is the environment of a provider's command.
func (h *host) command(stdin string, environment map[string]string) lifecycle.Command {
	return lifecycle.Command{
		Docker: h.Client(), Stdin: strings.NewReader(stdin), Stdout: &h.stdout, Stderr: &h.stderr,
		Getenv: func(name string) string { return environment[name] },
	}
}

// changes lists the commands that change something, in their order.
func (h *host) changes() []string {
	changing := [][]string{
		{"k3d"},
		{"docker", "kill"},
		{"docker", "start"},
		{"docker", "rm"},
		{"docker", "network", "connect"},
		{"docker", "network", "disconnect"},
		{"docker", "exec", "--interactive"},
		{"docker", "run"},
	}
	var lines []string
	for _, call := range h.Calls() {
		if slices.ContainsFunc(changing, func(prefix []string) bool {
			return len(call.Argv) >= len(prefix) && slices.Equal(call.Argv[:len(prefix)], prefix)
		}) {
			lines = append(lines, call.String())
		}
	}
	return lines
}

// names lists the containers of the world.
func (h *host) names() []string {
	var names []string
	for _, c := range h.world.Containers() {
		names = append(names, c.Name)
	}
	return names
}

// document describes a cluster of one server, and of agents.
func document(agents ...string) spec.Cluster {
	document := spec.Cluster{
		Name: "traced", Stack: stack, Network: "traced",
		Nodes:   []spec.Node{{Container: server, Server: true, Address: "10.112.4.16"}},
		Runtime: spec.Runtime{Name: "containerd", Receiver: "otel-collector:4317"},
		K3d:     []byte(`{"kind":"Simple","metadata":{"name":"traced"},"options":{"runtime":{"labels":[{"label":"kubetracing.stack=kubetracing/test","nodeFilters":["server:*"]}]}}}`),
	}
	for i, name := range agents {
		document.Nodes = append(document.Nodes, spec.Node{Container: name, Address: fmt.Sprintf("10.112.4.%d", 32+i)})
	}
	return document
}

// inBubble runs a test in which time passes as soon as everything waits.
func inBubble(t *testing.T, name string, test func(t *testing.T, h *host)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { test(t, newHost(t)) })
	})
}

func requireLines(t *testing.T, want []string, got string) {
	t.Helper()
	require.NotEmpty(t, got)
	assert.Equal(t, want, strings.Split(strings.TrimSuffix(got, "\n"), "\n"))
}
