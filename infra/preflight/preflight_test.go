package preflight_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/preflight"
	"github.com/kubetracing/kubetracing/stacks"
)

// machine is a PATH with nothing but fake commands.
type machine struct{ folder string }

// newMachine has a k3d that is new enough and a Docker daemon with nothing in it.
// It takes over the process' environment.
func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{t.TempDir()}
	t.Setenv("PATH", m.folder)
	t.Setenv("DOCKER_HOST", "")
	m.tool(t, "k3d", "echo 'k3d version v5.8.3'; echo 'k3s version v1.31.5-k3s1 (default)'")
	m.containers(t)
	return m
}

func (m machine) tool(t *testing.T, name, body string) {
	t.Helper()
	// A file that a concurrent fork holds open for writing cannot be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.NoError(t, os.WriteFile(filepath.Join(m.folder, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755))
}

func (m machine) remove(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(m.folder, name)))
}

// containers are what docker lists: name, cluster, role, owner, ports.
func (m machine) containers(t *testing.T, containers ...[5]string) {
	t.Helper()
	body := `case "$1 $2 $3" in "ps --all --format") ;; "network ls --quiet") exit ;; *) exit 64 ;; esac`
	for _, c := range containers {
		body += "\nprintf '%s\\n' '" + strings.Join(c[:], "\t") + "'"
	}
	m.tool(t, "docker", body)
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
		Cluster: "kubetracing-dev", Owner: "kubetracing/dev",
		Network: "kubetracing-dev", SubnetKey: "kubetracing:network.subnet", Subnet: netip.MustParsePrefix("10.112.4.0/22"),
	}
	for _, port := range ports {
		needs.Ports = append(needs.Ports, stacks.Port{Key: "kubetracing:jaeger.uiPort", Number: port})
	}
	return needs
}

func published(port int) string { return fmt.Sprintf("0.0.0.0:%d->16686/tcp", port) }

func TestAStackNeedsItsNameAndItsPorts(t *testing.T) {
	t.Parallel()
	stack, err := stacks.New("traced", "dev", map[string]string{
		"traced:collector": `{"otlpGrpcPort":24317}`, "traced:network": `{"subnet":"10.112.4.0/22"}`,
	})
	require.NoError(t, err)
	assert.Equal(t, preflight.Needs{
		Cluster: "traced-dev", Owner: "traced/dev", Architectures: []string{"amd64", "arm64"},
		Ports: []stacks.Port{
			{Key: "traced:cluster.apiPort", Number: 6550},
			{Key: "traced:jaeger.uiPort", Number: 16686},
			{Key: "traced:collector.otlpGrpcPort", Number: 24317},
		},
		Network: "traced-dev", SubnetKey: "traced:network.subnet", Subnet: netip.MustParsePrefix("10.112.4.0/22"),
	}, preflight.NeedsOf(stack))
}

func TestAMachineWithEverythingIsAccepted(t *testing.T) {
	newMachine(t)
	require.NoError(t, preflight.Check(t.Context(), needs()))
	require.NoError(t, preflight.Docker(t.Context()))
}

func TestTheRuntimeIsToBeHadForTheDaemonsArchitecture(t *testing.T) {
	m := newMachine(t)
	m.tool(t, "docker", `case "$*" in "version --format {{.Server.Arch}}") echo s390x ;; esac`)
	wanted := needs()
	require.NoError(t, preflight.Check(t.Context(), wanted), "a bundle of one's own is for any")
	wanted.Architectures = []string{"amd64", "arm64"}
	require.EqualError(t, preflight.Check(t.Context(), wanted), "no official bundle of the container runtime is pinned for this "+
		"Docker host's architecture s390x, only for amd64 and arm64: give runtime.bundle")
	wanted.Architectures = append(wanted.Architectures, "s390x")
	require.NoError(t, preflight.Check(t.Context(), wanted))
}

