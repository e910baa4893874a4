package plan_test

import (
	"errors"
	"testing"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/infra/plan"
	"github.com/kubetracing/kubetracing/stacks"
)

func newPlan(t *testing.T, compose plan.Compose) plan.Plan {
	t.Helper()
	stack, err := stacks.New("kubetracing", "test", nil)
	require.NoError(t, err)
	planned, err := plan.New("test", stack, compose)
	require.NoError(t, err)
	return planned
}

func TestPlan_Resources(t *testing.T) {
	t.Parallel()
	planned := newPlan(t, func(ctx *pulumi.Context, _ stacks.Stack) error {
		first, err := docker.NewNetwork(ctx, "z", &docker.NetworkArgs{Name: pulumi.String("last")})
		if err != nil {
			return err
		}
		_, err = docker.NewVolume(ctx, "a", &docker.VolumeArgs{Name: pulumi.String("first")}, pulumi.Parent(first))
		return err
	})
	assert.Equal(t, []plan.Resource{
		{Name: "a", Type: "docker:index/volume:Volume", Parent: "z", Inputs: map[string]any{"name": "first"}},
		{Name: "z", Type: "docker:index/network:Network", Parent: "kubetracing-test", Inputs: map[string]any{"name": "last"}},
	}, planned.Resources)
	assert.Equal(t, "test", planned.Stack)
	assert.Equal(t, map[string]string{
		"kubetracing:cluster.apiPort": "127.0.0.1:6550", "kubetracing:jaeger.uiPort": "127.0.0.1:16686",
	}, planned.Ports)
}

func TestPlan_Files(t *testing.T) {
	t.Parallel()
	files, err := spec.Encode(spec.NodeFiles{
		Volume: "v", Image: "busybox", Files: map[string]string{"kubelet.yaml": "kind: KubeletConfiguration\n"},
	})
	require.NoError(t, err)
	planned := newPlan(t, func(ctx *pulumi.Context, _ stacks.Stack) error {
		var problems []error
		for name, stdin := range map[string]string{"text": "what it reads", "json": `{"b":[1],"a":"x"}`, "files": files} {
			_, err := local.NewCommand(ctx, name, &local.CommandArgs{
				Create: pulumi.String("create"), Update: pulumi.String("update"), Delete: pulumi.String("delete"),
				Stdin: pulumi.String(stdin), Environment: pulumi.StringMap{"VOLUME": pulumi.String("v")},
			})
			problems = append(problems, err)
		}
		_, err := docker.NewContainer(ctx, "container", &docker.ContainerArgs{
			Image: pulumi.String("image"),
			Uploads: docker.ContainerUploadArray{docker.ContainerUploadArgs{
				File: pulumi.String("/etc/config"), Content: pulumi.String("uploaded"),
			}},
		})
		return errors.Join(append(problems, err)...)
	})
	assert.Equal(t, map[string]string{
		"text (standard input)":               "what it reads",
		"json (standard input)":               "a: x\nb:\n- 1\n",
		"files (standard input)":              "image: busybox\nvolume: v\n",
		"nodes:/etc/kubetracing/kubelet.yaml": "kind: KubeletConfiguration\n",
		"container:/etc/config":               "uploaded",
	}, planned.Files)
	require.Len(t, planned.Resources, 4)
	assert.Equal(t, map[string]any{"image": "image"}, planned.Resources[0].Inputs)
	for _, command := range planned.Resources[1:] {
		assert.Equal(t, map[string]any{"environment": map[string]any{"VOLUME": "v"}}, command.Inputs, "commands are left out")
	}
}

