package tracing_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// node is a folder in the place of a node's /run/kubetracing, with a k3s that
// notes its starts and its end.
type node struct {
	folder string
	script string
}

func newNode(t *testing.T, k3s string) node {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "bin"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(folder, "files"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "files", "k3s-server.yaml"), nil, 0o644))
	// A file that a concurrent fork holds open for writing cannot be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "bin", "k3s"), []byte("#!/bin/sh\n"+k3s), 0o755))
	files, err := tracing.RenderCluster(single(t, "1.37"))
	require.NoError(t, err)
	for _, file := range files.Node {
		if file.Name == tracing.FileK3sSupervisor {
			n := node{folder, strings.NewReplacer(
				"cd /run/kubetracing", "cd '"+folder+"'", "/etc/kubetracing", folder+"/files", "/proc/net/fib_trie", "addresses",
			).Replace(file.Content)}
			n.addresses(t, nodeAddress)
			return n
		}
	}
	require.Fail(t, "the nodes get no supervisor")
	return node{}
}

// nodeAddress is the one that a node waits for.
const nodeAddress = "10.120.152.16"

// addresses are those that the node has, as Linux lists them.
func (n node) addresses(t *testing.T, addresses ...string) {
	t.Helper()
	var list strings.Builder
	for _, address := range addresses {
		list.WriteString("           |-- " + address + "\n              /32 host LOCAL\n")
	}
	require.NoError(t, os.WriteFile(filepath.Join(n.folder, "addresses"), []byte(list.String()), 0o644))
}

// obedientK3s runs until it is told to end.
const obedientK3s = `echo "start $*" >> log
trap 'echo end >> log; exit 0' TERM
while :; do sleep 0.05; done
`

// entrypoint runs the supervisor and passes signals on to it.
const entrypoint = `sh -c "$SUPERVISOR" k3s "$@" &
k3s=$!
trap 'kill -TERM "$k3s"' TERM
code=0
wait "$k3s" || code=$?
while kill -0 "$k3s" 2> /dev/null; do code=0; wait "$k3s" || code=$?; done
exit "$code"`

// waitingEntrypoint waits for an answer of Kubernetes before it looks after k3s, as
// k3d's does.
const waitingEntrypoint = `sh -c "$SUPERVISOR" k3s "$@" &
until false; do sleep 0.05; done`

func (n node) command(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	return n.under(t, entrypoint, arguments...)
}

func (n node) under(t *testing.T, entrypoint string, arguments ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", entrypoint, "entrypoint"}, arguments...)...)
	command.Env = append(os.Environ(), "SUPERVISOR="+n.script, tracing.NodeAddressVariable+"="+nodeAddress)
	return command
}

func (n node) start(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	command := n.command(t, arguments...)
	require.NoError(t, command.Start())
	require.Eventually(t, func() bool {
		return n.read(t, "supervisor.pid") != "" && strings.HasPrefix(n.read(t, "log"), "start ")
	}, 10*time.Second, 10*time.Millisecond)
	return command
}

func (n node) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(n.folder, name))
	if os.IsNotExist(err) {
		return ""
	}
	require.NoError(t, err)
	return string(content)
}

