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
	if err := plan.Run(os.Args[1:], composeOffline, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kubetracing:", err)
		os.Exit(1)
	}
}

// run reads the stack, checks the surroundings and composes the resources.
func run(ctx *pulumi.Context) error {
	args, err := prepare(ctx)
	if err != nil {
		if err := ctx.Log.Error(err.Error(), nil); err != nil {
			return err
		}
		// Nothing is registered yet: this status tells Pulumi that the reason is logged, so
		// that it does not report it again.
		os.Exit(constant.ExitStatusLoggedError)
	}
	for _, note := range args.Stack.Notes() {
		if err := ctx.Log.Warn(note, nil); err != nil {
			return err
		}
	}
	return compose(ctx, args)
}

// prepare reads the stack, looks for what would make its update fail halfway, and for
// what Docker has of its nodes' images.
func prepare(ctx *pulumi.Context) (components.TracedClusterArgs, error) {
	config, err := stacks.Environment()
	if err != nil {
		return components.TracedClusterArgs{}, err
	}
	stack, err := readStack(ctx, config)
	if err != nil {
		return components.TracedClusterArgs{}, err
	}
	client, needs := docker.New(), preflight.NeedsOf(stack)
	needs.ProviderHost, needs.ProviderContext = config["docker:host"], config["docker:context"]
	if err := preflight.Check(ctx.Context(), client, needs); err != nil {
		return components.TracedClusterArgs{}, err
	}
	images, err := preflight.LocalImages(ctx.Context(), client, stack)
	return components.TracedClusterArgs{Stack: stack, Images: images}, err
}

// composeOffline composes a stack's resources as on a machine without Docker.
func composeOffline(ctx *pulumi.Context, stack stacks.Stack) error {
	return compose(ctx, components.TracedClusterArgs{Stack: stack})
}

// readStack reads the stack from the configuration that Pulumi passes to the program.
func readStack(ctx *pulumi.Context, config map[string]string) (stacks.Stack, error) {
	// Pulumi runs the program in its own folder.
	if err := stacks.CheckFile(components.DefaultRoot, ctx.Stack()); err != nil {
		return stacks.Stack{}, err
	}
	secret, err := stacks.SecretKeys()
	if err != nil {
		return stacks.Stack{}, err
	}
	return stacks.OpenConfig(components.DefaultRoot, ctx.Project(), ctx.Stack(), stacks.Config{Values: config, Secret: secret})
}

// compose creates a stack's resources and exports their outputs.
func compose(ctx *pulumi.Context, args components.TracedClusterArgs) error {
	traced, err := components.NewTracedCluster(ctx, clusterName, args)
	if err != nil {
		return err
	}
	traced.Export(ctx)
	return nil
}