func TestPlan_Images(t *testing.T) {
	t.Parallel()
	planned := newPlan(t, func(ctx *pulumi.Context, _ stacks.Stack) error {
		var problems []error
		for name, reference := range map[string]string{"one": "z:1", "two": "a:1", "three": "z:1"} {
			_, err := docker.NewRemoteImage(ctx, name, &docker.RemoteImageArgs{Name: pulumi.String(reference)})
			problems = append(problems, err)
		}
		_, err := docker.NewImage(ctx, "node", &docker.ImageArgs{
			ImageName: pulumi.String("node:1"),
			Build: docker.DockerBuildArgs{Args: pulumi.StringMap{
				"BASE": pulumi.String("k3s:1"), "TOOLS": pulumi.String("busybox:1"),
			}},
		})
		return errors.Join(append(problems, err)...)
	})
	assert.Equal(t, []string{"a:1", "busybox:1", "ghcr.io/k3d-io/k3d-tools:" + tracing.K3dRelease, "k3s:1", "node:1 (built)", "z:1"}, planned.Images)
}

func TestPlan_Images_LoadBalancer(t *testing.T) {
	t.Parallel()
	stack, err := stacks.New("kubetracing", "test", map[string]string{"kubetracing:cluster": `{"servers":2}`})
	require.NoError(t, err)
	planned, err := plan.New("test", stack, func(*pulumi.Context, stacks.Stack) error { return nil })
	require.NoError(t, err)
	assert.Equal(t, []string{"ghcr.io/k3d-io/k3d-proxy:" + tracing.K3dRelease, "ghcr.io/k3d-io/k3d-tools:" + tracing.K3dRelease}, planned.Images,
		"k3d balances the load of several servers")
}

func TestPlan_Secrets(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	hidden := pulumi.ToSecret(pulumi.String(secret)).(pulumi.StringOutput)
	planned := newPlan(t, func(ctx *pulumi.Context, _ stacks.Stack) error {
		_, err := local.NewCommand(ctx, "command", &local.CommandArgs{
			Stdin:       hidden,
			Environment: pulumi.StringMap{"TOKEN": hidden, "PLAIN": pulumi.String("plain")},
			Triggers:    pulumi.Array{hidden},
		})
		return err
	})
	text, err := planned.YAML()
	require.NoError(t, err)
	assert.NotContains(t, string(text), secret)
	assert.Contains(t, string(text), "[secret]")
	assert.Contains(t, string(text), "PLAIN: plain")
}

func TestPlan_YAML(t *testing.T) {
	t.Parallel()
	text, err := plan.Plan{
		Stack: "test", Kubernetes: "v1.37.0+k3s1", Notes: []string{"No spans."}, Images: []string{"image"},
		Ports:     map[string]string{"jaeger.uiPort": "127.0.0.1:1"},
		Files:     map[string]string{"file": "one\ntwo\n"},
		Resources: []plan.Resource{{Name: "name", Type: "type", Parent: "parent", Inputs: map[string]any{"b": 1, "a": true}}},
	}.YAML()
	require.NoError(t, err)
	assert.Equal(t, `stack: test
kubernetes: v1.37.0+k3s1
notes:
- No spans.
images:
- image
ports:
  jaeger.uiPort: 127.0.0.1:1
files:
  file: |
    one
    two
resources:
- inputs:
    a: true
    b: 1
  name: name
  parent: parent
  type: type
`, string(text))
}

func TestNew_Errors(t *testing.T) {
	t.Parallel()
	stack, err := stacks.New("kubetracing", "test", nil)
	require.NoError(t, err)
	_, err = plan.New("test", stack, func(*pulumi.Context, stacks.Stack) error { return errors.New("no such thing") })
	require.ErrorContains(t, err, `plan stack "test"`)
	require.ErrorContains(t, err, "no such thing")

	_, err = plan.New("test", stack, func(ctx *pulumi.Context, _ stacks.Stack) error {
		_, err := docker.LookupNetwork(ctx, &docker.LookupNetworkArgs{Name: "bridge"})
		return err
	})
	require.ErrorContains(t, err, "the provider function docker:index/getNetwork:getNetwork cannot be called offline")
}
