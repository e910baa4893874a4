package preflight_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
	"github.com/kubetracing/kubetracing/infra/preflight"
	"github.com/kubetracing/kubetracing/stacks"
)

const stack = "kubetracing/dev"

// machine has a k3d that is new enough and a Docker daemon with nothing in it.
type machine struct {
	*dockertest.Runner
	world   *dockertest.World
	k3d     error
	offline bool
	routes  []preflight.Route
	// environment is that of Pulumi's provider.
	environment map[string]string
}

func versionOf(arch string) dockertest.Answer {
	return dockertest.Print(`{"Client":{"Version":"28.2.2"},"Server":{"Version":"28.2.2","Arch":"` + arch + `"}}`)
}

func endpoint(host string) dockertest.Answer {
	return dockertest.Print(`[{"Name":"default","Endpoints":{"docker":{"Host":"` + host + `"}}}]`)
}

var (
	versionCommand = []string{"docker", "version", "--format", "{{json .}}"}
	infoCommand    = []string{"docker", "info", "--format", "{{json .}}"}
)

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{Runner: dockertest.New(t)}
	m.world = dockertest.NewWorld(m.Runner)
	m.On(versionCommand, versionOf("amd64"))
	m.On(infoCommand, dockertest.Print(`{"ID":"A"}`))
	m.On(dockertest.Command("docker context inspect"), endpoint("unix:///var/run/docker.sock"))
	return m
}

func (m *machine) check(t *testing.T, needs preflight.Needs) error {
	t.Helper()
	return m.machine().Check(t.Context(), needs)
}

func (m *machine) machine() preflight.Machine {
	return preflight.Machine{
		Docker: m.Client(), K3d: func(context.Context) error { return m.k3d }, Offline: m.offline,
		Routes: func() ([]preflight.Route, error) { return m.routes, nil },
		K3dImages: func(_ context.Context, loadBalancer bool) []string {
			if loadBalancer {
				return []string{"k3d-tools:1", "k3d-proxy:1"}
			}
			return []string{"k3d-tools:1"}
		},
		Getenv: func(name string) string { return m.environment[name] },
	}
}

func labels(stack, state string) map[string]string {
	return map[string]string{spec.StackLabel: stack, spec.StateLabel: state}
}

// container is a container that publishes ports on every address.
func container(name string, labels map[string]string, ports ...int) docker.Container {
	c := docker.Container{Name: name, Labels: labels, State: docker.State{Status: "running"}}
	for _, port := range ports {
		c.Ports = append(c.Ports, docker.Port{HostIP: "0.0.0.0", Host: port, Container: 16686, Protocol: "tcp"})
	}
	return c
}

// node is a container of the stack's cluster.
func node(role string, more map[string]string, ports ...int) docker.Container {
	all := map[string]string{"k3d.cluster": "kubetracing-dev", "k3d.role": role}
	for key, value := range more {
		all[key] = value
	}
	return container("k3d-kubetracing-dev-"+role, all, ports...)
}

// listen takes a free port of this machine.
func listen(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, listener.Close()) })
	return listener.Addr().(*net.TCPAddr).Port
}

func needs(ports ...int) preflight.Needs {
	needs := preflight.Needs{
		Names: spec.Names{
			Stack: stack, Cluster: "kubetracing-dev", Networks: []string{"kubetracing-dev"}, Containers: []string{"kubetracing-dev-jaeger"},
		},
		State:     "A",
		SubnetKey: "kubetracing:network.subnet", Subnet: netip.MustParsePrefix("10.112.4.0/22"),
	}
	for _, port := range ports {
		needs.Ports = append(needs.Ports, stacks.Port{Key: "kubetracing:jaeger.uiPort", Number: port})
	}
	return needs
}

