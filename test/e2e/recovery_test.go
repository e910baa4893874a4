//go:build e2e

package e2e_test

import (
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
)

const clusterName = "kubetracing-" + stackName

// broken is a state into which a stack comes behind Pulumi's back.
type broken struct {
	state string
	// breaks brings a whole stack into the state.
	breaks func(t *testing.T)
	// says is what preview and up say of it.
	says []string
	// stays tells that the cluster's node is the same container afterwards.
	stays bool
}

// states are all that this test knows how to bring about.
var states = []broken{
	{"a container is removed", func(t *testing.T) {
		docker(t, "rm", "--force", "--volumes", collectorContainer)
	}, []string{"container " + collectorContainer + " is gone: an update creates it again"}, true},
	{"a container is stopped", func(t *testing.T) {
		docker(t, "stop", jaegerContainer)
	}, []string{"container " + jaegerContainer + " does not work (Exited (0)"}, true},
	{"a container is paused", func(t *testing.T) {
		docker(t, "pause", collectorContainer)
	}, []string{"container " + collectorContainer + " is paused: an update lets it go on"}, true},
	{"a container is removed and another one stopped", func(t *testing.T) {
		docker(t, "rm", "--force", "--volumes", jaegerContainer)
		docker(t, "stop", collectorContainer)
	}, []string{"container " + jaegerContainer + " is gone", "container " + collectorContainer + " does not work (Exited (0)"}, true},
	{"a node is stopped", func(t *testing.T) {
		docker(t, "stop", serverContainer)
	}, []string{"node " + serverContainer + " does not run (Exited ("}, true},
	{"a node is killed", func(t *testing.T) {
		docker(t, "kill", serverContainer)
	}, []string{"node " + serverContainer + " does not run (Exited (137)"}, true},
	{"a node is paused", func(t *testing.T) {
		docker(t, "pause", serverContainer)
	}, []string{"node " + serverContainer + " is paused: an update lets it go on"}, true},
	{"the cluster is removed", func(t *testing.T) {
		removeCluster(t)
	}, []string{"cluster " + clusterName + " is gone: an update creates it again, with everything in it"}, false},
	{"the node image is removed", func(t *testing.T) {
		docker(t, "image", "rm", "--force", nodeImage(t))
	}, []string{"image " + clusterName + "-node:"}, true},
	{"everything is stopped and the network removed", func(t *testing.T) {
		docker(t, "kill", jaegerContainer, collectorContainer, serverContainer)
		docker(t, "network", "rm", clusterName)
	}, []string{"network " + clusterName + " is gone", "cluster " + clusterName + " has lost its network"}, false},
	{"the cluster, its volume and its image are removed", func(t *testing.T) {
		image := nodeImage(t)
		removeCluster(t)
		docker(t, "volume", "rm", clusterName+"-tracing")
		docker(t, "image", "rm", "--force", image)
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
	output, err := exec.Command("k3d", "cluster", "delete", clusterName).CombinedOutput()
	require.NoError(t, err, "%s", output)
}

func nodeImage(t *testing.T) string {
	t.Helper()
	return docker(t, "image", "ls", "--filter", "label="+ownerLabel, "--format", "{{.Repository}}:{{.Tag}}")
}

func removeEverything(t *testing.T) {
	t.Helper()
	image := nodeImage(t)
	removeCluster(t)
	docker(t, "rm", "--force", "--volumes", jaegerContainer, collectorContainer)
	docker(t, "volume", "rm", clusterName+"-tracing")
	docker(t, "network", "rm", clusterName)
	docker(t, "image", "rm", "--force", image)
}

// TestRecovery brings a stack into every broken state: preview says what happened,
// up heals it, and destroy leaves nothing.
func TestRecovery(t *testing.T) {
	p := newProject(t)
	require.Empty(t, owned(t), "an earlier run left something behind")
	t.Cleanup(func() {
		if _, err := p.run(t, "destroy"); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	var table strings.Builder
	for _, broken := range states {
		t.Run(broken.state, func(t *testing.T) {
			p.mustRun(t, "up")
			before := docker(t, "inspect", "--format", "{{.Id}}", serverContainer)
			broken.breaks(t)

			_, said, _, err := p.timed(t, "preview")
			require.NoError(t, err)
			for _, words := range broken.says {
				assert.Contains(t, said, "kubetracing: "+words)
			}
			_, said, took, err := p.timed(t, "up")
			require.NoError(t, err)
			for _, words := range broken.says {
				assert.Contains(t, said, "kubetracing: "+words)
			}
			assertWhole(t, p)
			after := docker(t, "inspect", "--format", "{{.Id}}", serverContainer)
			assert.Equal(t, broken.stays, before == after, "whether the node is the same container")

			broken.breaks(t)
			_, said, gone, err := p.timed(t, "destroy")
			require.NoError(t, err)
			assert.NotContains(t, said, "trying again")
			assert.Empty(t, owned(t))
			fmt.Fprintf(&table, "%-52s up %4s  destroy %4s\n", broken.state, took, gone)
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

// moments are when an update is interrupted: as soon as a docker command lists
// something.
var moments = map[string][]string{
	"while it creates Jaeger":      {"ps", "--all", "--quiet", "--filter", "name=" + jaegerContainer},
	"while it creates the cluster": {"ps", "--quiet", "--filter", "name=" + serverContainer},
	"while it creates a workload":  {"exec", serverContainer, "kubectl", "--namespace", "kubetracing", "get", "pods", "--output", "name"},
}

// TestInterruptedUpdate ends updates in their middle: the next up goes on, and
// destroy leaves nothing.
func TestInterruptedUpdate(t *testing.T) {
	p := newProject(t)
	require.Empty(t, owned(t), "an earlier run left something behind")
	t.Cleanup(func() {
		if _, err := p.run(t, "destroy"); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	for moment, sign := range moments {
		for how, interrupt := range interruptions {
			t.Run(how+" "+moment, func(t *testing.T) {
				interruptUpdate(t, p, sign, interrupt)
				p.mustRun(t, "up")
				assertWhole(t, p)
				p.mustRun(t, "destroy")
				require.Empty(t, owned(t))

				interruptUpdate(t, p, sign, interrupt)
				p.mustRun(t, "destroy")
				assert.Empty(t, owned(t))
			})
		}
	}
}

// interruptUpdate starts an update of nothing and ends it once docker lists
// something.
func interruptUpdate(t *testing.T, p *project, sign []string, interrupt func(*testing.T, *os.Process)) {
	t.Helper()
	update := p.command("up")
	update.Stdout, update.Stderr = testWriter{t}, testWriter{t}
	require.NoError(t, update.Start())
	require.Eventually(t, func() bool {
		// What does not exist yet cannot be asked either.
		listed, err := exec.Command("docker", sign...).Output()
		return err == nil && len(listed) > 0
	}, 2*time.Minute, 50*time.Millisecond)
	interrupt(t, update.Process)
	started := time.Now()
	require.Error(t, update.Wait())
	t.Logf("it took %s to end", time.Since(started).Round(time.Second))
}

// assertWhole checks that everything runs, and that there is nothing to do.
func assertWhole(t *testing.T, p *project) {
	t.Helper()
	for _, container := range []string{jaegerContainer, collectorContainer, serverContainer} {
		assert.Equal(t, "true false", docker(t, "inspect", "--format", "{{.State.Running}} {{.State.Paused}}", container), container)
	}
	assert.Equal(t, "ok", inNode(t, "kubectl", "get", "--raw", "/readyz"))
	_, said, _, err := p.timed(t, "preview", "--", "--expect-no-changes")
	assert.NoError(t, err)
	assert.False(t, slices.ContainsFunc(strings.Split(said, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "kubetracing: ") && !strings.HasPrefix(line, "kubetracing: compiling")
	}), "nothing is said of a whole stack: %s", said)
}

// brokenContainerd ends as soon as it starts.
const brokenContainerd = `#!/bin/sh
echo 'level=fatal msg="this containerd does not want to"' >&2
exit 1
`

// TestNodeThatDoesNotComeUp gives a node a container runtime that ends: the update
// says so long before k3d's wait is over, and leaves no cluster.
func TestNodeThatDoesNotComeUp(t *testing.T) {
	p := newProject(t)
	require.Empty(t, owned(t), "an earlier run left something behind")
	t.Cleanup(func() {
		if _, err := p.run(t, "destroy"); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	bundle := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(bundle, "bin"), 0o755))
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr"} {
		require.NoError(t, os.WriteFile(filepath.Join(bundle, "bin", name), []byte(brokenContainerd), 0o755))
	}
	shipped := readStackFile(t, p).section("kubetracing:runtime")["bundle"]
	set(t, p, "kubetracing:runtime", "bundle", map[string]any{"directory": bundle})
	printed, _, took, err := p.timed(t, "up")
	require.Error(t, err)
	t.Logf("it took %s", took)
	assert.Less(t, took, 2*time.Minute)
	assert.Contains(t, printed, "likely cause: containerd ends as soon as it starts")
	assert.Contains(t, printed, "this containerd does not want to")
	assert.Empty(t, docker(t, "ps", "--all", "--quiet", "--filter", "label=k3d.cluster="+clusterName))

	set(t, p, "kubetracing:runtime", "bundle", shipped)
	p.mustRun(t, "up")
	assertWhole(t, p)
	p.mustRun(t, "destroy")
	assert.Empty(t, owned(t))
}
