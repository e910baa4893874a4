package plan_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/plan"
	"github.com/kubetracing/kubetracing/stacks"
)

// newProject writes a project with a stack dev, and returns its folder.
func newProject(t *testing.T, config string) (root string) {
	t.Helper()
	root = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "Pulumi.yaml"), []byte("name: kubetracing\nruntime: go\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(root, "Pulumi.dev.yaml"), []byte(config), 0o600))
	return root
}

func TestRun(t *testing.T) {
	t.Parallel()
	root := newProject(t, "config:\n  kubetracing:jaeger: {uiPort: 26686}\n")
	var opened stacks.Stack
	var stdout bytes.Buffer
	err := plan.Run([]string{"plan", "--root", root, "--stack", "dev"}, func(_ *pulumi.Context, stack stacks.Stack) error {
		opened = stack
		return nil
	}, &stdout)
	require.NoError(t, err)
	assert.Contains(t, stdout.String(), "stack: dev\n")
	assert.Contains(t, stdout.String(), "kubetracing:jaeger.uiPort: 127.0.0.1:26686\n")
	assert.Equal(t, root, opened.Root, "relative paths are below the project's folder")
	assert.Equal(t, "kubetracing-dev", opened.Names.Cluster)
}

func TestRun_Errors(t *testing.T) {
	t.Parallel()
	root := newProject(t, "config:\n  kubetracing:jaeger: {uiPort: 0}\n")
	for name, test := range map[string]struct {
		arguments []string
		want      string
	}{
		"nothing":            {nil, "usage: program plan"},
		"another command":    {[]string{"up"}, "usage: program plan"},
		"no stack":           {[]string{"plan"}, "--stack is missing"},
		"an unknown flag":    {[]string{"plan", "--satck", "dev"}, "flag provided but not defined: -satck"},
		"further arguments":  {[]string{"plan", "--stack", "dev", "now"}, `unexpected arguments: ["now"]`},
		"an absent stack":    {[]string{"plan", "--root", root, "--stack", "absent"}, `stack "absent" has no file`},
		"an invalid setting": {[]string{"plan", "--root", root, "--stack", "dev"}, "kubetracing:jaeger.uiPort: 0: must be a port from 1 to 65535"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout bytes.Buffer
			err := plan.Run(test.arguments, func(*pulumi.Context, stacks.Stack) error { return nil }, &stdout)
			require.ErrorContains(t, err, test.want)
			assert.Empty(t, stdout.String())
		})
	}
	var stdout bytes.Buffer
	require.NoError(t, plan.Run([]string{"plan", "--help"}, nil, &stdout))
	assert.Contains(t, stdout.String(), "usage: program plan")
}
