package cluster_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/backend"
	"github.com/kubetracing/kubetracing/components/cluster"
	"github.com/kubetracing/kubetracing/components/internal/enginetest"
	"github.com/kubetracing/kubetracing/components/tracing"
)

// program describes one of each component that makes a cluster.
type program struct {
	spec       tracing.ClusterSpec
	bundle     *cluster.Bundle
	ociBundles map[tracing.OCIRuntime]cluster.Bundle
	monitor    *cluster.Monitor
	// base is the id of the base image.
	base string
}

func newProgram(t *testing.T) program {
	t.Helper()
	return program{spec: enginetest.ClusterSpec(t, "1.37")}
}

// newCRIO returns a cluster with the CRI-O of Kubernetes 1.34.
func newCRIO(t *testing.T, standard tracing.OCIRuntime, classes ...tracing.OCIRuntime) program {
	t.Helper()
	p := program{spec: enginetest.ClusterSpec(t, "1.34")}
	release, published := p.spec.Release.CRIORelease()
	require.True(t, published)
	p.spec.Runtime = tracing.Runtime{Name: tracing.RuntimeCRIO, CRIO: release, Default: standard, Classes: classes}
	return p
}

func (p program) image() cluster.NodeImageSpec {
	return cluster.NodeImageSpec{
		Repository: "traced-node", Stack: enginetest.Stack, Base: p.spec.Release.Image,
		Runtime: p.spec.Runtime, Containerd: p.spec.Release.ContainerdRelease(),
		Bundle: p.bundle, Monitor: p.monitor, OCIBundles: p.ociBundles,
	}
}

// compose creates the components; all names begin with prefix.
func (p program) compose(ctx *pulumi.Context, prefix string) error {
	files, err := tracing.RenderCluster(p.spec)
	if err != nil {
		return err
	}
	network, err := backend.NewNetwork(ctx, prefix+"network", backend.NetworkArgs{
		Name: p.spec.Network, Subnet: p.spec.Subnet, Owner: enginetest.Owner(),
	})
	if err != nil {
		return err
	}
	image, err := cluster.NewNodeImage(ctx, prefix+"node-image", cluster.NodeImageArgs{
		Program: enginetest.Program, Spec: p.image(), Tag: cluster.NodeImageTag{Reference: p.spec.NodeImage, Base: p.base}, Sources: "../sources", Root: "../project",
		Owner: enginetest.Owner(),
	})
	if err != nil {
		return err
	}
	config, err := cluster.NewNodeConfig(ctx, prefix+"node-config", cluster.NodeConfigArgs{
		Program: enginetest.Program, VolumeName: p.spec.ConfigVolume, Files: files.Node, Owner: enginetest.Owner(),
	})
	if err != nil {
		return err
	}
	created, err := cluster.New(ctx, prefix+"cluster", cluster.Args{
		Program: enginetest.Program, Spec: p.spec, Files: files, NodeImage: image, NodeConfig: config, Network: network,
		Owner: enginetest.Owner(),
	})
	if err != nil {
		return err
	}
	_, err = cluster.NewRuntimeClasses(ctx, prefix+"runtime-classes", cluster.RuntimeClassesArgs{
		Cluster: created, Classes: p.spec.Runtime.Classes,
	})
	return err
}

func (p program) record(t *testing.T) *enginetest.Recorder {
	t.Helper()
	return enginetest.Record(t, func(ctx *pulumi.Context) error { return p.compose(ctx, "") })
}

// newBundle returns a directory whose containerd has some content.
func newBundle(t *testing.T, content string) (directory string) {
	t.Helper()
	directory = t.TempDir()
	writeBundle(t, directory, content)
	return directory
}

func writeBundle(t *testing.T, directory, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(directory, "bin"), 0o755))
	for _, name := range []string{"containerd", "containerd-shim-runc-v2"} {
		require.NoError(t, os.WriteFile(filepath.Join(directory, "bin", name), []byte(content), 0o755))
	}
}

func TestComponents_TwoInstances(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.spec.Runtime.Classes = []tracing.OCIRuntime{tracing.OCICrun}
	recorded := enginetest.Record(t, func(ctx *pulumi.Context) error {
		return errors.Join(p.compose(ctx, "one-"), p.compose(ctx, "two-"))
	})
	recorded.AssertUnique(t)
	for _, kind := range []string{"NodeImage", "NodeConfig", "Cluster", "RuntimeClasses"} {
		assert.Len(t, recorded.Names("kubetracing:components:"+kind), 2, kind)
	}
}

func TestComponents_Preview(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.spec.Runtime.Classes = []tracing.OCIRuntime{tracing.OCICrun}
	previewed := enginetest.Preview(t, func(ctx *pulumi.Context) error { return p.compose(ctx, "") })
	assert.Equal(t, p.record(t).URNs(), previewed.URNs(), "nothing is hidden by an unknown value")
	triggers, ok := previewed.One(t, enginetest.Command, "cluster-k3d").Input("triggers").([]any)
	require.True(t, ok)
	assert.NotContains(t, triggers, nil, "what replaces the cluster is known")
}

func TestComponents_Inputs(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.spec.Sampling = tracing.Sampling{APIServer: 1, Etcd: 2, Kubelet: 3, Runtime: 4}
	recorded := p.record(t)
	assert.Equal(t, map[string]any{
		"kubernetes": p.spec.Release.Kubernetes, "runtime": "containerd", "oci": "runc", "servers": 1.0, "agents": 0.0,
		"samplingRatePerMillion": map[string]any{"apiserver": 1.0, "etcd": 2.0, "kubelet": 3.0, "runtime": 4.0},
	}, recorded.Component(t, "Cluster", "cluster").Plain())
	assert.Equal(t, map[string]any{
		"base": p.spec.Release.Image, "containerd": p.spec.Release.ContainerdRelease().Version,
	}, recorded.Component(t, "NodeImage", "node-image").Plain())
	assert.Equal(t, map[string]any{"volume": "traced-tracing"}, recorded.Component(t, "NodeConfig", "node-config").Plain())
	assert.Equal(t, map[string]any{
		"base": newCRIO(t, tracing.OCIRunc).spec.Release.Image, "crio": newCRIO(t, tracing.OCIRunc).spec.Runtime.CRIO.Version,
	}, newCRIO(t, tracing.OCIRunc).record(t).Component(t, "NodeImage", "node-image").Plain())
}