func TestAPortThatWasLookedAtIsFreeAgain(t *testing.T) {
	newMachine(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	require.NoError(t, preflight.Check(t.Context(), needs(port)))
	listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	require.NoError(t, listener.Close())
}

func TestDockerIsMissing(t *testing.T) {
	newMachine(t).remove(t, "docker")
	for _, err := range []error{preflight.Docker(t.Context()), preflight.Check(t.Context(), needs())} {
		require.ErrorContains(t, err, "docker is not on PATH: install Docker Engine or Docker Desktop")
		require.ErrorContains(t, err, "`make plan`")
	}
}

func TestTheDaemonIsDown(t *testing.T) {
	newMachine(t).tool(t, "docker", "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2; exit 1")
	for _, err := range []error{preflight.Docker(t.Context()), preflight.Check(t.Context(), needs())} {
		require.EqualError(t, err, "the Docker daemon does not answer: is it running, and may this user talk to it? "+
			"`make plan` shows what would be created without it. docker says: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")
	}
}

func TestK3d(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"too old":              {"echo 'k3d version v5.7.0'", "k3d 5.7.0 is too old: install k3d 5.8.3 or newer"},
		"new enough":           {"echo 'k3d version v5.8.3'", ""},
		"newer":                {"echo 'k3d version v6.0.0'", ""},
		"built from source":    {"echo 'k3d version v5-dev'; echo 'k3s version v1.21.7-k3s1 (default)'", ""},
		"says nothing":         {"", ""},
		"does not run":         {"exit 1", "k3d does not run: exit status 1"},
		"too old, without a v": {"echo 'k3d version 4.4.8'", "k3d 4.4.8 is too old"},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			newMachine(t).tool(t, "k3d", test.body)
			err := preflight.Check(t.Context(), needs())
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
	t.Run("missing", func(t *testing.T) {
		newMachine(t).remove(t, "k3d")
		err := preflight.Check(t.Context(), needs())
		require.ErrorContains(t, err, "k3d is not on PATH: install k3d 5.8.3 or newer")
		require.ErrorContains(t, err, "`make up`")
		require.NoError(t, preflight.Docker(t.Context()), "Docker alone needs no k3d")
	})
}

func TestAClusterOfTheSameName(t *testing.T) {
	const refused = `a k3d cluster named "kubetracing-dev" exists and is not this stack's: ` +
		"rename the stack, or remove it with `k3d cluster delete kubetracing-dev`"
	tests := map[string]struct {
		containers [][5]string
		want       string
	}{
		"of another stack is refused":     {[][5]string{{"k3d-kubetracing-dev-server-0", "kubetracing-dev", "server", "other/dev", ""}}, refused},
		"that nobody labelled is refused": {[][5]string{{"k3d-kubetracing-dev-server-0", "kubetracing-dev", "server", "", ""}}, refused},
		"of our own is accepted": {[][5]string{
			{"k3d-kubetracing-dev-server-0", "kubetracing-dev", "server", "kubetracing/dev", ""},
			{"k3d-kubetracing-dev-serverlb", "kubetracing-dev", "loadbalancer", "", ""},
		}, ""},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			newMachine(t).containers(t, test.containers...)
			err := preflight.Check(t.Context(), needs())
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
		})
	}
	t.Run("under another name is none of our business", func(t *testing.T) {
		newMachine(t).containers(t, [5]string{"k3d-kubetracing-dev2-server-0", "kubetracing-dev2", "server", "", ""})
		require.NoError(t, preflight.Check(t.Context(), needs()))
	})
}

