package drift_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/drift"
)

func creating(kind, key, name string) drift.Resource {
	return drift.Resource{URN: "urn::" + name, Type: kind, Inputs: map[string]any{key: name}}
}

// interrupted is the state of an update that was killed while it created one of each.
var interrupted = drift.State{Creating: []drift.Resource{
	creating("docker:index/image:Image", "imageName", "node:1"),
	creating("docker:index/network:Network", "name", "net"),
	creating("docker:index/container:Container", "name", "jaeger"),
	creating("docker:index/volume:Volume", "name", "vol"),
	creating("command:local:Command", "create", "cluster-k3d"),
}}

func TestWhatAKilledUpdateWasCreatingIsRemoved(t *testing.T) {
	const ours = " --filter label=kubetracing.stack=kubetracing/dev"
	m := newMachine(t, `case "$*" in
"ps --all --quiet`+ours+` --filter name=^jaeger$") echo jjj ;;
"network ls --quiet`+ours+` --filter name=^net$") echo nnn ;;
"volume ls --quiet`+ours+` --filter name=^vol$") echo vol ;;
"image ls --quiet`+ours+` --filter reference=node:1") echo iii ;;
*" ls "*) exit 64 ;;
esac`)
	require.NoError(t, drift.Reclaim(t.Context(), interrupted, names))
	assert.Equal(t, []string{"docker rm --force --volumes jjj", "docker network rm nnn", "docker volume rm vol", "docker image rm --force iii"}, m.calls(t))
}

func TestWhatIsNotThereOrNotOursIsLeftAlone(t *testing.T) {
	m := newMachine(t, "")
	require.NoError(t, drift.Reclaim(t.Context(), interrupted, names))
	require.NoError(t, drift.Reclaim(t.Context(), wholeState(), names))
	assert.Empty(t, m.calls(t))
}

func TestWhatCannotBeReclaimedIsTold(t *testing.T) {
	newMachine(t, `case "$*" in "network ls"*) echo nnn ;; "network rm"*) echo "it is in use" >&2; exit 1 ;; esac`)
	assert.EqualError(t, drift.Reclaim(t.Context(), interrupted, names), "docker network: exit status 1: it is in use")
}

func TestAClusterThatPulumiDoesNotKnowIsRemoved(t *testing.T) {
	m := newMachine(t, cluster)
	var said strings.Builder
	require.NoError(t, drift.RemoveCluster(t.Context(), drift.State{}, wholeWorld(), names, &said))
	assert.Equal(t, []string{"k3d cluster delete kubetracing-dev"}, m.calls(t))

	m.tool(t, "k3d", "echo 'it cannot be' >&2; exit 1")
	err := drift.RemoveCluster(t.Context(), drift.State{}, wholeWorld(), names, &said)
	require.EqualError(t, err, "remove what an interrupted update left of cluster kubetracing-dev: exit status 1")
	assert.Contains(t, said.String(), "it cannot be")
}

func TestAClusterThatPulumiKnowsIsPulumis(t *testing.T) {
	m := newMachine(t, cluster)
	require.NoError(t, drift.RemoveCluster(t.Context(), wholeState(), wholeWorld(), names, t.Output()))
	others := remove(wholeWorld(), "k3d-kubetracing-dev-server-0", "k3d-kubetracing-dev-agent-0", "k3d-kubetracing-dev-serverlb", "k3d-kubetracing-dev-tools")
	require.NoError(t, drift.RemoveCluster(t.Context(), drift.State{}, others, names, t.Output()))
	assert.Empty(t, m.calls(t))
}