func TestNeedsOf(t *testing.T) {
	t.Parallel()
	stack, err := stacks.New("traced", "dev", map[string]string{
		"traced:collector": `{"otlpGrpcPort":24317}`, "traced:network": `{"subnet":"10.112.4.0/22"}`,
	})
	require.NoError(t, err)
	assert.Equal(t, preflight.Needs{
		Names:         spec.Names{Stack: "traced/dev", Cluster: "traced-dev", Networks: []string{"traced-dev"}},
		Architectures: []string{"amd64", "arm64"}, BuildImages: []string{stack.BaseImage(), "busybox:1.37.0"},
		Ports: []stacks.Port{
			{Key: "traced:cluster.apiPort", Number: 6550},
			{Key: "traced:jaeger.uiPort", Number: 16686},
			{Key: "traced:collector.otlpGrpcPort", Number: 24317},
		},
		SubnetKey: "traced:network.subnet", Subnet: netip.MustParsePrefix("10.112.4.0/22"),
		Images: stack.Images(),
	}, preflight.NeedsOf(stack))

	stack, err = stacks.New("traced", "dev", map[string]string{"traced:cluster": `{"servers":3}`})
	require.NoError(t, err)
	assert.True(t, preflight.NeedsOf(stack).LoadBalancer)
	assert.True(t, preflight.NeedsOf(stack).Derived)
}

func TestCheck_Images(t *testing.T) {
	t.Parallel()
	digest := "@sha256:" + strings.Repeat("a", 64)
	wanted := needs()
	wanted.Images = []string{"rancher/k3s:1", "jaeger:2" + digest, "collector:3" + digest, "busybox:1", "busybox:1"}
	wanted.LoadBalancer = true
	m := newMachine(t)
	require.NoError(t, m.check(t, wanted), "Docker pulls them")

	m.offline = true
	m.world.SetImages(
		docker.Image{ID: "sha256:1", Tags: []string{"rancher/k3s:1"}}, docker.Image{ID: "sha256:2", Tags: []string{"k3d-tools:1"}},
		docker.Image{ID: "sha256:3", Tags: []string{"jaeger:2"}},
	)
	err := m.check(t, wanted)
	require.EqualError(t, err, "OFFLINE forbids downloads, and Docker lacks 4 of the images that an update needs: "+
		"busybox:1, collector:3"+digest+", jaeger:2"+digest+
		" (jaeger:2 is there without a digest, as docker load leaves it: name it so in the stack's file), k3d-proxy:1. "+
		"Where there is a network, run `for image in busybox:1 collector:3 k3d-proxy:1; do docker pull $image; done; "+
		"docker save --output images.tar busybox:1 collector:3 k3d-proxy:1`; here, `docker load --input images.tar`")

	wanted.Images = []string{"rancher/k3s:1", "jaeger:2"}
	wanted.LoadBalancer = false
	require.NoError(t, m.check(t, wanted))

	m.On(dockertest.Command("docker image inspect "+dockertest.Rest), dockertest.Fail("disk on fire"))
	require.ErrorContains(t, m.check(t, wanted), "disk on fire")
}

func TestCheck_Empty(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	require.NoError(t, m.check(t, needs()))
	require.NoError(t, preflight.Docker(t.Context(), m.Client()))
}

func TestCheck_Architecture(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.On(versionCommand, versionOf("s390x"))
	wanted := needs()
	require.NoError(t, m.check(t, wanted), "a bundle of one's own may be for any")
	wanted.Architectures = []string{"amd64", "arm64"}
	require.EqualError(t, m.check(t, wanted), "no official bundle of the container runtime is pinned for this "+
		"Docker host's architecture s390x, only for amd64 and arm64: set runtime.bundle")
	wanted.Architectures = append(wanted.Architectures, "s390x")
	require.NoError(t, m.check(t, wanted))
}

