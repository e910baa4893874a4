package cli

import (
	"bytes"
	"context"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/infra/pulumi"
)

// newPulumi runs any other Pulumi command where the stack is, as
// `kubetracing pulumi -- stack output kubeconfig --show-secrets`.
func newPulumi(a *App, o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "pulumi -- ARGUMENTS...",
		Short: "Run any Pulumi command in the stack's workspace",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return a.pulumi(command.Context(), o, arguments)
		},
	}
}

func (a *App) pulumi(ctx context.Context, o *options, arguments []string) error {
	space, err := pulumi.Prepare(o.root, o.stack)
	if err != nil {
		return err
	}
	if err := a.InstallTools(ctx, space.Folder("tools"), a.Stderr); err != nil {
		return err
	}
	var daemon []string
	// Most commands need no daemon. For one that does, the program and the provider say
	// what is wrong.
	if endpoint, err := a.Docker.Endpoint(ctx, a.getenv); err == nil {
		daemon = endpoint.Environment()
	}
	stack := a.stack(space, daemon)
	if arguments[0] == "config" {
		return configure(ctx, stack, arguments)
	}
	return stack.Run(ctx, arguments...)
}

// configure runs `pulumi config`, which needs the stack to exist, and copies what it
// writes, such as an encrypted password, to the project.
func configure(ctx context.Context, stack pulumi.Stack, arguments []string) error {
	if err := stack.Create(ctx); err != nil {
		return err
	}
	before, err := stack.StackFile()
	if err != nil {
		return err
	}
	if err := stack.Run(ctx, arguments...); err != nil {
		return err
	}
	after, err := stack.StackFile()
	if err != nil || bytes.Equal(before, after) {
		return err
	}
	return stack.Return()
}
