package cluster_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/cluster"
	"github.com/kubetracing/kubetracing/components/internal/enginetest"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
)

func TestNodeConfig(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.spec.Agents = 1
	rendered, err := tracing.RenderCluster(p.spec)
	require.NoError(t, err)
	want := map[string]string{}
	for _, file := range rendered.Node {
		want[file.Name] = file.Content
	}
	require.Len(t, want, 7)

	recorded := p.record(t)
	files := recorded.One(t, enginetest.Command, "node-config-files")
	assert.Equal(t, spec.NodeFiles{Volume: "traced-tracing", Image: "busybox:1.37.0", Files: want}, enginetest.Document[spec.NodeFiles](t, files))
	assert.Equal(t, map[string]string{spec.StateVariable: enginetest.State}, files.Environment(t))
	assert.Equal(t, "../bin/kubetracing nodes write", files.Input("create"))
	assert.Equal(t, files.Input("create"), files.Input("update"), "changed files are written again in place")
	assert.Nil(t, files.Input("delete"))
	assert.Equal(t, []any{"node-config-volume-id"}, files.Input("triggers"), "a new volume is empty")
	files.AssertChildOf(t, "NodeConfig", "node-config")

	volume := recorded.One(t, enginetest.Volume, "node-config-volume")
	assert.Equal(t, map[string]any{"name": "traced-tracing", "labels": enginetest.Labels()}, volume.Plain())
	assert.True(t, volume.RegisterRPC.GetDeleteBeforeReplace(), "its name is fixed")
	volume.AssertChildOf(t, "NodeConfig", "node-config")
}

// Only root in a node reads what must not be shown: it is in no document, no digest and
// no plain input.
func TestNodeConfig_Secrets(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.spec.Pulls.Registries = []tracing.Registry{{Name: "docker.io", Username: "me", Password: "hunter2"}}
	rendered, err := tracing.RenderCluster(p.spec)
	require.NoError(t, err)
	digest, err := cluster.Digest(rendered.Node)
	require.NoError(t, err)

	recorded := &enginetest.Recorder{Stdout: map[string]string{"node-config-files": "RANDOM"}}
	require.NoError(t, recorded.Run(func(ctx *pulumi.Context) error { return p.compose(ctx, "") }))
	files := recorded.One(t, enginetest.Command, "node-config-files")
	assert.NotContains(t, files.Text(t, "stdin"), "hunter2")
	assert.NotContains(t, enginetest.Document[spec.NodeFiles](t, files).Files, "registries.yaml")
	secret := files.Inputs["environment"].ObjectValue()[spec.NodeSecretsVariable]
	require.True(t, secret.IsSecret())
	assert.JSONEq(t, `{"registries.yaml": "configs:\n  registry-1.docker.io:\n    auth:\n      password: hunter2\n      username: me\n"}`,
		secret.SecretValue().Element.StringValue())

	environment := recorded.One(t, enginetest.Command, "cluster-k3d").Inputs["environment"].ObjectValue()
	assert.Equal(t, digest+" RANDOM", environment[spec.NodeConfigVariable].StringValue(), "nodes restart whenever secrets were written")

	p.spec.Pulls.Registries[0].Password = "hunter3"
	rendered, err = tracing.RenderCluster(p.spec)
	require.NoError(t, err)
	other, err := cluster.Digest(rendered.Node)
	require.NoError(t, err)
	assert.Equal(t, digest, other, "nobody can try passwords on it")
}

func TestDigest(t *testing.T) {
	t.Parallel()
	digest := func(files ...tracing.File) string {
		digest, err := cluster.Digest(files)
		require.NoError(t, err)
		return digest
	}
	one := digest(tracing.File{Name: "a", Content: "b"})
	assert.Regexp(t, `^[0-9a-f]{12}$`, one)
	assert.Equal(t, one, digest(tracing.File{Name: "a", Content: "b"}))
	assert.NotEqual(t, one, digest(tracing.File{Name: "a", Content: "c"}))
	assert.NotEqual(t, one, digest(tracing.File{Name: "ab", Content: ""}))
	assert.NotEqual(t, one, digest(tracing.File{Name: "a", Content: "b"}, tracing.File{Name: "c"}))
}