func TestCheck_Docker(t *testing.T) {
	t.Parallel()
	const without = "`make plan` shows what would be created without it"
	tests := map[string]struct {
		answer  dockertest.Answer
		message string
	}{
		"is missing": {
			dockertest.Answer{Err: &exec.Error{Name: "docker", Err: exec.ErrNotFound}},
			"docker is not on PATH: install Docker Engine or Docker Desktop (https://docs.docker.com/get-docker/); " + without,
		},
		"is down": {
			dockertest.Fail("Cannot connect to the Docker daemon at unix:///var/run/docker.sock."),
			"the Docker daemon does not answer: is it running, and may this user connect to it? docker says: " +
				"Cannot connect to the Docker daemon at unix:///var/run/docker.sock.; " + without,
		},
		"hangs": {
			dockertest.Answer{Hang: true},
			"the Docker daemon accepts connections but does not answer: `docker version --format {{json .}}` got no answer within 20s; restart Docker; " + without,
		},
		"is Podman": {
			dockertest.Print(`{"Client":{"Version":"5.2.1","OsArch":"linux/amd64"}}`),
			"the docker command on PATH is Podman, which is not supported: install Docker Engine or Docker Desktop, or put its docker command first on PATH. Its version is 5.2.1.",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMachine(t)
				m.On(dockertest.Command("docker "+dockertest.Rest), test.answer)
				require.EqualError(t, preflight.Docker(t.Context(), m.Client()), test.message)
				require.EqualError(t, m.check(t, needs(listen(t))), test.message, "it is said once")
			})
		})
	}
	t.Run("fails otherwise", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t)
		m.On(dockertest.Command("docker network ls "+dockertest.Rest), dockertest.Fail("driver failed"))
		require.EqualError(t, m.check(t, needs()), "list networks: docker network ls --quiet --no-trunc: exit status 1: driver failed")
	})
}

func TestCheck_K3d(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.k3d = errors.New("k3d 5.7.0 is too old")
	require.EqualError(t, m.check(t, needs()),
		"k3d 5.7.0 is too old: install k3d 5.8.3 or newer (https://k3d.io), or run `make up`, which brings its own")
	require.NoError(t, preflight.Docker(t.Context(), m.Client()), "Docker alone needs no k3d")
}

