package components

import (
	_ "embed"
	"fmt"
	"strconv"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

//go:embed scripts/container-healthy.sh
var containerHealthyScript string

// healthyArgs describe the wait for a container to be healthy.
type healthyArgs struct {
	// Container is the one to wait for, ContainerName its name in Docker. Required.
	Container     *docker.Container
	ContainerName string
	// Name is what people call it. Required.
	Name string
	// TimeoutSeconds bounds the wait. Required.
	TimeoutSeconds int
	// HealthURL is asked from the container Probe. Without it Docker is asked for what
	// the container's own health check says. Optional.
	HealthURL, Probe string
	// After is what has to be there besides. Optional.
	After []pulumi.Resource
}

// newHealthy waits until a container is healthy. The Docker provider can wait, too,
// but it says nothing meanwhile, goes on waiting for a container that ends again and
// again, and does not tell what the container said.
func newHealthy(ctx *pulumi.Context, name string, args healthyArgs, parent pulumi.Resource) (*local.Command, error) {
	environment := pulumi.StringMap{
		// A changed value is an update: a new container is waited for again.
		"CONTAINER_ID":    args.Container.ID().ToStringOutput(),
		"CONTAINER":       pulumi.String(args.ContainerName),
		"NAME":            pulumi.String(args.Name),
		"TIMEOUT_SECONDS": pulumi.String(strconv.Itoa(args.TimeoutSeconds)),
	}
	if args.HealthURL != "" {
		environment["HEALTH_URL"], environment["PROBE"] = pulumi.String(args.HealthURL), pulumi.String(args.Probe)
	}
	healthy, err := local.NewCommand(ctx, name, &local.CommandArgs{
		Create:      pulumi.String(containerHealthyScript),
		Update:      pulumi.String(containerHealthyScript),
		Environment: environment,
		Logging:     local.LoggingStderr,
	}, pulumi.Parent(parent), pulumi.DependsOn(args.After))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return healthy, nil
}

// onceHealthy is a container's id, known once the wait for it is over.
func onceHealthy(container *docker.Container, healthy *local.Command) pulumi.StringOutput {
	return pulumi.All(container.ID(), healthy.ID()).ApplyT(func(ids []any) string {
		return string(ids[0].(pulumi.ID))
	}).(pulumi.StringOutput)
}
