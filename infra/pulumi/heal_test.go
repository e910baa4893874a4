package pulumi_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
	"github.com/kubetracing/kubetracing/infra/pulumi"
)

func TestDrift_Unpause(t *testing.T) {
	t.Parallel()
	runner := dockertest.New(t)
	runner.On(dockertest.Command("docker unpause kubetracing-dev-jaeger "+agent), dockertest.Answer{})
	snapshot := with(with(completeSnapshot(), "kubetracing-dev-jaeger", docker.State{Status: "paused"}), agent, docker.State{Status: "paused"})
	found := pulumi.FindDrift(completeState(t), snapshot, names)
	require.NoError(t, found.Unpause(t.Context(), runner.Client()))
	assert.Len(t, runner.Lines(), 1)

	runner.On(dockertest.Command("docker unpause "+dockertest.Rest), dockertest.Fail("it does not want to"))
	require.ErrorContains(t, found.Unpause(t.Context(), runner.Client()), "it does not want to")
}

func TestDrift_heals_nothing_that_runs(t *testing.T) {
	t.Parallel()
	// It knows no command: each would be an error.
	client := dockertest.New(t).Client()
	found := pulumi.FindDrift(completeState(t), completeSnapshot(), names)
	require.NoError(t, found.Unpause(t.Context(), client))
	require.NoError(t, found.StartNodes(t.Context(), client, completeState(t), t.Output()))
	assert.Empty(t, found.UpFlags())
}

// stopped returns the drift of a cluster whose nodes do not run, in a Docker.
func stopped(t *testing.T) (pulumi.Drift, *dockertest.Runner) {
	t.Helper()
	snapshot := completeSnapshot()
	for _, name := range []string{server, agent, balancer} {
		snapshot = with(snapshot, name, docker.State{Status: "exited"})
	}
	runner := dockertest.New(t)
	dockertest.NewWorld(runner).Set(snapshot.Nodes...)
	return pulumi.FindDrift(completeState(t), snapshot, names), runner
}

func TestDrift_StartNodes_that_do_not_come_back(t *testing.T) {
	t.Parallel()
	found, runner := stopped(t)
	runner.On(dockertest.Command("docker start "+dockertest.Rest), dockertest.Fail("network is gone"))
	var printed strings.Builder
	require.NoError(t, found.StartNodes(t.Context(), runner.Client(), completeState(t), &printed))
	assert.Contains(t, printed.String(), "network is gone")
	assert.True(t, strings.HasSuffix(printed.String(),
		"kubetracing: the nodes do not come back: the cluster is created again, with everything in it\n"), printed.String())
	assert.Equal(t, []string{"--replace", "urn::cluster-k3d"}, found.UpFlags())
}

func TestDrift_StartNodes_of_another_version(t *testing.T) {
	t.Parallel()
	found, runner := stopped(t)
	var printed strings.Builder
	require.NoError(t, found.StartNodes(t.Context(), runner.Client(), pulumi.State{}, &printed))
	assert.Equal(t, "kubetracing: the cluster was created by another version of kubetracing\n"+
		"kubetracing: the nodes do not come back: the cluster is created again, with everything in it\n", printed.String())
	assert.Empty(t, runner.Lines())
}
