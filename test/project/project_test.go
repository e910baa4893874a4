package project_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/test/project"
)

func newProject(t *testing.T, stackFile string) *project.Project {
	t.Helper()
	source := filepath.Join(t.TempDir(), "source.yaml")
	require.NoError(t, os.WriteFile(source, []byte(stackFile), 0o600))
	p, err := project.New(t.TempDir(), "test", source)
	require.NoError(t, err)
	return p
}

func TestProject_Edit(t *testing.T) {
	t.Parallel()
	p := newProject(t, "config:\n  kubetracing:cluster: {agents: 1, servers: 3}\n")
	require.NoError(t, p.Merge("cluster", map[string]any{"agents": 2}))
	require.NoError(t, p.Merge("jaeger", map[string]any{"uiPort": 26686}))
	require.NoError(t, p.Set("workloads", []string{"echo"}))

	text, err := os.ReadFile(p.StackFile())
	require.NoError(t, err)
	assert.YAMLEq(t, `
config:
  kubetracing:cluster: {agents: 2, servers: 3}
  kubetracing:jaeger: {uiPort: 26686}
  kubetracing:workloads: [echo]
`, string(text))
	section, err := p.Section("jaeger")
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"uiPort": 26686.0}, section)
	section, err = p.Section("runtime")
	require.NoError(t, err)
	assert.Empty(t, section)
}

func TestProject_EmptyStackFile(t *testing.T) {
	t.Parallel()
	p := newProject(t, "")
	require.NoError(t, p.Merge("verify", map[string]any{"enabled": false}))
	section, err := p.Section("verify")
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"enabled": false}, section)
}

func TestProject_With(t *testing.T) {
	t.Parallel()
	p := newProject(t, "config: {}\n")
	other, err := p.With("other")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(p.Root, "Pulumi.other.yaml"), other.StackFile())
	assert.FileExists(t, other.StackFile())
}

func TestProject_Command(t *testing.T) {
	t.Parallel()
	p := newProject(t, "")
	checkout, err := project.Checkout()
	require.NoError(t, err)
	command := p.Command("preview", "--", "--expect-no-changes")
	assert.Equal(t, []string{
		filepath.Join(checkout, "kubetracing"), "preview", "--root", p.Root, "--stack", "test", "--", "--expect-no-changes",
	}, command.Args)
	assert.Equal(t, p.Root, command.Dir)
}

func TestProject_MalformedStackFile(t *testing.T) {
	t.Parallel()
	p := newProject(t, "config: [")
	require.ErrorContains(t, p.Merge("cluster", nil), `read stack "test": `)
}
