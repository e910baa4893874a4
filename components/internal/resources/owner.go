package resources

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/spec"
)

// Owner marks what a traced cluster creates in Docker.
type Owner struct {
	// Stack is the value of spec.StackLabel. Required.
	Stack string
	// State is the value of spec.StateLabel, the identity of the Pulumi state. It is
	// known once it is certain that nothing in Docker has the state's names.
	// Required.
	State pulumi.StringOutput
}

// NewOwner creates the identity of a traced cluster: a command that refuses to
// continue if any of the names is taken, and else prints a random identity.
func NewOwner(ctx *pulumi.Context, name string, program Program, names spec.Names, opts ...pulumi.ResourceOption) (Owner, error) {
	document, err := spec.Encode(names)
	if err != nil {
		return Owner{}, err
	}
	identity, err := local.NewCommand(ctx, name, &local.CommandArgs{
		Create: pulumi.String(program.Command("identity", "create")),
		// Without it, an update would run the command above again.
		Update:  pulumi.String(`printf %s "$PULUMI_COMMAND_STDOUT"`),
		Stdin:   pulumi.String(document),
		Logging: local.LoggingStderr,
	}, append(slices.Clip(opts),
		// The identity is born with the state and never changes. While the command was
		// updated, its output would be unknown, and with an unknown label a preview
		// announces that everything is replaced.
		pulumi.IgnoreChanges([]string{"create", "update", "stdin", "logging"}))...)
	if err != nil {
		return Owner{}, fmt.Errorf("identity: %w", err)
	}
	return Owner{Stack: names.Stack, State: identity.Stdout}, nil
}

// Environment returns the environment variable that tells a command the identity.
func (o Owner) Environment() pulumi.StringMap { return pulumi.StringMap{spec.StateVariable: o.State} }

// ContainerLabels returns the labels of a container.
func (o Owner) ContainerLabels() docker.ContainerLabelArray {
	return docker.ContainerLabelArray{
		docker.ContainerLabelArgs{Label: pulumi.String(spec.StackLabel), Value: pulumi.String(o.Stack)},
		docker.ContainerLabelArgs{Label: pulumi.String(spec.StateLabel), Value: o.State},
	}
}

// NetworkLabels returns the labels of a network.
func (o Owner) NetworkLabels() docker.NetworkLabelArray {
	return docker.NetworkLabelArray{
		docker.NetworkLabelArgs{Label: pulumi.String(spec.StackLabel), Value: pulumi.String(o.Stack)},
		docker.NetworkLabelArgs{Label: pulumi.String(spec.StateLabel), Value: o.State},
	}
}

// volumeLabels returns the labels of a volume.
func (o Owner) volumeLabels() docker.VolumeLabelArray {
	return docker.VolumeLabelArray{
		docker.VolumeLabelArgs{Label: pulumi.String(spec.StackLabel), Value: pulumi.String(o.Stack)},
		docker.VolumeLabelArgs{Label: pulumi.String(spec.StateLabel), Value: o.State},
	}
}
