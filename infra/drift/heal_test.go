package drift_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/drift"
)

// cluster is a docker with a stopped cluster of two nodes that answer once they are
// started.
const cluster = `case "$*" in
*"label=k3d.role=server"*"{{.Names}}"*) echo k3d-kubetracing-dev-server-0 ;;
*"label=k3d.role=server"*) echo owner=kubetracing/dev ;;
"ps "*) printf 'k3d-kubetracing-dev-server-0\nk3d-kubetracing-dev-agent-0\n' ;;
*RestartCount*) echo 0 ;;
*"kubectl get nodes"*) printf 'k3d-kubetracing-dev-server-0 Ready\nk3d-kubetracing-dev-agent-0 Ready\n' ;;
esac`

func stopped() drift.Drift {
	world := become(wholeWorld(), "k3d-kubetracing-dev-server-0", "exited", "Exited (0)")
	return drift.Find(wholeState(), become(world, "k3d-kubetracing-dev-agent-0", "exited", "Exited (0)"), names)
}

func TestStoppedNodesAreStartedAndMustTraceAgain(t *testing.T) {
	m := newMachine(t, cluster)
	found := stopped()
	var said strings.Builder
	require.NoError(t, found.StartNodes(t.Context(), names, &said))
	assert.Subset(t, m.calls(t), []string{"docker start k3d-kubetracing-dev-server-0", "docker start k3d-kubetracing-dev-agent-0"})
	assert.Equal(t, "kubetracing: starting k3d-kubetracing-dev-server-0\nkubetracing: starting k3d-kubetracing-dev-agent-0\n"+
		"kubetracing: waiting for 2 answering node(s)\nkubetracing: waiting for 2 ready node(s)\n", said.String())
	assert.Equal(t, []string{"--replace", "urn::verification-services"}, found.UpFlags())
}

func TestAClusterWhoseNodesDoNotComeBackIsCreatedAgain(t *testing.T) {
	newMachine(t, `case "$1" in start) echo "network is gone" >&2; exit 1 ;; esac
`+cluster)
	found := stopped()
	var said strings.Builder
	require.NoError(t, found.StartNodes(t.Context(), names, &said))
	assert.Contains(t, said.String(), "network is gone\n"+
		"kubetracing: the nodes of cluster kubetracing-dev do not come back: it is created again, with everything in it\n")
	assert.Equal(t, []string{"--replace", "urn::cluster-k3d"}, found.UpFlags())
}

func TestWhatIsPausedGoesOn(t *testing.T) {
	m := newMachine(t, "")
	found := drift.Find(wholeState(), become(wholeWorld(), "kubetracing-dev-jaeger", "paused", ""), names)
	require.NoError(t, found.Unpause(t.Context()))
	assert.Equal(t, []string{"docker unpause kubetracing-dev-jaeger"}, m.calls(t))

	newMachine(t, "echo 'it does not want to' >&2; exit 1")
	assert.EqualError(t, found.Unpause(t.Context()), "docker unpause: exit status 1: it does not want to")
}

func TestNothingIsDoneAboutWhatRuns(t *testing.T) {
	m := newMachine(t, "")
	found := drift.Find(wholeState(), wholeWorld(), names)
	require.NoError(t, found.Unpause(t.Context()))
	require.NoError(t, found.StartNodes(t.Context(), names, t.Output()))
	assert.Empty(t, m.calls(t))
	assert.Empty(t, found.UpFlags())
}
