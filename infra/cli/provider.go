package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/infra/lifecycle"
	"github.com/kubetracing/kubetracing/infra/steps"
)

// newProviderCommands returns the commands that Pulumi's command provider runs. They
// are not for people: documents come on standard input.
func newProviderCommands(a *App) []*cobra.Command {
	provided := lifecycle.Command{Docker: a.Docker, Stdin: a.Stdin, Getenv: a.getenv, Stdout: a.Stdout, Stderr: a.Stderr}
	plain := func(use, short string, run func(context.Context) error) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Args: cobra.NoArgs,
			RunE: func(command *cobra.Command, _ []string) error { return a.provide(command, run) },
		}
	}
	named := func(use, short string, run func(context.Context, string) error) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Args: cobra.ExactArgs(1),
			RunE: func(command *cobra.Command, arguments []string) error {
				return a.provide(command, func(ctx context.Context) error { return run(ctx, arguments[0]) })
			},
		}
	}
	return []*cobra.Command{
		group("certificate", plain("issue", "Issue a client certificate of a cluster", provided.CertificateIssue)),
		group("cluster",
			plain("create", "Create a k3d cluster", provided.ClusterCreate),
			plain("update", "Give a k3d cluster its configuration", provided.ClusterUpdate),
			named("kubeconfig NAME", "Print the kubeconfig of a k3d cluster", provided.ClusterKubeconfig),
		),
		group("container", plain("wait", "Wait until a container is healthy", provided.ContainerWait)),
		group("identity", plain("create", "Create the identity of a state", provided.IdentityCreate)),
		group("image", named("present IMAGE", "Check that an image exists", provided.ImagePresent)),
		group("nodes", plain("write", "Write the files that nodes mount", provided.NodesWrite)),
		group("pods", plain("wait", "Wait until pods have started", provided.PodsWait)),
		group("volume", plain("chown", "Change the owner of a volume", provided.VolumeChown)),
	}
}

// provide runs a command as a step of the update that runs it.
func (a *App) provide(command *cobra.Command, run func(ctx context.Context) error) error {
	name := strings.TrimPrefix(command.CommandPath(), command.Root().Name()+" ")
	return steps.Do(steps.Continue(command.Context(), a.getenv), name, run)
}

// group returns a hidden command that only has subcommands.
func group(name string, commands ...*cobra.Command) *cobra.Command {
	command := &cobra.Command{
		Use: name, Hidden: true, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(commands...)
	return command
}
