package components

import (
	"fmt"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// newImage makes sure that an image is in the Docker daemon.
func newImage(ctx *pulumi.Context, name, reference string, parent pulumi.Resource) (*docker.RemoteImage, error) {
	image, err := docker.NewRemoteImage(ctx, name, &docker.RemoteImageArgs{
		Name: pulumi.String(reference),
		// Someone else's image: it may have been there before and may be in use by
		// others, so it stays when the stack goes.
		KeepLocally: pulumi.Bool(true),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", reference, err)
	}
	return image, nil
}

// containerOptions are the lifecycle options of a container of ours.
//
// The container names its image by the reference, not by the image's id: an id
// is unknown while the image changes, and the preview would hide that the
// container is replaced.
func containerOptions(parent pulumi.Resource, after ...pulumi.Resource) []pulumi.ResourceOption {
	return []pulumi.ResourceOption{
		pulumi.Parent(parent),
		pulumi.DependsOn(after),
		// Name and host ports are fixed, so old and new cannot exist side by side.
		pulumi.DeleteBeforeReplace(true),
		// The provider would announce a changed healthcheck as an update and then
		// do nothing (kreuzwerker/terraform-provider-docker#988).
		pulumi.ReplaceOnChanges([]string{"healthcheck"}),
	}
}

// stopSeconds is how long a container has to finish its work before it is removed.
const stopSeconds = 10

// publish maps a port of 127.0.0.1 to one of a container.
func publish(host, container int) docker.ContainerPortArgs {
	return docker.ContainerPortArgs{
		Ip: pulumi.String(localhost), External: pulumi.Int(host), Internal: pulumi.Int(container),
		Protocol: pulumi.String("tcp"),
	}
}

// secretVariable is an environment variable that no diff shows and that the state
// has encrypted.
func secretVariable(name, value string) pulumi.StringOutput {
	return pulumi.ToSecret(pulumi.String(name + "=" + value)).(pulumi.StringOutput)
}