func TestK3sSupervisor_Restart(t *testing.T) {
	t.Parallel()
	n := newNode(t, obedientK3s)
	supervisor := n.start(t, "server", "--cluster-init", "--tls-san", "127.0.0.1")
	first := n.read(t, "k3s.pid")
	for range 2 {
		output, err := n.command(t, "restart").CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
	assert.NotEqual(t, first, n.read(t, "k3s.pid"))
	_, err := time.Parse(time.RFC3339, strings.TrimSpace(n.read(t, "k3s.started")))
	assert.NoError(t, err)

	require.NoError(t, supervisor.Process.Signal(syscall.SIGTERM))
	require.NoError(t, supervisor.Wait(), "it ends as k3s does")
	const start = "start server --cluster-init --tls-san 127.0.0.1\n"
	assert.Equal(t, start+"end\n"+start+"end\n"+start+"end\n", n.read(t, "log"))
}

func TestK3sSupervisor_Changed(t *testing.T) {
	t.Parallel()
	n := newNode(t, obedientK3s)
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(n.folder, name), []byte(content), 0o644))
	}
	changed := func() string {
		output, err := n.command(t, "changed").CombinedOutput()
		require.NoError(t, err, "%s", output)
		return string(output)
	}
	write("files/kubelet.yaml", "a: 1\n")
	write("files/crio.conf", "a = 1\n")
	write("files/crio.sh", "crio\n")
	// As crio.sh does when it starts CRI-O.
	write("crio.files", "a = 1\ncrio\n")
	supervisor := n.start(t, "server")
	assert.Empty(t, changed())

	write("files/crio.conf", "a = 2\n")
	assert.Equal(t, "crio\n", changed())
	write("files/kubelet.yaml", "a: 2\n")
	assert.Equal(t, "k3s\ncrio\n", changed())
	write("files/crio.conf", "a = 1\n")
	write("files/kubelet.yaml", "a: 1\n")
	assert.Empty(t, changed())
	write("files/another.yaml", "")
	assert.Equal(t, "k3s\n", changed(), "an additional file")

	output, err := n.command(t, "restart").CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Eventually(t, func() bool { return changed() == "" }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, supervisor.Process.Signal(syscall.SIGTERM))
	require.NoError(t, supervisor.Wait())
}

func TestK3sSupervisor_WaitsForAddress(t *testing.T) {
	t.Parallel()
	n := newNode(t, obedientK3s)
	n.addresses(t, "10.120.154.1", "10.120.152.160", "10.120.152.1")
	supervisor := n.command(t, "server")
	require.NoError(t, supervisor.Start())
	require.Never(t, func() bool { return n.read(t, "log") != "" }, 500*time.Millisecond, 20*time.Millisecond,
		"etcd would note the address that the node has until then")
	n.addresses(t, nodeAddress)
	require.Eventually(t, func() bool { return n.read(t, "log") == "start server\n" && n.read(t, "supervisor.pid") != "" },
		10*time.Second, 10*time.Millisecond)
	require.NoError(t, supervisor.Process.Signal(syscall.SIGTERM))
	require.NoError(t, supervisor.Wait())
}

func TestK3sSupervisor_NoAddress(t *testing.T) {
	t.Parallel()
	n := newNode(t, obedientK3s)
	n.addresses(t, "10.120.154.1")
	n.script = strings.Replace(n.script, "-ge 600", "-ge 2", 1)
	output, err := n.under(t, waitingEntrypoint, "server").CombinedOutput()
	require.EqualError(t, err, "signal: killed")
	assert.Equal(t, "level=fatal msg=\"kubetracing: this node has not got its address 10.120.152.16 after 60s\"\n", string(output))
	assert.Empty(t, n.read(t, "log"))
}

func TestK3sSupervisor_K3sExits(t *testing.T) {
	t.Parallel()
	n := newNode(t, "exit 3\n")
	for _, entrypoint := range []string{entrypoint, waitingEntrypoint} {
		output, err := n.under(t, entrypoint, "agent").CombinedOutput()
		require.EqualError(t, err, "signal: killed")
		assert.Equal(t, "k3s ended with exit code 3\n", string(output))
	}
}

func TestK3sSupervisor_K3sIgnoresSignal(t *testing.T) {
	t.Parallel()
	n := newNode(t, `echo "start $*" >> log
trap '' TERM
while :; do sleep 0.05; done
`)
	supervisor := n.start(t, "server")
	n.script = strings.Replace(n.script, "-eq 50", "-eq 2", 1)
	output, err := n.command(t, "restart").CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Eventually(t, func() bool {
		return n.read(t, "log") == "start server\nstart server\n"
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, exec.CommandContext(t.Context(), "kill", "-KILL", strings.TrimSpace(n.read(t, "k3s.pid"))).Run())
	assert.Error(t, supervisor.Wait())
}

func TestNode_SupervisorMissing(t *testing.T) {
	t.Parallel()
	assert.Error(t, newNode(t, "").command(t, "restart").Run())
}
