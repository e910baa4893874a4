// Package cli is kubetracing's command line. It brings what a fresh machine
// lacks and then runs Pulumi; whoever has everything can run Pulumi directly.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/infra/drift"
	"github.com/kubetracing/kubetracing/infra/plan"
)

// Run runs a command line and gives the exit code: that of Pulumi where it ran, the
// command's own where its help names one, else 0 for success and 1 for an error,
// which is then on standard error.
func Run(arguments []string, compose plan.Compose) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(compose)
	root.SetArgs(arguments)
	err := root.ExecuteContext(ctx)
	var exit *exec.ExitError
	var own exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &own):
		fmt.Fprintln(os.Stderr, "kubetracing:", err)
		return own.code
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode()
	default:
		fmt.Fprintln(os.Stderr, "kubetracing:", err)
		return 1
	}
}

func newRoot(compose plan.Compose) *cobra.Command {
	root := &cobra.Command{
		Use:           "kubetracing",
		Short:         "A Kubernetes cluster that traces itself",
		SilenceUsage:  true,
		SilenceErrors: true,
		// A program without a command is what someone runs to see what it can do.
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
		Args: cobra.NoArgs,
	}
	options := &options{}
	root.PersistentFlags().StringVar(&options.root, "root", ".", "the project's folder")
	root.PersistentFlags().StringVarP(&options.stack, "stack", "s", defaultStack, "the stack")
	root.AddCommand(
		newPlan(options, compose),
		newUp(options),
		newPreview(options),
		newDestroy(options),
		newPassthrough(options),
		newVerify(options),
		newEnv(options),
		newMatrix(),
		newFollow(options),
	)
	return root
}

// defaultStack is the stack of someone who names none.
const defaultStack = "dev"

// options are what every command takes.
type options struct {
	root, stack string
	// world waits for what Docker has; only in commands of newOnStack.
	world func() (drift.World, error)
}
