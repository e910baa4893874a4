package components

import (
	"fmt"

	nodev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/node/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const runtimeClassesType = "kubetracing:components:RuntimeClasses"

// RuntimeClassesArgs describe the RuntimeClasses of a cluster.
type RuntimeClassesArgs struct {
	// Cluster is where they are created. Required.
	Cluster *Cluster
	// Classes are the OCI runtimes whose handlers get a RuntimeClass of their name.
	// Required.
	Classes []tracing.OCIRuntime
}

// RuntimeClasses let a pod choose its OCI runtime.
type RuntimeClasses struct {
	pulumi.ResourceState

	// Classes are the names of the classes.
	Classes []tracing.OCIRuntime
	// Created are the classes themselves, to wait for.
	Created []pulumi.Resource
}

// NewRuntimeClasses creates the RuntimeClasses.
func NewRuntimeClasses(ctx *pulumi.Context, name string, args RuntimeClassesArgs, opts ...pulumi.ResourceOption) (*RuntimeClasses, error) {
	component := &RuntimeClasses{Classes: args.Classes}
	if err := ctx.RegisterComponentResourceV2(runtimeClassesType, name, pulumi.Map{}, component, opts...); err != nil {
		return nil, fmt.Errorf("runtime classes %q: %w", name, err)
	}
	for _, class := range args.Classes {
		created, err := nodev1.NewRuntimeClass(ctx, name+"-"+string(class), &nodev1.RuntimeClassArgs{
			Metadata: args.Cluster.metadata(string(class)),
			Handler:  pulumi.String(class),
		},
			pulumi.Parent(component),
			pulumi.Provider(args.Cluster.Provider),
			// They go with the cluster.
			pulumi.DeletedWith(args.Cluster.Lifecycle),
			// A restart of the nodes must be over before anything is asked of them.
			pulumi.DependsOn([]pulumi.Resource{args.Cluster.Lifecycle}),
			pulumi.DeleteBeforeReplace(true),
			replaced,
		)
		if err != nil {
			return nil, fmt.Errorf("runtime classes %q: %w", name, err)
		}
		component.Created = append(component.Created, created)
	}
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{})
}