func TestCheck_ImageStore(t *testing.T) {
	t.Parallel()
	const containerd = `{"DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]]}`
	refusal := func(version string) string {
		return "the node image cannot be built by Docker " + version + " with the containerd image store (https://github.com/moby/moby/issues/47717): " +
			"update Docker to 27.5.0 or newer, or turn that store off, in Docker Desktop with \"Use containerd for pulling and storing images\", " +
			"elsewhere with \"features\": {\"containerd-snapshotter\": false} in daemon.json"
	}
	for name, test := range map[string]struct {
		version, info string
		refused       bool
	}{
		"27.0":                         {"27.0.3", containerd, true},
		"27.4":                         {"27.4.1", containerd, true},
		"a candidate of 27.5":          {"27.5.0-rc.1", containerd, true},
		"26.1 of a distribution":       {"26.1.5+dfsg1", containerd, true},
		"27.5":                         {"27.5.0", containerd, false},
		"29":                           {"29.1.0", containerd, false},
		"a build of one's own":         {"dev", containerd, false},
		"27.4 with its own store":      {"27.4.1", `{"Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"],["Native Overlay Diff","true"]]}`, false},
		"27.4 with an unknown storage": {"27.4.1", `{"DriverStatus":null}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.On(versionCommand, dockertest.Print(`{"Client":{},"Server":{"Version":"`+test.version+`","Arch":"amd64"}}`))
			m.On(infoCommand, dockertest.Print(test.info))
			for _, err := range []error{m.check(t, needs()), m.machine().Build(t.Context(), needs())} {
				if test.refused {
					require.EqualError(t, err, refusal(test.version))
				} else {
					require.NoError(t, err)
				}
			}
		})
	}
}

func TestCheck_Credentials(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	folder := t.TempDir()
	m.environment = map[string]string{"DOCKER_CONFIG": folder}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte(`{"credsStore":"desktop.exe"}`), 0o600))
	m.On(dockertest.Command("docker-credential-desktop.exe list"), dockertest.Answer{Err: &exec.Error{Name: "x", Err: exec.ErrNotFound}})
	for _, err := range []error{m.check(t, needs()), m.machine().Build(t.Context(), needs())} {
		require.ErrorContains(t, err, folder+`/config.json: credsStore "desktop.exe": docker-credential-desktop.exe is not on PATH`)
	}
}

func TestCheck_Strangers(t *testing.T) {
	t.Parallel()
	cluster := func(whose string) string {
		return `k3d cluster "kubetracing-dev" exists already and does not belong to this state of stack kubetracing/dev: it seems to belong to ` + whose +
			". Destroy it where it was created, rename this stack, or, if nobody needs it any more, remove it with `k3d cluster delete kubetracing-dev`"
	}
	const other = "stack kubetracing/dev with another state (B)"
	known, unknown, fresh := needs(), needs(), needs()
	unknown.State, fresh.State, fresh.New = "", "", true
	tests := map[string]struct {
		needs      preflight.Needs
		containers []docker.Container
		want       string
	}{
		"a cluster of another state":                       {known, []docker.Container{node("server", labels(stack, "B"))}, cluster(other)},
		"a cluster of another stack":                       {known, []docker.Container{node("server", labels("other/dev", "B"))}, cluster("stack other/dev with another state (B)")},
		"a cluster that nobody labelled":                   {known, []docker.Container{node("server", nil)}, cluster("something other than kubetracing")},
		"a cluster without servers":                        {known, []docker.Container{node("loadbalancer", nil)}, cluster("something other than kubetracing")},
		"the stack's own cluster":                          {known, []docker.Container{node("server", labels(stack, "A")), node("loadbalancer", nil)}, ""},
		"a cluster of the stack whose state is unknown":    {unknown, []docker.Container{node("server", labels(stack, "B"))}, ""},
		"another stack's where the state is unknown":       {unknown, []docker.Container{node("server", labels("other/dev", "B"))}, cluster("stack other/dev with another state (B)")},
		"a cluster of the stack before it has a state":     {fresh, []docker.Container{node("server", labels(stack, "B"))}, cluster(other)},
		"a cluster of another name":                        {known, []docker.Container{container("k3d-kubetracing-dev2-server-0", map[string]string{"k3d.cluster": "kubetracing-dev2", "k3d.role": "server"})}, ""},
		"a container of another state with a name of ours": {known, []docker.Container{container("kubetracing-dev-jaeger", labels(stack, "B"))}, `container "kubetracing-dev-jaeger" exists already and does not belong to this state of stack kubetracing/dev: it seems to belong to ` + other + ". Destroy it where it was created, rename this stack, or, if nobody needs it any more, remove it with `docker rm --force kubetracing-dev-jaeger`"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.world.Set(test.containers...)
			err := m.check(t, test.needs)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
		})
	}
	t.Run("a helper that an interrupted creation left", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t)
		helper := node("noRole", nil)
		helper.Networks = map[string]string{"kubetracing-dev": "10.112.4.2"}
		m.world.Set(helper)
		m.world.SetNetworks(docker.Network{Name: "kubetracing-dev", Labels: labels(stack, "A")})
		require.NoError(t, m.check(t, needs()))
	})
}

func TestCheck_Ports(t *testing.T) {
	port := listen(t)
	similar := container("grafana", nil)
	similar.Ports = []docker.Port{{HostIP: "0.0.0.0", Host: 1, Container: port, Protocol: "tcp"}, {HostIP: "0.0.0.0", Host: port, Container: 1, Protocol: "udp"}}
	elsewhere := container("grafana", nil)
	elsewhere.Ports = []docker.Port{{HostIP: "192.0.2.1", Host: port, Container: 1, Protocol: "tcp"}}
	sixth := container("grafana", nil)
	sixth.Ports = []docker.Port{{HostIP: "::", Host: port, Container: 1, Protocol: "tcp"}, {HostIP: "::1", Host: port, Container: 1, Protocol: "tcp"}}
	both := container("grafana", nil)
	both.Ports = []docker.Port{{HostIP: "::", Host: port, Container: 1, Protocol: "tcp"}, {HostIP: "0.0.0.0", Host: port, Container: 1, Protocol: "tcp"}}
	other := container("grafana", nil)
	for _, protocol := range []string{"udp", "sctp"} {
		for number := port - 1; number <= port+1; number++ {
			other.Ports = append(other.Ports, docker.Port{HostIP: "0.0.0.0", Host: number, Container: number, Protocol: protocol})
		}
	}
	stopped, paused := container("grafana", nil, port), container("grafana", nil, port)
	stopped.State.Status, paused.State.Status = "exited", "paused"
	ownStopped := container("kubetracing-dev-jaeger", labels(stack, "A"), port)
	ownStopped.State.Status = "exited"
	tests := map[string]struct {
		containers []docker.Container
		want       string
	}{
		"taken by a process although a container has it on every address of IPv6":  {[]docker.Container{sixth}, "another process"},
		"taken by a container that has it on every address of both families":       {[]docker.Container{both}, `container "grafana"`},
		"taken by a process although a container publishes ranges of other kinds":  {[]docker.Container{other}, "another process"},
		"taken by a process although a container that does not run would have it":  {[]docker.Container{stopped}, "another process"},
		"taken by a process although the stack's own container had it and stopped": {[]docker.Container{ownStopped}, "another process"},
		"taken by a paused container":                                              {[]docker.Container{paused}, `container "grafana"`},
		"taken by another process":                                                 {nil, "another process"},
		"taken by another container":                                               {[]docker.Container{container("grafana", nil, port)}, `container "grafana"`},
		"taken by another stack's container":                                       {[]docker.Container{container("other-jaeger", labels("kubetracing/other", "B"), port)}, `container "other-jaeger" of stack kubetracing/other`},
		"taken by a container of another state":                                    {[]docker.Container{container("dev-jaeger", labels(stack, "B"), port)}, `container "dev-jaeger" of stack kubetracing/dev`},
		"taken by a container that publishes a range":                              {[]docker.Container{container("grafana", nil, port-1, port, port+1)}, `container "grafana"`},
		"taken by a process although a container has a similar port":               {[]docker.Container{similar}, "another process"},
		"taken by a process although a container has it on another address":        {[]docker.Container{elsewhere}, "another process"},
		"taken by the stack's own container":                                       {[]docker.Container{container("kubetracing-dev-jaeger", labels(stack, "A"), port)}, ""},
		"taken by the stack's own container, which publishes a range":              {[]docker.Container{container("kubetracing-dev-jaeger", labels(stack, "A"), port, port+1)}, ""},
		// k3d does not put our label on the load balancer of several servers.
		"taken by the load balancer of the stack's cluster": {[]docker.Container{node("server", labels(stack, "A")), node("loadbalancer", nil, port)}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.world.Set(test.containers...)
			err := m.check(t, needs(port))
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, fmt.Sprintf(
				"port %d (kubetracing:jaeger.uiPort) is taken by %s: stop it, or choose another port", port, test.want))
		})
	}
	for host, checked := range map[string]bool{
		"tcp://build.example:2376": false, "ssh://me@build.example": false, "unix:///run/user/docker.sock": true, "npipe:////./pipe/docker": true,
	} {
		t.Run("of the daemon at "+host, func(t *testing.T) {
			m := newMachine(t)
			m.On(dockertest.Command("docker context inspect"), endpoint(host))
			m.environment = map[string]string{"DOCKER_HOST": host}
			err := m.check(t, needs(port))
			if checked {
				require.ErrorContains(t, err, "is taken by another process")
				return
			}
			require.NoError(t, err)
		})
	}
	t.Run("free, and free again afterwards", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		free := listener.Addr().(*net.TCPAddr).Port
		require.NoError(t, listener.Close())
		require.NoError(t, newMachine(t).check(t, needs(free)))
		listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", free))
		require.NoError(t, err)
		require.NoError(t, listener.Close())
	})
}

func TestCheck_Provider(t *testing.T) {
	t.Parallel()
	port := listen(t)
	m := newMachine(t)
	m.k3d = errors.New("k3d 5.7.0 is too old")
	m.On(dockertest.Command("docker context inspect"), dockertest.Print(`[{"Name":"build","Endpoints":{"docker":{"Host":"ssh://me@build.example"}}}]`))
	m.On(infoCommand, dockertest.Print(`{"ID":"B"}`))
	m.On([]string{"docker", "--host", "unix:///var/run/docker.sock", "info", "--format", "{{json .}}"}, dockertest.Print(`{"ID":"A"}`))
	err := m.check(t, needs(port))
	require.ErrorContains(t, err, "k3d 5.7.0 is too old")
	require.ErrorContains(t, err, "\nPulumi's Docker provider would connect to unix:///var/run/docker.sock (its default), but the Docker context \"build\" connects to ssh://me@build.example: ")
	assert.NotContains(t, err.Error(), "is taken by", "what is in the wrong daemon does not matter")

	m.environment = map[string]string{"DOCKER_HOST": "ssh://me@build.example"}
	require.EqualError(t, m.check(t, needs(port)), "k3d 5.7.0 is too old: install k3d 5.8.3 or newer (https://k3d.io), or run `make up`, which brings its own",
		"and the ports of another machine are not those of this one")

	wanted := needs()
	wanted.ProviderHost = "tcp://elsewhere.example:2376"
	m.On([]string{"docker", "--host", "tcp://elsewhere.example:2376", "info", "--format", "{{json .}}"}, dockertest.Print(`{"ID":"A"}`))
	require.ErrorContains(t, m.check(t, wanted), "would connect to tcp://elsewhere.example:2376 (docker:host)")
}

func TestCheck_Subnet(t *testing.T) {
	t.Parallel()
	network := func(name string, subnets ...string) docker.Network {
		n := docker.Network{Name: name}
		for _, subnet := range subnets {
			n.Subnets = append(n.Subnets, netip.MustParsePrefix(subnet))
		}
		return n
	}
	own := network("kubetracing-dev", "10.112.4.0/22")
	own.Labels = labels(stack, "A")
	tests := map[string]struct {
		networks []docker.Network
		want     string
	}{
		"taken by a larger network": {
			[]docker.Network{network("vpn", "10.0.0.0/8")},
			`the range 10.112.4.0/22 (kubetracing:network.subnet) is taken: Docker's network "vpn" has 10.0.0.0/8; choose another range`,
		},
		"taken by one of several ranges of a network": {
			[]docker.Network{network("two", "fd00::/64", "10.112.5.0/24")},
			`the range 10.112.4.0/22 (kubetracing:network.subnet) is taken: Docker's network "two" has 10.112.5.0/24; choose another range`,
		},
		"of the stack's own network":       {[]docker.Network{own}, ""},
		"between neighbours":               {[]docker.Network{network("before", "10.112.0.0/22"), network("after", "10.112.8.0/22")}, ""},
		"beside networks without a subnet": {[]docker.Network{network("host"), network("none")}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.world.SetNetworks(test.networks...)
			err := m.check(t, needs())
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
		})
	}
}

