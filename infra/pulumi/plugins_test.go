package pulumi

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWorkspace_orphans(t *testing.T) {
	t.Parallel()
	space, err := Locate("/lab", "dev")
	require.NoError(t, err)
	space.program = "/lab/infra"
	const plugin = "/lab/.kubetracing/pulumi/plugins/resource-docker-v4.11.2/pulumi-resource-docker"
	const language = "/lab/.kubetracing/tools/pulumi-3.259.0/pulumi-language-go"
	running := map[int]process{
		1:  {0, "/sbin/init", "/"},
		10: {1, "/usr/bin/pulumi", "/lab/.kubetracing/workspace"},
		11: {10, plugin, "/lab/infra"},
		12: {10, language, "/lab/infra"},
		13: {12, "/lab/.kubetracing/bin/program", "/lab/infra"},
		20: {1, plugin, ""},
		21: {1, language, ""},
		22: {21, "/lab/.kubetracing/bin/program", "/lab/infra"},
		23: {1, "/home/me/.pulumi/plugins/resource-docker-v4.11.2/pulumi-resource-docker", "/lab/infra"},
		30: {1, "/elsewhere/.kubetracing/pulumi/plugins/resource-docker-v4.11.2/pulumi-resource-docker", "/elsewhere/infra"},
		31: {1, "/lab/.kubetracing/tools/k3d-5.8.3/k3d", "/lab"},
		32: {1, "/lab/.kubetracing/bin/kubetracing", "/lab"},
		33: {1, "/home/me/.pulumi/plugins/resource-docker-v4.11.2/pulumi-resource-docker", "/lab"},
		34: {1, "/usr/bin/vi", "/lab/infra"},
	}
	assert.Equal(t, []int{20, 21, 22, 23}, space.orphans(running))
}

func TestWorkspace_EndOrphans(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	linked := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(folder, linked))
	for name, root := range map[string]string{"in the checkout": folder, "in a checkout behind a symbolic link": linked} {
		t.Run(name, func(t *testing.T) { endOrphan(t, root) })
	}
}

// endOrphan starts a plugin without a Pulumi and ends it.
func endOrphan(t *testing.T, root string) {
	t.Helper()
	space, err := Locate(root, "dev")
	require.NoError(t, err)
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	binary, err := os.ReadFile(sleep)
	require.NoError(t, err)
	plugin := filepath.Join(space.Folder("pulumi"), "plugins", "pulumi-resource-docker")
	require.NoError(t, os.MkdirAll(filepath.Dir(plugin), 0o700))
	require.NoError(t, os.WriteFile(plugin+".new", binary, 0o700))
	require.NoError(t, os.Rename(plugin+".new", plugin))
	command := exec.CommandContext(t.Context(), plugin, "60")
	require.NoError(t, command.Start())
	var log bytes.Buffer
	space.EndOrphans(&log)
	assert.Equal(t, fmt.Sprintf("kubetracing: ending process %d, which a killed Pulumi left behind\n", command.Process.Pid), log.String())
	require.EqualError(t, command.Wait(), "signal: terminated")
}

func TestProcessStart(t *testing.T) {
	t.Parallel()
	before := time.Now()
	command := exec.CommandContext(t.Context(), "sleep", "60")
	require.NoError(t, command.Start())
	started, err := processStart(command.Process.Pid)
	require.NoError(t, err)
	assert.WithinRange(t, started, before.Add(-clockStep), time.Now().Add(clockStep))
	require.NoError(t, command.Process.Kill())
	require.Error(t, command.Wait())
	_, err = processStart(command.Process.Pid)
	assert.Error(t, err)
}
