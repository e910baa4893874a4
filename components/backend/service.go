package backend

import (
	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/spec"
)

// service is what the containers of the backend have in common: each runs an image on
// the stack's network until the stack is destroyed.
type service struct {
	// program is the kubetracing binary. Required unless there is nothing to wait for.
	program resources.Program
	// container is the container's name in Docker, and that of its volume. Required.
	container string
	// image is the image reference. Required.
	image string
	// network is the Docker network to join. Required.
	network pulumi.StringInput
	// alias is its name on the network. Optional.
	alias string
	// address is its IPv4 address on the network. Docker's choice by default.
	address string
	// dataPath is where the container has a volume that its user can write to, and
	// dataUser the numeric id of that user, by default the image's. No volume by default.
	dataPath, dataUser string
	// owner marks the container and its volume. Required.
	owner resources.Owner
	// after are resources to wait for; nil ones are ignored.
	after []pulumi.Resource
}

// create creates the container, its image and its volume. The settings of its own are
// completed.
func (s service) create(
	ctx *pulumi.Context, name string, settings docker.ContainerArgs, parent pulumi.Resource, opts ...pulumi.ResourceOption,
) (*docker.Container, error) {
	image, err := resources.NewImage(ctx, name+"-image", s.image, parent)
	if err != nil {
		return nil, err
	}
	var data resources.DataVolume
	if s.dataPath != "" {
		volume := resources.DataVolumeArgs{Program: s.program, Volume: s.container, Path: s.dataPath, User: s.dataUser, Owner: s.owner}
		if s.dataUser == "" {
			volume.UserOf, volume.Image = s.image, image
		}
		data, err = resources.NewDataVolume(ctx, name, volume, parent)
		if err != nil {
			return nil, err
		}
	}
	network := docker.ContainerNetworksAdvancedArgs{Name: s.network}
	if s.alias != "" {
		network.Aliases = resources.StringArray(s.alias)
	}
	if s.address != "" {
		network.Ipv4Address = pulumi.String(s.address)
	}
	settings.Name = pulumi.String(s.container)
	settings.Image = pulumi.String(s.image)
	settings.Restart = pulumi.String("unless-stopped")
	settings.Labels = s.owner.ContainerLabels()
	settings.NetworkMode = pulumi.String("bridge")
	settings.NetworksAdvanced = docker.ContainerNetworksAdvancedArray{network}
	settings.Volumes = data.Mount
	after := append([]pulumi.Resource{image, data.Ready}, s.after...)
	return docker.NewContainer(ctx, name+"-container", &settings, append(resources.ContainerOptions(parent, after...), opts...)...)
}

// createHealthy creates the container and waits until it is healthy; wait describes how
// to check that.
func (s service) createHealthy(
	ctx *pulumi.Context, name string, settings docker.ContainerArgs, wait spec.Container, parent pulumi.Resource, opts ...pulumi.ResourceOption,
) (*docker.Container, *local.Command, error) {
	container, err := s.create(ctx, name, settings, parent, opts...)
	if err != nil {
		return nil, nil, err
	}
	wait.Container = s.container
	args := resources.WaitArgs{Program: s.program, Container: container, Wait: wait}
	if wait.Probe != "" {
		// The container that it is probed from.
		args.After = s.after
	}
	healthy, err := resources.NewWait(ctx, name+"-healthy", args, parent)
	return container, healthy, err
}
