package environment

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// machine returns the environment of a developer who has programs on PATH.
func machine(t *testing.T, programs ...string) []string {
	t.Helper()
	folder := t.TempDir()
	for _, program := range programs {
		require.NoError(t, os.WriteFile(filepath.Join(folder, program), nil, 0o755))
	}
	return []string{
		"PATH=/nowhere:" + folder, "HOME=" + folder, "LANG=C", "KUBETRACING_JAEGER=/jaeger", "GOCACHE=/cache", "GOFLAGS=-mod=mod",
		"DOCKER_HOST=tcp://192.0.2.1:2375", "KUBECONFIG=/kubeconfig", "PULUMI_HOME=/pulumi", "PULUMI_ACCESS_TOKEN=secret",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://192.0.2.1:4318", "TRACEPARENT=00-1-1-01", "HTTPS_PROXY=http://192.0.2.1:3128",
	}
}

func TestIsolate(t *testing.T) {
	t.Parallel()
	variables := machine(t, "pulumi", "pulumi-resource-docker", "kubectl")
	folder := t.TempDir()
	isolated, err := isolate(variables, folder, []string{"pulumi", "git"})
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{
		"LANG=C", "KUBETRACING_JAEGER=/jaeger",
		"HOME=" + folder + "/home", "PULUMI_HOME=" + folder + "/home/.pulumi", "PATH=" + folder + "/bin",
	}, isolated)
	assert.DirExists(t, folder+"/home")

	found, err := lookPath("pulumi", value(isolated, "PATH"))
	require.NoError(t, err)
	original, err := lookPath("pulumi", value(variables, "PATH"))
	require.NoError(t, err)
	target, err := os.Readlink(found)
	require.NoError(t, err)
	assert.Equal(t, original, target)
	for _, absent := range []string{"pulumi-resource-docker", "kubectl", "git"} {
		_, err := lookPath(absent, value(isolated, "PATH"))
		require.ErrorIs(t, err, os.ErrNotExist, absent)
	}
}

func TestIsolateLive(t *testing.T) {
	t.Parallel()
	variables := machine(t)
	printsSettings := "#!/bin/sh\nprintf '%s\\n' /other-cache /modules /go /settings\n"
	require.NoError(t, os.WriteFile(filepath.Join(value(variables, "HOME"), "go"), []byte(printsSettings), 0o755))
	docker := filepath.Join(value(variables, "HOME"), ".docker")
	require.NoError(t, os.Mkdir(docker, 0o700))

	isolated, err := isolateLive(variables, t.TempDir())
	require.NoError(t, err)
	assert.Equal(t, value(variables, "PATH"), value(isolated, "PATH"))
	assert.Equal(t, "tcp://192.0.2.1:2375", value(isolated, "DOCKER_HOST"))
	assert.Equal(t, docker, value(isolated, "DOCKER_CONFIG"))
	assert.Equal(t, "/cache", value(isolated, "GOCACHE"))
	assert.Equal(t, "http://192.0.2.1:3128", value(isolated, "HTTPS_PROXY"))
	assert.Equal(t, "/modules", value(isolated, "GOMODCACHE"))
	assert.NotEqual(t, value(variables, "HOME"), value(isolated, "HOME"))
	for _, absent := range []string{"KUBECONFIG", "PULUMI_HOME", "PULUMI_ACCESS_TOKEN", "OTEL_EXPORTER_OTLP_ENDPOINT", "TRACEPARENT"} {
		assert.Empty(t, value(isolated, absent), absent)
	}
}

// tests stands for a suite and records the environment it runs in.
type tests struct {
	path, variable string
	original       []byte
	err            error
}

const variable = "PULUMI_ENVIRONMENT_TEST"

func (s *tests) Run() int {
	s.path, s.variable = os.Getenv("PATH"), os.Getenv(variable)
	s.original, s.err = Command("sh", "-c", "printf %s \"$PATH\"").Output()
	return 7
}

func TestRun(t *testing.T) {
	before := os.Environ()
	t.Cleanup(func() { require.NoError(t, replace(before)) })
	t.Setenv(variable, "set")
	recorded := &tests{}
	assert.Equal(t, 7, Run(recorded, "go"))
	assert.NotEmpty(t, recorded.path)
	assert.NoDirExists(t, recorded.path, "the folder is removed with the suite")
	assert.Empty(t, recorded.variable)
	require.NoError(t, recorded.err)
	assert.Equal(t, value(before, "PATH"), string(recorded.original), "commands that compile keep the environment")
}
