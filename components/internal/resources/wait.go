package resources

import (
	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/spec"
)

// containerIDVariable holds the id of the container to wait for. A new value is an
// update: the new container is waited for.
const containerIDVariable = "CONTAINER_ID"

// WaitArgs describe the wait for a container to be healthy.
type WaitArgs struct {
	// Program is the kubetracing binary. Required.
	Program Program
	// Container is the container to wait for. Required.
	Container *docker.Container
	// Wait describes how to check its health, and how long to wait. Required.
	Wait spec.Container
	// After are further resources that the wait needs. Optional.
	After []pulumi.Resource
}

// NewWait waits until a container is healthy. The Docker provider can wait, too, but
// it reports nothing meanwhile, goes on waiting for a container that ends again and
// again, and does not show what the container logged.
func NewWait(ctx *pulumi.Context, name string, args WaitArgs, parent pulumi.Resource) (*local.Command, error) {
	return NewCommand(ctx, name, args.Program, CommandArgs{
		Create:      []string{"container", "wait"},
		Document:    args.Wait,
		Environment: pulumi.StringMap{containerIDVariable: args.Container.ID().ToStringOutput()},
	}, pulumi.Parent(parent), pulumi.DependsOn(args.After))
}

// HealthyID returns a container's id, known once the container is healthy.
func HealthyID(container *docker.Container, healthy *local.Command) pulumi.StringOutput {
	return pulumi.All(container.ID(), healthy.ID()).ApplyT(func(ids []any) string {
		return string(ids[0].(pulumi.ID))
	}).(pulumi.StringOutput)
}