func TestATakenPort(t *testing.T) {
	port := listen(t)
	tests := map[string]struct {
		containers [][5]string
		want       string
	}{
		"by another process": {nil, "another process"},
		"by another container, which is named": {
			[][5]string{{"grafana", "", "", "", published(port)}}, `container "grafana"`,
		},
		"by another stack's container, which is named": {
			[][5]string{{"kubetracing-other-jaeger", "", "", "kubetracing/other", published(port)}}, `container "kubetracing-other-jaeger"`,
		},
		"by a process although a container has a similar port": {
			[][5]string{{"grafana", "", "", "", "0.0.0.0:1->" + fmt.Sprint(port) + "/tcp"}}, "another process",
		},
		"by our own container is ours": {
			[][5]string{{"kubetracing-dev-jaeger", "", "", "kubetracing/dev", published(port)}}, "",
		},
		// k3d does not put our label on the load balancer of several servers.
		"by our own cluster's load balancer is ours": {
			[][5]string{
				{"k3d-kubetracing-dev-server-0", "kubetracing-dev", "server", "kubetracing/dev", ""},
				{"k3d-kubetracing-dev-serverlb", "kubetracing-dev", "loadbalancer", "", published(port)},
			}, "",
		},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			newMachine(t).containers(t, test.containers...)
			err := preflight.Check(t.Context(), needs(port))
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, fmt.Sprintf(
				"port %d (kubetracing:jaeger.uiPort) is taken by %s: stop it, or choose another port", port, test.want))
		})
	}
}

func TestPortsOfAnotherMachineAreNotLookedAt(t *testing.T) {
	port := listen(t)
	for host, checked := range map[string]bool{
		"tcp://build.example:2376":     false,
		"ssh://me@build.example":       false,
		"unix:///run/user/docker.sock": true,
		"npipe:////./pipe/docker":      true,
		"":                             true,
	} {
		t.Run("DOCKER_HOST="+host, func(t *testing.T) {
			newMachine(t)
			t.Setenv("DOCKER_HOST", host)
			err := preflight.Check(t.Context(), needs(port))
			if checked {
				require.ErrorContains(t, err, "is taken by another process")
				return
			}
			require.NoError(t, err)
		})
	}
}

func TestEverythingInTheWayIsToldAtOnce(t *testing.T) {
	first, second := listen(t), listen(t)
	m := newMachine(t)
	m.remove(t, "k3d")
	m.containers(t,
		[5]string{"k3d-kubetracing-dev-server-0", "kubetracing-dev", "server", "someone/else", ""},
		[5]string{"grafana", "", "", "", published(first)},
	)
	err := preflight.Check(t.Context(), needs(first, second))
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 4)
	assert.Contains(t, lines[0], "k3d is not on PATH")
	assert.Contains(t, lines[1], "a k3d cluster named")
	assert.Contains(t, lines[2], `is taken by container "grafana"`)
	assert.Contains(t, lines[3], "is taken by another process")

	m.remove(t, "docker")
	err = preflight.Check(t.Context(), needs())
	require.ErrorContains(t, err, "k3d is not on PATH")
	require.ErrorContains(t, err, "docker is not on PATH")
}

func TestATakenRange(t *testing.T) {
	tests := map[string]struct{ networks, want string }{
		"by a larger network": {"vpn 10.0.0.0/8",
			`the range 10.112.4.0/22 (kubetracing:network.subnet) is taken: Docker's network "vpn" has 10.0.0.0/8; choose another range`},
		"by one of several ranges of a network": {"two fd00::/64 10.112.5.0/24",
			`the range 10.112.4.0/22 (kubetracing:network.subnet) is taken: Docker's network "two" has 10.112.5.0/24; choose another range`},
		"by our own network is ours":     {"kubetracing-dev 10.112.4.0/22", ""},
		"not by neighbours":              {"before 10.112.0.0/22\nafter 10.112.8.0/22", ""},
		"not by networks without ranges": {"host\nnone", ""},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			newMachine(t).tool(t, "docker", `case "$1 $2" in
"network ls") printf 'a\nb\n' ;;
"network inspect") [ "$5 $6" = "a b" ] || exit 64; printf '%b\n' '`+test.networks+`' ;;
esac`)
			err := preflight.Check(t.Context(), needs())
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
		})
	}
}
