package plan_test

import (
	"errors"
	"testing"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/infra/plan"
	"github.com/kubetracing/kubetracing/stacks"
)

func newPlan(t *testing.T, compose plan.Compose) plan.Plan {
	t.Helper()
	stack, err := stacks.New("kubetracing", "test", nil)
	require.NoError(t, err)
	planned, err := plan.New("kubetracing", "test", stack, compose)
	require.NoError(t, err)
	return planned
}

func TestAPlanListsResourcesByNameWithTheirParents(t *testing.T) {
	t.Parallel()
	planned := newPlan(t, func(ctx *pulumi.Context, _ stacks.Stack) error {
		owner := components.Owner{Label: "owner", Value: "me"}
		subnet, err := tracing.ParseSubnet("10.112.4.0/22")
		if err != nil {
			return err
		}
		_, first := components.NewNetwork(ctx, "z", components.NetworkArgs{Name: "last", Subnet: subnet, Owner: owner})
		_, second := components.NewNetwork(ctx, "a", components.NetworkArgs{Name: "first", Subnet: subnet, Owner: owner})
		return errors.Join(first, second)
	})
	labels := []any{map[string]any{"label": "owner", "value": "me"}}
	ranges := []any{map[string]any{"subnet": "10.112.4.0/22", "gateway": "10.112.4.1", "ipRange": "10.112.6.0/23"}}
	assert.Equal(t, []plan.Resource{
		{Name: "a", Type: "kubetracing:components:Network", Parent: "kubetracing-test", Inputs: map[string]any{"name": "first", "subnet": "10.112.4.0/22"}},
		{Name: "a-bridge", Type: "docker:index/network:Network", Parent: "a",
			Inputs: map[string]any{"name": "first", "driver": "bridge", "ipamConfigs": ranges, "labels": labels}},
		{Name: "z", Type: "kubetracing:components:Network", Parent: "kubetracing-test", Inputs: map[string]any{"name": "last", "subnet": "10.112.4.0/22"}},
		{Name: "z-bridge", Type: "docker:index/network:Network", Parent: "z",
			Inputs: map[string]any{"name": "last", "driver": "bridge", "ipamConfigs": ranges, "labels": labels}},
	}, planned.Resources)
	assert.Equal(t, "test", planned.Stack)
	assert.Equal(t, map[string]string{
		"kubetracing:cluster.apiPort": "127.0.0.1:6550", "kubetracing:jaeger.uiPort": "127.0.0.1:16686",
	}, planned.Ports)
}

func TestAPlanShowsFilesInsteadOfScripts(t *testing.T) {
	t.Parallel()
	planned := newPlan(t, func(ctx *pulumi.Context, _ stacks.Stack) error {
		_, first := local.NewCommand(ctx, "write", &local.CommandArgs{
			Create: pulumi.String("the create script"), Update: pulumi.String("the update script"),
			Delete: pulumi.String("the delete script"), Stdin: pulumi.String("what it reads"),
			Environment: pulumi.StringMap{
				"FILE_kubelet__yaml": pulumi.String("kind: KubeletConfiguration"), "VOLUME": pulumi.String("v"),
			},
		})
		_, second := docker.NewContainer(ctx, "container", &docker.ContainerArgs{
			Image: pulumi.String("image"),
			Uploads: docker.ContainerUploadArray{docker.ContainerUploadArgs{
				File: pulumi.String("/etc/config"), Content: pulumi.String("uploaded"),
			}},
		})
		return errors.Join(first, second)
	})
	assert.Equal(t, map[string]string{
		"write (standard input)":              "what it reads",
		"nodes:/etc/kubetracing/kubelet.yaml": "kind: KubeletConfiguration",
		"container:/etc/config":               "uploaded",
	}, planned.Files)
	require.Len(t, planned.Resources, 2)
	assert.Equal(t, map[string]any{"image": "image"}, planned.Resources[0].Inputs)
	assert.Equal(t, map[string]any{"environment": map[string]any{"VOLUME": "v"}}, planned.Resources[1].Inputs)
}

func TestAPlanListsEveryImageOnce(t *testing.T) {
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
	assert.Equal(t, []string{"a:1", "busybox:1", "k3s:1", "node:1 (built)", "z:1"}, planned.Images)
}

func TestAPlanHidesSecretsWhereverTheyStand(t *testing.T) {
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

func TestAPlanReadsFromTopToBottom(t *testing.T) {
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

func TestAProgramThatFailsHasNoPlan(t *testing.T) {
	t.Parallel()
	stack, err := stacks.New("kubetracing", "test", nil)
	require.NoError(t, err)
	_, err = plan.New("kubetracing", "test", stack, func(*pulumi.Context, stacks.Stack) error { return errors.New("no such thing") })
	require.ErrorContains(t, err, `plan stack "test"`)
	require.ErrorContains(t, err, "no such thing")

	_, err = plan.New("kubetracing", "test", stack, func(ctx *pulumi.Context, _ stacks.Stack) error {
		_, err := docker.LookupNetwork(ctx, &docker.LookupNetworkArgs{Name: "bridge"})
		return err
	})
	require.ErrorContains(t, err, "the provider function docker:index/getNetwork:getNetwork cannot be called offline")
}
