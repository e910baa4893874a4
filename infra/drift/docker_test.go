package drift_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/drift"
)

// machine is a PATH whose docker and k3d note what they are asked to do.
type machine struct{ folder string }

// newMachine has a docker that does what body says, and a k3d. It takes over the
// process' environment.
func newMachine(t *testing.T, body string) machine {
	t.Helper()
	m := machine{t.TempDir()}
	m.tool(t, "docker", body)
	m.tool(t, "k3d", "")
	t.Setenv("PATH", m.folder+":/usr/bin:/bin")
	return m
}

func (m machine) tool(t *testing.T, name, body string) {
	t.Helper()
	// A file that a concurrent fork holds open for writing cannot be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.NoError(t, os.WriteFile(filepath.Join(m.folder, name),
		[]byte("#!/bin/sh\nMACHINE='"+m.folder+"'\necho \""+name+" $*\" >> \"$MACHINE/calls\"\n"+body+"\n"), 0o755))
}

// calls are what the tools were asked to do, but for looks at what there is.
func (m machine) calls(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.folder, "calls"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(string(text)), "\n"), func(call string) bool {
		return strings.HasPrefix(call, "docker ps ") || strings.Contains(call, " ls ")
	})
}

func TestLookListsEverything(t *testing.T) {
	newMachine(t, `case "$1 $2" in
"ps --all") printf 'sss\tk3d-a-server-0\trunning\tUp 2 minutes (healthy)\ta\tserver\tkubetracing/dev\nxxx\tother\texited\tExited (0)\t\t\t\n' ;;
"network ls") printf 'net0\nnet1\n' ;;
"volume ls") ;;
"image ls") echo node:1 ;;
esac`)
	world, err := drift.Look(t.Context())
	require.NoError(t, err)
	assert.Equal(t, drift.World{
		Containers: []drift.Container{
			{"sss", "k3d-a-server-0", "running", "Up 2 minutes (healthy)", "a", "server", "kubetracing/dev"},
			{"xxx", "other", "exited", "Exited (0)", "", "", ""},
		},
		Networks: []string{"net0", "net1"},
		Images:   []string{"node:1"},
	}, world)
}

func TestALookThatFailsSaysWhy(t *testing.T) {
	newMachine(t, `[ "$1" != volume ] || { echo "no volumes today" >&2; exit 1; }`)
	_, err := drift.Look(t.Context())
	assert.EqualError(t, err, "docker volume: exit status 1: no volumes today")
}
