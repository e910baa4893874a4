package conformance

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// k3dNode is a node that k3d would create.
type k3dNode struct {
	Name    string            `json:"name"`
	Role    string            `json:"role"`
	Image   string            `json:"image"`
	Volumes []string          `json:"volumes"`
	Env     []string          `json:"env"`
	Args    []string          `json:"args"`
	Labels  map[string]string `json:"labels"`
}

// checkK3d checks the nodes that k3d would create.
func checkK3d(t *testing.T, reader reader, files rendered) {
	output, err := reader.read(t, files.k3d)
	require.NoError(t, err)
	var planned []k3dNode
	require.NoError(t, json.Unmarshal(output, &planned))

	byName := map[string]k3dNode{}
	for _, node := range planned {
		if node.Role != "loadbalancer" {
			byName[node.Name] = node
		}
	}
	configFiles := map[string]string{"server": tracing.FileK3sServer, "agent": tracing.FileK3sAgent}
	for _, wanted := range files.spec.Nodes() {
		require.Contains(t, byName, wanted.Container)
		node := byName[wanted.Container]
		assert.Equal(t, files.spec.NodeImage, node.Image)
		assert.Contains(t, node.Volumes, files.spec.ConfigVolume+":"+tracing.ConfigDirectory+":ro")
		assert.Contains(t, node.Env, "K3S_CONFIG_FILE="+tracing.ConfigDirectory+"/"+configFiles[node.Role])
		assert.Contains(t, node.Env,
			"OTEL_RESOURCE_ATTRIBUTES=k8s.cluster.name="+files.spec.Name+",k8s.node.name="+wanted.Container)
		assert.Equal(t, "conformance", node.Labels["kubetracing.stack"])
		if node.Role == "server" && files.spec.Servers == 1 && files.spec.EmbeddedEtcd() {
			assert.Contains(t, node.Args, "--cluster-init")
		}
	}
	assert.Len(t, byName, len(files.spec.Nodes()))
}