func TestCluster_Lifecycle(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.spec.Servers, p.spec.Agents = 2, 1
	files, err := tracing.RenderCluster(p.spec)
	require.NoError(t, err)
	digest, err := cluster.Digest(files.Node)
	require.NoError(t, err)

	recorded := p.record(t)
	identity, ok := recorded.One(t, enginetest.Provider, "cluster-kubernetes").Input("clusterIdentifier").(string)
	require.True(t, ok)
	command := recorded.One(t, enginetest.Command, "cluster-k3d")
	document := enginetest.Document[spec.Cluster](t, command)
	var got, want any
	require.NoError(t, json.Unmarshal(document.K3d, &got))
	require.NoError(t, yaml.Unmarshal([]byte(files.K3d), &want))
	assert.Equal(t, want, got)
	document.K3d = nil
	assert.Equal(t, spec.Cluster{
		Name: "traced", Stack: enginetest.Stack, Network: "traced",
		Nodes: []spec.Node{
			{Container: "k3d-traced-server-0", Server: true, Address: "10.112.4.16"},
			{Container: "k3d-traced-server-1", Server: true, Address: "10.112.4.17"},
			{Container: "k3d-traced-agent-0", Address: "10.112.4.18"},
		},
		Runtime: spec.Runtime{Name: "containerd", Receiver: "otel-collector:4317"},
	}, document)
	assert.NotContains(t, command.Text(t, "stdin"), enginetest.State, "the identity would hide the document from the first preview")
	assert.Equal(t, map[string]string{spec.StateVariable: enginetest.State, spec.NodeConfigVariable: digest}, command.Environment(t))
	assert.Equal(t, "../bin/kubetracing cluster create", command.Input("create"))
	assert.Equal(t, "../bin/kubetracing cluster update", command.Input("update"))
	assert.Equal(t, []any{identity}, command.Input("triggers"), "only a digest, so that a diff stays short")
	assert.Regexp(t, `^[0-9a-f]{12}$`, identity)
	assert.Equal(t, "stderr", command.Input("logging"))

	request := command.RegisterRPC
	assert.True(t, request.GetDeleteBeforeReplace(), "or the deletion of the old cluster would delete the new one")
	assert.Equal(t, []string{"triggers[*]"}, request.GetReplaceOnChanges())
	assert.Equal(t, "15m", request.GetCustomTimeouts().GetCreate())
	assert.Equal(t, "15m", request.GetCustomTimeouts().GetUpdate())
	assert.Equal(t, "5m", request.GetCustomTimeouts().GetDelete())
	assert.Subset(t, command.Dependencies(), []string{
		"node-image-build", "node-image-present", "node-config-files", "network-bridge",
	}, "no node starts before its image, its files and its network")
	command.AssertChildOf(t, "Cluster", "cluster")
}

func TestCluster_Lifecycle_CRIO(t *testing.T) {
	t.Parallel()
	command := newCRIO(t, tracing.OCIRunc, tracing.OCICrun).record(t).One(t, enginetest.Command, "cluster-k3d")
	assert.Equal(t, spec.Runtime{Name: "crio", Handlers: []string{"runc", "crun"}, Receiver: "otel-collector:4317"},
		enginetest.Document[spec.Cluster](t, command).Runtime)
}

