package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	preview = "preview --diff --suppress-progress --stack dev"
	up      = "up --yes --skip-preview --stack dev"
	destroy = "destroy --yes --skip-preview --remove --stack dev"
	output  = "stack output --json --show-secrets --stack dev --non-interactive"
)

// created is the state of a stack with a container and a cluster, as the local
// backend keeps it and as Pulumi prints it.
const (
	snapshot = `{"resources":[
{"urn":"urn::jaeger-container","type":"docker:index/container:Container","id":"aaa","inputs":{"name":"kubetracing-dev-jaeger"}},
{"urn":"urn::cluster-k3d","type":"command:local:Command","id":"cluster-k3d1","inputs":{"stdin":"servers: 1\n"}}]`
	created = `{"version":3,"checkpoint":{"latest":` + snapshot + `}}}`
)

// world makes docker list containers of the stack, as "ID NAME STATE ROLE".
func (m machine) world(t *testing.T, containers ...string) {
	t.Helper()
	var list strings.Builder
	for _, container := range containers {
		f := strings.Fields(container)
		fmt.Fprintf(&list, "printf '%s\\t%s\\t%s\\tsince a while\\tkubetracing-dev\\t%s\\tkubetracing/dev\\n'\n", f[0], f[1], f[2], f[3])
	}
	m.tool(t, "docker", `printf '%s\n' "$*" >> "$MACHINE/docker-calls"
case "$*" in *"{{.State}}"*) `+list.String()+` :;; esac`)
}

const (
	jaegerRuns = "aaa kubetracing-dev-jaeger running none"
	nodeRuns   = "nnn k3d-kubetracing-dev-server-0 running server"
)

func TestWhatHappenedBehindPulumisBackIsSaidAndSetRight(t *testing.T) {
	const (
		jaegerGone  = "kubetracing: container kubetracing-dev-jaeger is gone: an update creates it again\n"
		clusterGone = "kubetracing: cluster kubetracing-dev is gone: an update creates it again, with everything in it\n"
		replace     = " --replace urn::cluster-k3d"
	)
	tests := map[string]struct {
		containers           []string
		said                 string
		preview, up, destroy string
	}{
		"nothing":             {[]string{jaegerRuns, nodeRuns}, "", preview, up, destroy},
		"a container is gone": {[]string{nodeRuns}, jaegerGone, preview + " --refresh", up + " --refresh", destroy + " --refresh"},
		"the cluster is gone": {[]string{jaegerRuns}, clusterGone, preview + replace, up + replace, destroy},
		"both are gone":       {nil, jaegerGone + clusterGone, preview + " --refresh" + replace, up + " --refresh" + replace, destroy + " --refresh"},
	}
	for what, test := range tests {
		for command, want := range map[string]string{"preview": test.preview, "up": test.up, "destroy": test.destroy} {
			t.Run(command+" when "+what, func(t *testing.T) {
				m := newMachine(t)
				m.withState(t, created)
				m.world(t, test.containers...)
				got := m.run(t, command, "--", "--parallel", "2")
				require.Zero(t, got.code, got.stderr)
				expected := []string{want + " --parallel 2"}
				if command == "destroy" {
					assert.Empty(t, got.stderr, "who destroys does not ask what is missing")
				} else {
					assert.Equal(t, test.said, got.stderr)
				}
				if command == "up" {
					expected = append(expected, output)
				}
				assert.Equal(t, expected, m.calls(t), "the local state is read without Pulumi")
			})
		}
	}
}

func TestAPausedContainerGoesOnBeforeAnythingElse(t *testing.T) {
	for _, command := range []string{"up", "destroy"} {
		t.Run(command, func(t *testing.T) {
			m := newMachine(t)
			m.withState(t, created)
			m.world(t, "aaa kubetracing-dev-jaeger paused none", nodeRuns)
			require.Zero(t, m.run(t, command).code)
			assert.Contains(t, m.read(t, "docker-calls"), "\nunpause kubetracing-dev-jaeger\n")
		})
	}
	t.Run("but not for a preview", func(t *testing.T) {
		m := newMachine(t)
		m.withState(t, created)
		m.world(t, "aaa kubetracing-dev-jaeger paused none", nodeRuns)
		require.Zero(t, m.run(t, "preview").code)
		assert.NotContains(t, m.read(t, "docker-calls"), "unpause")
	})
}

func TestDestroyRemovesAClusterThatPulumiDoesNotKnow(t *testing.T) {
	m := newMachine(t)
	m.withState(t, "{}")
	m.world(t, nodeRuns)
	m.tool(t, "k3d", `echo 'k3d version v5.8.3'; echo "k3d $*" >> "$MACHINE/calls"`)
	// What the script asks for.
	m.tool(t, "docker", `case "$*" in
*"{{.State}}"*) printf 'nnn\tk3d-kubetracing-dev-server-0\trunning\tUp\tkubetracing-dev\tserver\tkubetracing/dev\n' ;;
*"owner="*) echo owner=kubetracing/dev ;;
"ps "*) echo nnn ;;
esac`)
	got := m.run(t, "destroy")
	require.Zero(t, got.code, got.stderr)
	calls := m.calls(t)
	assert.Equal(t, []string{"k3d cluster delete kubetracing-dev", destroy}, calls[len(calls)-2:])
}

