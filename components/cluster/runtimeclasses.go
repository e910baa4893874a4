package cluster

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/internal/manifest"
	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/tracing"
)

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

	// Created are the classes themselves, to wait for.
	Created []pulumi.Resource
}

// NewRuntimeClasses creates the RuntimeClasses.
func NewRuntimeClasses(ctx *pulumi.Context, name string, args RuntimeClassesArgs, opts ...pulumi.ResourceOption) (*RuntimeClasses, error) {
	return resources.Register(ctx, "RuntimeClasses", name, pulumi.Map{}, &RuntimeClasses{}, opts, func(classes *RuntimeClasses) error {
		for _, class := range args.Classes {
			created, err := args.Cluster.NewRootObject(ctx, name+"-"+string(class), manifest.Object{
				APIVersion: "node.k8s.io/v1", Kind: "RuntimeClass", Name: string(class),
				Fields: manifest.Map{"handler": string(class)},
			}, classes)
			if err != nil {
				return err
			}
			classes.Created = append(classes.Created, created)
		}
		return nil
	})
}
