package stacks_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/stacks"
)

func TestBaseImageIsTheOfficialOneUnlessReplaced(t *testing.T) {
	t.Parallel()

	stack, err := stacks.New("kubetracing", "dev", section("cluster", `{"kubernetes": "v1.36.2+k3s1"}`))
	require.NoError(t, err)
	assert.Equal(t, "v1.36.2+k3s1", stack.Release.Kubernetes)
	assert.Equal(t, "rancher/k3s:v1.36.2-k3s1", stack.BaseImage())

	stack, err = stacks.New("kubetracing", "dev",
		section("cluster", `{"kubernetes": "v1.36.2+k3s1", "image": "registry.test/k3s:v1.36.2-k3s1"}`))
	require.NoError(t, err)
	assert.Equal(t, "registry.test/k3s:v1.36.2-k3s1", stack.BaseImage())
	assert.Equal(t, "v1.36.2+k3s1", stack.Release.Kubernetes, "the rules follow the version, not the image")
}

func TestClusterSpecTakesEverySetting(t *testing.T) {
	t.Parallel()

	stack, err := stacks.New("kubetracing", "sampled", map[string]string{
		"kubetracing:cluster":  `{"kubernetes": "1.31", "servers": 3, "agents": 2, "apiPort": 7550}`,
		"kubetracing:sampling": `{"apiserver": 1, "etcd": 2, "kubelet": 3, "runtime": 4, "collector": 5}`,
	})
	require.NoError(t, err)
	release, err := tracing.ResolveRelease("1.31")
	require.NoError(t, err)
	assert.Equal(t, tracing.ClusterSpec{
		Name:         "kubetracing-sampled",
		Release:      release,
		NodeImage:    "sha256:node",
		Servers:      3,
		Agents:       2,
		Network:      "kubetracing-sampled",
		Receiver:     tracing.CollectorAlias,
		ConfigVolume: "kubetracing-sampled-tracing",
		APIPort:      7550,
		OwnerLabel:   "kubetracing.stack=kubetracing/sampled",
		Sampling:     tracing.Sampling{APIServer: 1, Etcd: 2, Kubelet: 3, Runtime: 4, Collector: 5},
	}, stack.ClusterSpec("sha256:node"))
}

func TestCollectorSpecTakesEverySetting(t *testing.T) {
	t.Parallel()

	stack, err := stacks.New("kubetracing", "dev", map[string]string{
		"kubetracing:sampling": `{"collector": 250000}`,
		"kubetracing:collector": `{"debug": true, "exporters": [
			{"name": "tempo", "protocol": "grpc", "endpoint": "tempo:4317", "insecure": true}]}`,
	})
	require.NoError(t, err)
	assert.Equal(t, tracing.CollectorSpec{
		SamplingRate: 250_000,
		Debug:        true,
		Exporters:    []tracing.OTLPExporter{{Name: "tempo", Protocol: "grpc", Endpoint: "tempo:4317", Insecure: true}},
	}, stack.CollectorSpec())
}

func TestOpenReadsTheUsersExpectations(t *testing.T) {
	t.Parallel()

	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "mine.yaml"), []byte("- {name: mine, spans: [{service: shop}]}"), 0o600))
	want := []verify.Expectation{{Name: "mine", Spans: []verify.SpanMatch{{Service: "shop"}}}}
	for _, file := range []string{"mine.yaml", filepath.Join(root, "mine.yaml")} {
		stack, err := stacks.Open(root, "kubetracing", "dev", section("verify", `{"expectations": "`+file+`"}`))
		require.NoError(t, err)
		assert.Equal(t, want, stack.Expectations)
	}
	stack, err := stacks.Open(root, "kubetracing", "dev", nil)
	require.NoError(t, err)
	assert.Empty(t, stack.Expectations)
}

func TestOpenReportsMistakesOfTheExpectationsWithAllOthers(t *testing.T) {
	t.Parallel()

	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "mine.yaml"), []byte("- {name: mine}"), 0o600))
	_, err := stacks.Open(root, "kubetracing", "dev", map[string]string{
		"kubetracing:verify": `{"expectations": "mine.yaml"}`, "kubetracing:cluster": `{"servers": 0}`,
	})
	require.EqualError(t, err, "the stack configuration has 2 mistakes:\n"+
		"  - kubetracing:cluster.servers: 0: must be at least 1\n"+
		"  - kubetracing:verify.expectations: mine.yaml: read expectations: [0].spans: must name at least one span")

	_, err = stacks.Open(root, "kubetracing", "dev", section("verify", `{"expectations": "none.yaml"}`))
	require.ErrorContains(t, err, "kubetracing:verify.expectations: none.yaml: must be a file; relative paths are below the project's root")
	_, err = stacks.Open(root, "kubetracing", "dev", section("verify", `{"expectations": "."}`))
	require.ErrorContains(t, err, "kubetracing:verify.expectations: .: must be readable: ")
}