func TestCluster_Changes(t *testing.T) {
	t.Parallel()
	recordWith := func(change func(*tracing.ClusterSpec)) *enginetest.Recorder {
		p := newProgram(t)
		change(&p.spec)
		return p.record(t)
	}
	before := recordWith(func(*tracing.ClusterSpec) {})
	for name, test := range map[string]struct {
		change             func(*tracing.ClusterSpec)
		replaced, restarts bool
	}{
		"a sampling rate restarts the nodes":      {func(s *tracing.ClusterSpec) { s.Sampling.Kubelet = 10 }, false, true},
		"the API port replaces the cluster":       {func(s *tracing.ClusterSpec) { s.APIPort = 6551 }, true, false},
		"another node image replaces the cluster": {func(s *tracing.ClusterSpec) { s.NodeImage = "traced-node:x" }, true, false},
		"another node replaces the cluster":       {func(s *tracing.ClusterSpec) { s.Agents = 1 }, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := recordWith(test.change)
			triggers := func(r *enginetest.Recorder) any { return r.One(t, enginetest.Command, "cluster-k3d").Input("triggers") }
			config := func(r *enginetest.Recorder) string {
				return r.One(t, enginetest.Command, "cluster-k3d").Environment(t)[spec.NodeConfigVariable]
			}
			assert.Equal(t, test.replaced, !assert.ObjectsAreEqual(triggers(before), triggers(after)))
			assert.Equal(t, test.restarts, config(before) != config(after))
		})
	}
}

func TestCluster_Kubeconfig(t *testing.T) {
	t.Parallel()
	recorded := &enginetest.Recorder{Stdout: map[string]string{"cluster-kubeconfig": "client-key-data: c2VjcmV0"}}
	require.NoError(t, recorded.Run(func(ctx *pulumi.Context) error { return newProgram(t).compose(ctx, "") }))

	command := recorded.One(t, enginetest.Command, "cluster-kubeconfig")
	assert.Equal(t, "../bin/kubetracing cluster kubeconfig traced", command.Input("create"))
	assert.Equal(t, "none", command.Input("logging"))
	assert.Equal(t, false, command.Input("addPreviousOutputInEnv"))
	assert.Equal(t, []any{"cluster-k3d-id"}, command.Input("triggers"), "a rebuilt cluster has new certificates")
	assert.Equal(t, []string{"stdout"}, command.RegisterRPC.GetAdditionalSecretOutputs())
	command.AssertChildOf(t, "Cluster", "cluster")

	provider := recorded.One(t, enginetest.Provider, "cluster-kubernetes")
	require.True(t, provider.Inputs["kubeconfig"].IsSecret())
	assert.Equal(t, "client-key-data: c2VjcmV0", provider.Input("kubeconfig"))
	provider.AssertChildOf(t, "Cluster", "cluster")
	for _, registration := range recorded.All() {
		for key, value := range registration.Inputs {
			if value.ContainsSecrets() {
				assert.Equal(t, "cluster-kubernetes kubeconfig", registration.Name+" "+string(key), "the kubeconfig is used nowhere else")
			}
		}
	}
}

func TestCluster_Provider(t *testing.T) {
	t.Parallel()
	recorded := newProgram(t).record(t)
	provider := recorded.One(t, enginetest.Provider, "cluster-kubernetes")
	triggers := recorded.One(t, enginetest.Command, "cluster-k3d").Input("triggers")
	assert.Equal(t, []any{provider.Input("clusterIdentifier")}, triggers,
		"it is replaced exactly when the cluster is")
	assert.Equal(t, true, provider.Input("deleteUnreachable"))
	assert.Equal(t, true, provider.Input("upsertExistingObjects"))
}

func TestRuntimeClasses(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.spec.Runtime.Classes = []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCICrun}
	recorded := p.record(t)
	assert.Equal(t, []string{"runtime-classes-crun", "runtime-classes-runc"}, recorded.Names(enginetest.RuntimeClass))
	class := recorded.One(t, enginetest.RuntimeClass, "runtime-classes-crun")
	assert.Equal(t, map[string]any{
		"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "crun",
		"metadata": map[string]any{"name": "crun", "annotations": map[string]any{"kubetracing/cluster": "cluster-k3d-id"}},
	}, class.Plain())
	request := class.RegisterRPC
	assert.Equal(t, []string{"cluster-k3d"}, class.PropertyDependencies("metadata"),
		"deleted after the cluster, it would be asked of the new one with the old certificates")
	assert.Equal(t, []string{"metadata"}, request.GetReplaceOnChanges())
	assert.True(t, request.GetDeleteBeforeReplace(), "its name is fixed")
	assert.Contains(t, class.Dependencies(), "cluster-k3d")
	assert.True(t, strings.HasSuffix(request.GetDeletedWith(), "::cluster-k3d"), request.GetDeletedWith())
	assert.Contains(t, request.GetProvider(), "::cluster-kubernetes::")
	class.AssertChildOf(t, "RuntimeClasses", "runtime-classes")
}

