package resources

import (
	"fmt"
	"maps"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/utilities"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/internal/manifest"
)

// Object is a Kubernetes object.
type Object struct{ pulumi.CustomResourceState }

// NewObject creates a Kubernetes object; metadata is added to what the manifest has
// of it. The resource is the same as that of the Kubernetes SDK's typed packages,
// whose tens of thousands of types take most of the time that the program needs to
// compile.
func NewObject(
	ctx *pulumi.Context, name string, object manifest.Object, metadata pulumi.Map, opts ...pulumi.ResourceOption,
) (*Object, error) {
	all := pulumi.Map{"name": pulumi.String(object.Name)}
	if object.Labels != nil {
		all["labels"] = pulumi.ToStringMap(object.Labels)
	}
	if object.Annotations != nil {
		all["annotations"] = pulumi.ToStringMap(object.Annotations)
	}
	maps.Copy(all, metadata)
	inputs := pulumi.Map{
		"apiVersion": pulumi.String(object.APIVersion), "kind": pulumi.String(object.Kind), "metadata": all,
	}
	for key, value := range object.Fields {
		inputs[key] = input(value)
	}
	created := &Object{}
	err := ctx.RegisterResource(object.Token(), name, inputs, created, utilities.PkgResourceDefaultOpts(opts)...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", object.ID(), err)
	}
	return created, nil
}

// input returns a value of a manifest, which may be an input already, as a Pulumi
// input.
func input(value any) pulumi.Input {
	switch value := value.(type) {
	case pulumi.Input:
		return value
	case manifest.Map:
		object := pulumi.Map{}
		for key, inner := range value {
			object[key] = input(inner)
		}
		return object
	case manifest.List:
		list := make(pulumi.Array, len(value))
		for i, inner := range value {
			list[i] = input(inner)
		}
		return list
	default:
		return pulumi.Any(value)
	}
}
