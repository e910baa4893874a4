// Command program is the Pulumi program of a traced cluster. Run by hand, it prints
// the plan of a stack.
package main

import (
	"fmt"
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/plan"
	"github.com/kubetracing/kubetracing/infra/preflight"
	"github.com/kubetracing/kubetracing/stacks"
)

// clusterName is the logical name of the traced cluster, and begins that of every
// resource. It must not depend on the stack, whose name can change.
const clusterName = "traced"

func main() {
	// Pulumi runs its programs with the address of its engine in the environment.
	if os.Getenv(pulumi.EnvMonitor) != "" {
		pulumi.Run(run)
		return
	}
	if err := plan.Run(os.Args[1:], compose, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kubetracing:", err)
		os.Exit(1)
	}
}

// run reads the stack, checks the surroundings and composes the resources.
func run(ctx *pulumi.Context) error {
	stack, err := openStack(ctx)
	if err != nil {
		if err := ctx.Log.Error(err.Error(), nil); err != nil {
			return err
		}
		// Nothing is registered yet: this status tells Pulumi that the reason is logged, so
		// that it does not repeat it in words of its own.
		os.Exit(constant.ExitStatusLoggedError)
	}
	for _, note := range stack.Notes() {
		if err := ctx.Log.Warn(note, nil); err != nil {
			return err
		}
	}
	return compose(ctx, stack)
}

// openStack reads the stack and looks for what would make its update fail halfway.
func openStack(ctx *pulumi.Context) (stacks.Stack, error) {
	config, err := stacks.Environment()
	if err != nil {
		return stacks.Stack{}, err
	}
	// Pulumi runs the program in its own folder.
	if err := stacks.UnknownKeys(components.DefaultRoot, ctx.Stack()); err != nil {
		return stacks.Stack{}, err
	}
	secret, err := stacks.SecretKeys()
	if err != nil {
		return stacks.Stack{}, err
	}
	stack, err := stacks.OpenConfig(components.DefaultRoot, ctx.Project(), ctx.Stack(), stacks.Config{Values: config, Secret: secret})
	if err != nil {
		return stacks.Stack{}, err
	}
	needs := preflight.NeedsOf(stack)
	needs.ProviderHost, needs.ProviderContext = config["docker:host"], config["docker:context"]
	return stack, preflight.Check(ctx.Context(), docker.New(), needs)
}

// compose creates a stack's resources and exports what people need of them.
func compose(ctx *pulumi.Context, stack stacks.Stack) error {
	traced, err := components.NewTracedCluster(ctx, clusterName, components.TracedClusterArgs{Stack: stack})
	if err != nil {
		return err
	}
	ctx.Export("jaegerUrl", traced.JaegerURL)
	ctx.Export("kubeconfig", traced.Kubeconfig)
	ctx.Export("clusterName", traced.ClusterName)
	if stack.Settings.Verify.Enabled {
		ctx.Export("services", traced.Services)
		ctx.Export("traces", traced.Traces)
	}
	return nil
}