func TestCheck_Routes(t *testing.T) {
	t.Parallel()
	derived := needs()
	derived.Derived = true
	route := func(destination, through string) preflight.Route {
		return preflight.Route{Destination: netip.MustParsePrefix(destination), Interface: through}
	}
	network := func(name, subnet string) docker.Network {
		return docker.Network{Name: name, Labels: labels(stack, "A"), Subnets: []netip.Prefix{netip.MustParsePrefix(subnet)}}
	}
	refused := func(destination, free string) string {
		return "the range 10.112.4.0/22, which follows from the stack's name, is that of this machine's route to " + destination +
			" through tun0, perhaps of a VPN: choose another range with kubetracing:network.subnet" + free
	}
	tests := map[string]struct {
		needs    preflight.Needs
		routes   []preflight.Route
		networks []docker.Network
		want     string
	}{
		"cover a derived range": {
			derived,
			[]preflight.Route{route("0.0.0.0/0", "eth0"), route("10.0.0.0/8", "tun0")},
			nil,
			refused("10.0.0.0/8", ", such as 172.31.252.0/22"),
		},
		"lead into a derived range": {
			derived, []preflight.Route{route("10.112.5.1/32", "tun0")}, nil, refused("10.112.5.1/32", ", such as 10.127.252.0/22"),
		},
		"cover every private range": {
			derived,
			[]preflight.Route{route("10.0.0.0/8", "tun0"), route("172.16.0.0/12", "tun0"), route("192.168.0.0/16", "tun0")},
			nil,
			refused("10.0.0.0/8", ""),
		},
		"cover what Docker has not taken": {
			derived,
			[]preflight.Route{route("10.0.0.0/8", "tun0")},
			[]docker.Network{network("other", "172.31.248.0/21")},
			refused("10.0.0.0/8", ", such as 172.31.244.0/22"),
		},
		"cover a range that was chosen": {needs(), []preflight.Route{route("10.0.0.0/8", "tun0")}, nil, ""},
		"cover the network that exists": {derived, []preflight.Route{route("10.0.0.0/8", "tun0")}, []docker.Network{network("kubetracing-dev", "10.112.4.0/22")}, ""},
		"are a VPN's for everything":    {derived, []preflight.Route{route("0.0.0.0/1", "tun0"), route("128.0.0.0/1", "tun0")}, nil, ""},
		"lead elsewhere":                {derived, []preflight.Route{route("10.112.0.0/22", "tun0"), route("192.168.0.0/16", "eth0")}, nil, ""},
		"lead to networks of Docker's": {
			derived,
			[]preflight.Route{route("10.0.0.0/8", "br-1")},
			[]docker.Network{network("vpn", "10.0.0.0/8")},
			`the range 10.112.4.0/22 (kubetracing:network.subnet) is taken: Docker's network "vpn" has 10.0.0.0/8; choose another range`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.routes = test.routes
			m.world.SetNetworks(test.networks...)
			err := m.check(t, test.needs)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
		})
	}
	t.Run("of a remote daemon are another machine's", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t)
		m.routes = []preflight.Route{route("10.0.0.0/8", "tun0")}
		m.environment = map[string]string{"DOCKER_HOST": "ssh://me@build.example"}
		m.On(dockertest.Command("docker context inspect"), endpoint("ssh://me@build.example"))
		require.NoError(t, m.check(t, derived))
	})
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	routes, err := preflight.Routes()
	require.NoError(t, err)
	for _, route := range routes {
		assert.Equal(t, route.Destination.Masked(), route.Destination, "an address in the wrong order of bytes has a bit beyond its mask")
		assert.NotEmpty(t, route.Interface)
	}
}

func TestCheck_All(t *testing.T) {
	first, second := listen(t), listen(t)
	m := newMachine(t)
	m.k3d = errors.New("k3d is not on PATH")
	m.world.Set(node("server", labels("someone/else", "B")), container("grafana", nil, first))
	err := m.check(t, needs(first, second))
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 4)
	assert.Contains(t, lines[0], "k3d is not on PATH")
	assert.Contains(t, lines[1], `k3d cluster "kubetracing-dev" exists already`)
	assert.Contains(t, lines[2], `is taken by container "grafana"`)
	assert.Contains(t, lines[3], "is taken by another process")

	m.On(versionCommand, dockertest.Answer{Err: &exec.Error{Name: "docker", Err: exec.ErrNotFound}})
	err = m.check(t, needs())
	require.ErrorContains(t, err, "k3d is not on PATH")
	require.ErrorContains(t, err, "docker is not on PATH")
}
