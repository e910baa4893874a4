package resources

import (
	"fmt"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/spec"
)

// NewImage makes sure that an image is in the Docker daemon.
func NewImage(ctx *pulumi.Context, name, reference string, parent pulumi.Resource) (*docker.RemoteImage, error) {
	image, err := docker.NewRemoteImage(ctx, name, &docker.RemoteImageArgs{
		Name: pulumi.String(reference),
		// The image may have been there before, and other containers may use it, so it
		// stays when the stack is destroyed.
		KeepLocally: pulumi.Bool(true),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", reference, err)
	}
	return image, nil
}

// ContainerOptions returns the options of a container that starts after other
// resources; nil ones are ignored.
//
// The container names its image by the reference, not by the image's id: an id
// is unknown while the image changes, and the preview would hide that the
// container is replaced.
func ContainerOptions(parent pulumi.Resource, after ...pulumi.Resource) []pulumi.ResourceOption {
	var dependencies []pulumi.Resource
	for _, resource := range after {
		if resource != nil {
			dependencies = append(dependencies, resource)
		}
	}
	return []pulumi.ResourceOption{
		pulumi.Parent(parent),
		pulumi.DependsOn(dependencies),
		// Name and host ports are fixed, so old and new cannot exist side by side.
		pulumi.DeleteBeforeReplace(true),
		// The provider would announce a changed healthcheck as an update and then
		// do nothing (kreuzwerker/terraform-provider-docker#988).
		pulumi.ReplaceOnChanges([]string{"healthcheck"}),
	}
}

// StopSeconds is how long a container has to finish its work before it is removed.
const StopSeconds = 10

// Publish maps a port of spec.Localhost to one of a container.
func Publish(host, container int) docker.ContainerPortArgs {
	return docker.ContainerPortArgs{
		Ip: pulumi.String(spec.Localhost), External: pulumi.Int(host), Internal: pulumi.Int(container),
		Protocol: pulumi.String("tcp"),
	}
}

// Upload puts a file into a container. It is uploaded, not mounted: the text shows
// in the preview, an edit replaces the container, and a remote Docker host gets the
// file too.
func Upload(file, content string) docker.ContainerUploadArray {
	return docker.ContainerUploadArray{docker.ContainerUploadArgs{
		File: pulumi.String(file), Content: pulumi.String(content), Permissions: pulumi.String("0644"),
	}}
}

// SecretVariable is an environment variable that no diff shows and that the state
// stores encrypted.
func SecretVariable(name, value string) pulumi.StringOutput {
	return pulumi.ToSecret(pulumi.String(name + "=" + value)).(pulumi.StringOutput)
}
