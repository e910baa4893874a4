package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/infra/pulumi/pulumitest"
)

func TestDestroy_nothing(t *testing.T) {
	m := newMachine(t)
	assert.Equal(t, outcome{0, "", "kubetracing: there is no stack \"dev\" to destroy\n"}, m.run(t, "destroy"))
	assert.Empty(t, m.pulumi.Lines(), "nothing is created either")
}

func TestDestroy_forgets_local_state(t *testing.T) {
	tests := map[string]struct {
		prepare func(*testing.T, *machine)
		gone    bool
		code    int
	}{
		"last stack": {func(*testing.T, *machine) {}, true, 0},
		"another stack is left": {func(t *testing.T, m *machine) {
			t.Helper()
			m.write(t, ".kubetracing/state/.pulumi/stacks/kubetracing/ci.json", "{}")
		}, false, 0},
		"another backend": {func(_ *testing.T, m *machine) {
			m.environment["PULUMI_BACKEND_URL"] = "s3://bucket"
			m.pulumi.On("stack ls", pulumitest.Answer{Stdout: `[{"name":"dev"}]`})
			m.pulumi.On("stack export", pulumitest.Answer{Stdout: "{}"})
		}, false, 0},
		"failed": {func(_ *testing.T, m *machine) {
			m.pulumi.On("destroy", pulumitest.Answer{Code: 255})
		}, false, 255},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.createStack(t)
			m.pulumi.On("destroy", pulumitest.Answer{Do: func(pulumi.Command) { assert.NoError(t, os.Remove(filepath.Join(m.root, stateFile))) }})
			m.write(t, ".kubetracing/kubeconfig/dev.yaml", "a secret")
			test.prepare(t, m)
			assert.Equal(t, test.code, m.run(t, "destroy").code)
			exists := func(path string) bool {
				_, err := os.Stat(filepath.Join(m.root, ".kubetracing", path))
				return err == nil
			}
			assert.Equal(t, test.code != 0, exists("kubeconfig"))
			assert.Equal(t, !test.gone, exists("state"))
		})
	}
}

// A stack can be destroyed without its file, or with one that Git left in pieces, from
// the copy of the last command.
func TestDestroy_without_readable_file(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *machine){
		"file gone": func(t *testing.T, m *machine) {
			t.Helper()
			require.NoError(t, os.Remove(filepath.Join(m.root, "Pulumi.dev.yaml")))
		},
		"merge conflict": func(t *testing.T, m *machine) {
			t.Helper()
			m.write(t, "Pulumi.dev.yaml", "config:\n<<<<<<< HEAD\n=======\n>>>>>>> other\n")
		},
		"project gone": func(t *testing.T, m *machine) {
			t.Helper()
			require.NoError(t, os.Remove(filepath.Join(m.root, "Pulumi.yaml")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.createStack(t)
			require.Zero(t, m.run(t, "preview").code)
			spoil(t, m)
			got := m.run(t, "destroy")
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, []string{preview, destroy + follow}, m.pulumi.Lines())
			assert.Contains(t, got.stderr, "kubetracing: destroying with the settings of the last command\n")
		})
	}
}

func TestDestroy_damaged_state(t *testing.T) {
	m := newMachine(t)
	m.write(t, stateFile, "")
	got := m.run(t, "destroy")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "kubetracing: the state of stack \"dev\" is damaged: ")
	assert.NotContains(t, got.stderr, "unexpected end of JSON")
	assert.Empty(t, m.pulumi.Lines())
}

func TestDestroy_cluster_that_Pulumi_does_not_know(t *testing.T) {
	m := newMachine(t)
	m.writeState(t, apitype.DeploymentV3{Resources: []apitype.ResourceV3{
		{URN: "urn::traced-identity", Type: "command:local:Command", ID: "i", Outputs: map[string]any{"stdout": identity}},
	}})
	m.docker.On(dockertest.Command("k3d cluster delete kubetracing-dev"), dockertest.Answer{})
	m.world.Set(nodeOf("OTHER"))
	require.Zero(t, m.run(t, "destroy").code)
	assert.Empty(t, m.docker.Lines("k3d"), "another state created it")

	m.world.Set(nodeOf(identity))
	got := m.run(t, "destroy")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, []string{"k3d cluster delete kubetracing-dev"}, m.docker.Lines("k3d"))
	assert.Equal(t, []string{destroy + follow, destroy + follow}, m.pulumi.Lines())
}

func TestDestroy_orphans(t *testing.T) {
	m := newMachine(t)
	m.world.Set(jaegerOf("LOST"), nodeOf("LOST"))
	m.docker.On(dockertest.Command("k3d cluster delete kubetracing-dev"), dockertest.Answer{})
	m.docker.On(dockertest.Command("docker rm --force --volumes aaa"), dockertest.Answer{})
	got := m.run(t, "destroy", "--orphans", "LOST")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, []string{"docker rm --force --volumes aaa"}, m.docker.Lines("docker", "rm"))
	assert.Equal(t, []string{"k3d cluster delete kubetracing-dev"}, m.docker.Lines("k3d"))
	assert.Contains(t, got.stderr, "kubetracing: removed 2 objects of state LOST\n")
	assert.Empty(t, m.pulumi.Lines())

	got = m.run(t, "destroy", "--orphans", "UNKNOWN")
	assert.Equal(t, outcome{1, "", "kubetracing: nothing in Docker carries the identity \"UNKNOWN\"\n"}, got)
}
