package components

import (
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Owner marks the Docker objects of a stack.
type Owner struct {
	// Label is the key of the Docker label, Value its value.
	Label, Value string
}

// String is the label in the form that the docker CLI takes.
func (o Owner) String() string { return o.Label + "=" + o.Value }

func (o Owner) containerLabels() docker.ContainerLabelArray {
	return docker.ContainerLabelArray{docker.ContainerLabelArgs{Label: pulumi.String(o.Label), Value: pulumi.String(o.Value)}}
}

// localhost is where everything that is published is bound: the stack has no
// authentication of its own, so no other machine may reach it.
const localhost = "127.0.0.1"

func stringArray(values []string) pulumi.StringArray {
	array := make(pulumi.StringArray, len(values))
	for i, value := range values {
		array[i] = pulumi.String(value)
	}
	return array
}
