//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	infradocker "github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/test/internal/docker"
)

// damage is something that happens to a stack behind Pulumi's back.
type damage struct {
	name string
	// inflict damages a running stack.
	inflict func(t *testing.T)
	// messages are what preview and up print about it.
	messages []string
	// sameNode is whether the cluster's node is the same container afterwards.
	sameNode bool
}

var damages = []damage{
	{"a container is removed", func(t *testing.T) {
		removeContainers(t, collectorContainer)
	}, []string{"container " + collectorContainer + " is gone: an update creates it again"}, true},
	{"a container is stopped", func(t *testing.T) {
		docker.Run(t, "stop", jaegerContainer)
	}, []string{"container " + jaegerContainer + " does not work (exited, exit code 0"}, true},
	{"a container is paused", func(t *testing.T) {
		docker.Run(t, "pause", collectorContainer)
	}, []string{"container " + collectorContainer + " is paused: an update resumes it"}, true},
	{"a container is removed and another one stopped", func(t *testing.T) {
		removeContainers(t, jaegerContainer)
		docker.Run(t, "stop", collectorContainer)
	}, []string{"container " + jaegerContainer + " is gone", "container " + collectorContainer + " does not work (exited, exit code 0"}, true},
	{"a node is stopped", func(t *testing.T) {
		docker.Run(t, "stop", serverContainer)
	}, []string{"node " + serverContainer + " does not run (exited, exit code "}, true},
	{"a node is killed", func(t *testing.T) {
		docker.Run(t, "kill", serverContainer)
	}, []string{"node " + serverContainer + " does not run (exited, exit code 137"}, true},
	{"a node is paused", func(t *testing.T) {
		docker.Run(t, "pause", serverContainer)
	}, []string{"node " + serverContainer + " is paused: an update resumes it"}, true},
	{"the cluster is removed", func(t *testing.T) {
		removeCluster(t)
	}, []string{"cluster " + clusterName + " is gone: an update creates it again, with everything in it"}, false},
	{"the node image is removed", func(t *testing.T) {
		docker.Run(t, "image", "rm", "--force", nodeImage(t))
	}, []string{"image " + clusterName + "-node:"}, true},
	{"everything is stopped and the network removed", func(t *testing.T) {
		docker.Run(t, "kill", jaegerContainer, collectorContainer, serverContainer)
		require.NoError(t, docker.Client().RemoveNetworks(t.Context(), clusterName))
	}, []string{"network " + clusterName + " is gone", "cluster " + clusterName + " has lost its network"}, false},
	{"the cluster, its volume and its image are removed", func(t *testing.T) {
		image := nodeImage(t)
		removeCluster(t)
		require.NoError(t, docker.Client().RemoveVolumes(t.Context(), clusterName+"-tracing"))
		docker.Run(t, "image", "rm", "--force", image)
	}, []string{"volume " + clusterName + "-tracing is gone", "image " + clusterName + "-node:", "cluster " + clusterName + " is gone"}, false},
	{"everything is removed", func(t *testing.T) {
		removeEverything(t)
	}, []string{
		"container " + jaegerContainer + " is gone", "container " + collectorContainer + " is gone", "network " + clusterName + " is gone",
		"volume " + clusterName + "-tracing is gone", "image " + clusterName + "-node:", "cluster " + clusterName + " is gone",
	}, false},
}

func removeCluster(t *testing.T) {
	t.Helper()
	require.NoError(t, docker.Client().DeleteCluster(t.Context(), clusterName, nil))
}

func nodeImage(t *testing.T) string {
	t.Helper()
	label, value, _ := strings.Cut(ownerLabel, "=")
	images, err := docker.Client().Images(t.Context(), infradocker.Filter{Label: label, Value: value})
	require.NoError(t, err)
	require.Len(t, images, 1)
	require.Len(t, images[0].Tags, 1)
	return images[0].Tags[0]
}

func removeContainers(t *testing.T, containers ...string) {
	t.Helper()
	require.NoError(t, docker.Client().RemoveContainers(t.Context(), containers...))
}

func removeEverything(t *testing.T) {
	t.Helper()
	image := nodeImage(t)
	removeCluster(t)
	removeContainers(t, jaegerContainer, collectorContainer)
	require.NoError(t, docker.Client().RemoveVolumes(t.Context(), clusterName+"-tracing"))
	require.NoError(t, docker.Client().RemoveNetworks(t.Context(), clusterName))
	docker.Run(t, "image", "rm", "--force", image)
}

// TestRecovery damages a stack in every way: preview names the damage, up repairs
// it, and destroy leaves nothing.
func TestRecovery(t *testing.T) {
	s := newStack(t, "k3d")
	var table strings.Builder
	for _, damage := range damages {
		t.Run(damage.name, func(t *testing.T) {
			s.mustRun(t, "up")
			before := docker.Inspect(t, serverContainer).ID
			damage.inflict(t)

			_, stderr, _, err := s.timed(t, "preview")
			require.NoError(t, err)
			for _, message := range damage.messages {
				assert.Contains(t, stderr, "kubetracing: "+message)
			}
			_, stderr, took, err := s.timed(t, "up")
			require.NoError(t, err)
			for _, message := range damage.messages {
				assert.Contains(t, stderr, "kubetracing: "+message)
			}
			assertHealthy(t, s)
			after := docker.Inspect(t, serverContainer).ID
			assert.Equal(t, damage.sameNode, before == after, "whether the node is the same container")

			damage.inflict(t)
			_, stderr, destroyed, err := s.timed(t, "destroy")
			require.NoError(t, err)
			assert.NotContains(t, stderr, "trying again")
			assert.Empty(t, owned(t))
			fmt.Fprintf(&table, "%-52s up %4s  destroy %4s\n", damage.name, took, destroyed)
		})
	}
	t.Logf("how long it took:\n%s", table.String())
}

