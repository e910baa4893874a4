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
	// A file that a concurrent fork holds open for writing cannot be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "bin", "k3s"), []byte("#!/bin/sh\n"+k3s), 0o755))
	files, err := tracing.RenderCluster(single(t, "1.37"))
	require.NoError(t, err)
	for _, file := range files.Node {
		if file.Name == tracing.FileK3sSupervisor {
			return node{folder, strings.ReplaceAll(file.Content, "cd /run/kubetracing", "cd '"+folder+"'")}
		}
	}
	require.Fail(t, "the nodes get no supervisor")
	return node{}
}

// obedientK3s runs until it is told to end.
const obedientK3s = `echo "start $*" >> log
trap 'echo end >> log; exit 0' TERM
while :; do sleep 0.05; done
`

func (n node) command(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", n.script, "k3s"}, arguments...)...)
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

func TestK3sRestartsWithoutItsNode(t *testing.T) {
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

func TestAK3sThatEndsEndsItsNode(t *testing.T) {
	t.Parallel()
	n := newNode(t, "exit 3\n")
	var exit *exec.ExitError
	require.ErrorAs(t, n.command(t, "agent").Run(), &exit)
	assert.Equal(t, 3, exit.ExitCode())
}

func TestAK3sThatDoesNotEndIsKilled(t *testing.T) {
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

func TestANodeWithoutSupervisorSaysSo(t *testing.T) {
	t.Parallel()
	assert.Error(t, newNode(t, "").command(t, "restart").Run())
}
