// Command kubetracing is the Pulumi program of a traced cluster and, run by
// hand, its command line.
package main

import (
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/infra/cli"
	"github.com/kubetracing/kubetracing/infra/preflight"
	"github.com/kubetracing/kubetracing/infra/program"
	"github.com/kubetracing/kubetracing/stacks"
)

func main() {
	// Pulumi runs its programs with the address of its engine in the environment.
	if os.Getenv(pulumi.EnvMonitor) != "" {
		pulumi.Run(run)
		return
	}
	os.Exit(cli.Run(os.Args[1:], program.Compose))
}

// run reads the stack, looks at the surroundings and composes the resources.
func run(ctx *pulumi.Context) error {
	stack, err := stackOf(ctx)
	if err != nil {
		if err := ctx.Log.Error(err.Error(), nil); err != nil {
			return err
		}
		// Nothing is registered yet: this tells Pulumi that the reason has been
		// said, so that it does not bury it in its own words.
		os.Exit(constant.ExitStatusLoggedError)
	}
	for _, note := range stack.Notes() {
		if err := ctx.Log.Warn(note, nil); err != nil {
			return err
		}
	}
	return program.Compose(ctx, stack)
}

// stackOf reads the stack and looks for what would make it fail halfway.
func stackOf(ctx *pulumi.Context) (stacks.Stack, error) {
	config, err := stacks.Environment()
	if err != nil {
		return stacks.Stack{}, err
	}
	// Pulumi runs the program in its own folder.
	stack, err := stacks.Open("..", ctx.Project(), ctx.Stack(), config)
	if err != nil {
		return stacks.Stack{}, err
	}
	return stack, preflight.Check(ctx.Context(), preflight.NeedsOf(stack))
}