// interruptions end an update without letting it finish.
var interruptions = map[string]func(t *testing.T, update *os.Process){
	"killed":    func(t *testing.T, update *os.Process) { require.NoError(t, killPulumi(update)) },
	"cancelled": func(t *testing.T, update *os.Process) { require.NoError(t, update.Signal(os.Interrupt)) },
}

// killPulumi kills the Pulumi that a kubetracing runs, as a machine without memory
// would.
func killPulumi(update *os.Process) error {
	return exec.Command("pkill", "-KILL", "-x", "-P", fmt.Sprint(update.Pid), "pulumi").Run()
}

// phases are when an update is interrupted: as soon as something is there.
var phases = map[string]func(context.Context) bool{
	"while it creates Jaeger": func(ctx context.Context) bool {
		_, err := docker.Client().InspectOne(ctx, jaegerContainer)
		return err == nil
	},
	"while it creates the cluster": func(ctx context.Context) bool {
		server, err := docker.Client().InspectOne(ctx, serverContainer)
		return err == nil && server.State.Running()
	},
	"while it creates a workload": func(ctx context.Context) bool {
		pods, err := docker.Client().Exec(ctx, serverContainer, "kubectl", "--namespace", "kubetracing", "get", "pods", "--output", "name")
		return err == nil && pods != ""
	},
}

// TestInterruptedUpdate interrupts updates: the next up completes the stack, and
// destroy leaves nothing.
func TestInterruptedUpdate(t *testing.T) {
	s := newStack(t, "pkill")
	for phase, sign := range phases {
		for how, interrupt := range interruptions {
			t.Run(how+" "+phase, func(t *testing.T) {
				interruptUpdate(t, s, sign, interrupt)
				s.mustRun(t, "up")
				assertHealthy(t, s)
				s.mustRun(t, "destroy")
				require.Empty(t, owned(t))

				interruptUpdate(t, s, sign, interrupt)
				s.mustRun(t, "destroy")
				assert.Empty(t, owned(t))
			})
		}
	}
}

// interruptUpdate starts the creation of a stack and interrupts it once there is a sign.
func interruptUpdate(t *testing.T, s *stack, sign func(context.Context) bool, interrupt func(*testing.T, *os.Process)) {
	t.Helper()
	update := s.Command("up")
	update.Stdout, update.Stderr = testWriter{t}, testWriter{t}
	require.NoError(t, update.Start())
	require.Eventually(t, func() bool { return sign(t.Context()) }, 2*time.Minute, 50*time.Millisecond)
	interrupt(t, update.Process)
	started := time.Now()
	require.Error(t, update.Wait())
	t.Logf("it took %s to end", time.Since(started).Round(time.Second))
}

// assertHealthy checks that everything runs, and that there is nothing to do.
func assertHealthy(t *testing.T, s *stack) {
	t.Helper()
	for _, container := range []string{jaegerContainer, collectorContainer, serverContainer} {
		assert.True(t, docker.Inspect(t, container).State.Running(), container)
	}
	assert.Equal(t, "ok", inNode(t, "kubectl", "get", "--raw", "/readyz"))
	_, stderr, _, err := s.timed(t, "preview", "--", "--expect-no-changes")
	require.NoError(t, err)
	assert.False(t, slices.ContainsFunc(strings.Split(stderr, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "kubetracing: ") && !strings.HasPrefix(line, "kubetracing: compiling")
	}), "messages about a healthy stack: %s", stderr)
}

// brokenContainerd ends as soon as it starts.
const brokenContainerd = `#!/bin/sh
echo 'level=fatal msg="this containerd does not want to"' >&2
exit 1
`

// TestNodeThatDoesNotComeUp gives a node a container runtime that ends: the update
// reports it long before k3d's wait is over, and leaves no cluster.
func TestNodeThatDoesNotComeUp(t *testing.T) {
	s := newStack(t)
	bundle := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(bundle, "bin"), 0o755))
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr"} {
		require.NoError(t, os.WriteFile(filepath.Join(bundle, "bin", name), []byte(brokenContainerd), 0o755))
	}
	shipped := s.section(t, "runtime")["bundle"]
	s.merge(t, "runtime", map[string]any{"bundle": map[string]any{"directory": bundle}})
	stdout, stderr, took, err := s.timed(t, "up")
	printed := stdout + stderr
	require.Error(t, err)
	t.Logf("it took %s", took)
	assert.Less(t, took, 2*time.Minute)
	assert.Contains(t, printed, "likely cause: containerd ends as soon as it starts")
	assert.Contains(t, printed, "this containerd does not want to")
	assert.Empty(t, docker.Labelled(t, "k3d.cluster="+clusterName))

	s.merge(t, "runtime", map[string]any{"bundle": shipped})
	s.mustRun(t, "up")
	assertHealthy(t, s)
	s.mustRun(t, "destroy")
	assert.Empty(t, owned(t))
}