func TestCluster_Delete(t *testing.T) {
	t.Parallel()
	remove := newProgram(t).record(t).One(t, enginetest.Command, "cluster-k3d").Text(t, "delete")
	const (
		list = `docker ps --all --filter label=k3d.cluster=traced --format {{.Label "k3d.role"}} {{.Label "kubetracing.state"}}`
		k3d  = "k3d cluster delete traced"
	)
	for name, test := range map[string]struct {
		nodes  []string
		state  string
		calls  []string
		stderr string
		fails  bool
	}{
		"an absent cluster":                              {nil, "STATE", []string{list}, "", false},
		"its own cluster":                                {[]string{"server STATE", "loadbalancer "}, "STATE", []string{list, k3d}, "", false},
		"its own cluster with agents":                    {[]string{"agent STATE", "server STATE", "server STATE"}, "STATE", []string{list, k3d}, "", false},
		"a cluster of another state is left":             {[]string{"server OTHER", "loadbalancer "}, "STATE", []string{list}, "leaving k3d cluster traced alone", false},
		"a cluster without labels is left":               {[]string{"server ", "loadbalancer "}, "STATE", []string{list}, "leaving k3d cluster traced alone", false},
		"a cluster with another's node is left":          {[]string{"server STATE", "server OTHER"}, "STATE", []string{list}, "leaving k3d cluster traced alone", false},
		"a cluster with an agent without labels is left": {[]string{"server STATE", "agent "}, "STATE", []string{list}, "leaving k3d cluster traced alone", false},
		"a cluster without servers is left":              {[]string{"agent STATE", "loadbalancer "}, "STATE", []string{list}, "leaving k3d cluster traced alone", false},
		"an identity of which ours is a prefix":          {[]string{"server STATE2"}, "STATE", []string{list}, "leaving k3d cluster traced alone", false},
		"without an identity nothing is deleted":         {[]string{"server ", "loadbalancer "}, "", []string{""}, "must name the state of the cluster to delete", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enginetest.EveryShell(t, func(t *testing.T, shell *enginetest.Shell) {
				shell.Check(t, remove)
				body := ""
				for _, node := range test.nodes {
					body += "echo '" + node + "'\n"
				}
				shell.Tool(t, "docker", body)
				shell.Tool(t, "k3d", "")
				// The environment may name any cluster.
				got := shell.Run(t, remove, map[string]string{"CLUSTER": "other", spec.StateVariable: test.state})
				assert.Equal(t, test.fails, got.Code != 0, got.Stderr)
				assert.Equal(t, test.calls, shell.Calls(t))
				assert.Contains(t, got.Stderr, test.stderr)
				assert.Empty(t, got.Stdout)
			})
		})
	}
	t.Run("a failed deletion is a failure", func(t *testing.T) {
		t.Parallel()
		enginetest.EveryShell(t, func(t *testing.T, shell *enginetest.Shell) {
			shell.Tool(t, "docker", "echo 'server STATE'")
			shell.Tool(t, "k3d", "exit 5")
			assert.Equal(t, 5, shell.Run(t, remove, map[string]string{spec.StateVariable: "STATE"}).Code)
		})
	})
	t.Run("a Docker daemon that does not answer is not an absent cluster", func(t *testing.T) {
		t.Parallel()
		enginetest.EveryShell(t, func(t *testing.T, shell *enginetest.Shell) {
			shell.Tool(t, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
			shell.Tool(t, "k3d", "")
			got := shell.Run(t, remove, map[string]string{spec.StateVariable: "STATE"})
			assert.NotZero(t, got.Code, "or the stack would forget a cluster that still runs")
			assert.Contains(t, got.Stderr, "Cannot connect to the Docker daemon")
			assert.Len(t, shell.Calls(t), 1)
		})
	})
}