// lock writes a lock of the stack, as Pulumi does.
func (m machine) lock(t *testing.T, pid int, host string) {
	t.Helper()
	m.write(t, filepath.Join(m.root, ".kubetracing/state/.pulumi/locks/organization/kubetracing/dev/one.json"),
		fmt.Sprintf(`{"pid":%d,"username":"me","hostname":%q,"timestamp":"2026-01-01T00:00:00Z"}`, pid, host))
}

// ended is the number of a process that is no more.
func ended(t *testing.T) int {
	t.Helper()
	command := exec.Command("true")
	require.NoError(t, command.Run())
	return command.Process.Pid
}

func TestAKilledUpdateIsClearedAway(t *testing.T) {
	const interrupted = `{"version":3,"checkpoint":{"latest":` + snapshot + `,"pending_operations":[{"type":"creating","resource":` +
		`{"urn":"urn::collector-container","type":"docker:index/container:Container","inputs":{"name":"kubetracing-dev-collector"}}}]}}}`
	host, err := os.Hostname()
	require.NoError(t, err)
	for command, last := range map[string]string{"up": up, "destroy": destroy} {
		t.Run("by "+command, func(t *testing.T) {
			m := newMachine(t)
			m.withState(t, interrupted)
			m.lock(t, ended(t), host)
			m.world(t, jaegerRuns, nodeRuns)
			m.write(t, filepath.Join(m.folder, "state.json"), `{"version":3,"deployment":{"resources":[],"pending_operations":[{"type":"creating"}]}}`)
			got := m.run(t, command)
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, []string{
				"cancel --yes --stack dev", "stack export --stack dev --non-interactive", "stack import --stack dev --non-interactive", last,
			}, m.calls(t)[:4])
			assert.Equal(t, `{"deployment":{"resources":[]},"version":3}`, m.read(t, "imported.json"))
			assert.Contains(t, got.stderr, "kubetracing: the last update was killed: taking its lock away\n")
			assert.Contains(t, m.read(t, "docker-calls"), "ps --all --quiet --filter label=kubetracing.stack=kubetracing/dev --filter name=^kubetracing-dev-collector$\n")
		})
	}
	t.Run("but not while an update runs", func(t *testing.T) {
		m := newMachine(t)
		m.withState(t, interrupted)
		m.lock(t, os.Getpid(), host)
		m.world(t, jaegerRuns, nodeRuns)
		m.write(t, filepath.Join(m.folder, "exit-import"), "255")
		m.write(t, filepath.Join(m.folder, "state.json"), `{"version":3,"deployment":{"resources":[]}}`)
		assert.Equal(t, 255, m.run(t, "up").code)
		assert.Equal(t, []string{"stack export --stack dev --non-interactive", "stack import --stack dev --non-interactive"}, m.calls(t))
		assert.NotContains(t, m.read(t, "docker-calls"), "kubetracing-dev-collector", "what it creates is left alone")
	})
	t.Run("and not by a preview", func(t *testing.T) {
		m := newMachine(t)
		m.withState(t, interrupted)
		m.lock(t, ended(t), host)
		m.world(t, jaegerRuns, nodeRuns)
		got := m.run(t, "preview")
		require.Zero(t, got.code, got.stderr)
		assert.Equal(t, []string{preview}, m.calls(t))
		assert.Contains(t, got.stderr, "kubetracing: an update has not ended its creation of collector-container")
	})
}

func TestAStackFileWithMistakesKeepsNobodyFromDestroying(t *testing.T) {
	m := newMachine(t)
	m.withState(t, created)
	m.world(t, jaegerRuns, nodeRuns)
	m.write(t, filepath.Join(m.root, "Pulumi.dev.yaml"), "config:\n  kubetracing:cluster: {servers: 0}\n")
	got := m.run(t, "up")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "kubetracing:cluster.servers: 0: must be at least 1")
	assert.Empty(t, m.calls(t))

	got = m.run(t, "destroy")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, []string{destroy}, m.calls(t))
}

func TestAPulumiThatIsKilledIsTold(t *testing.T) {
	m := newMachine(t)
	m.withState(t, created)
	m.world(t, jaegerRuns, nodeRuns)
	m.tool(t, "pulumi", `[ "$*" != version ] || { echo v3.300.0; exit; }
kill -KILL $$`)
	got := m.run(t, "up")
	assert.Equal(t, 1, got.code)
	assert.Equal(t, "kubetracing: pulumi up: signal: killed\n", got.stderr)
}

func TestAStateThatCannotBeReadIsAnError(t *testing.T) {
	for _, where := range []string{"in the local backend", "in another one"} {
		t.Run(where, func(t *testing.T) {
			m := newMachine(t)
			if where == "in the local backend" {
				m.withState(t, "nothing")
			} else {
				m.withStack(t, "dev")
				m.write(t, filepath.Join(m.folder, "state.json"), "nothing")
			}
			got := m.run(t, "up")
			assert.Equal(t, 1, got.code)
			assert.Contains(t, got.stderr, "kubetracing: read the stack's state: ")
		})
	}
}
