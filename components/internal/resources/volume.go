package resources

import (
	"fmt"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/spec"
)

// NewVolume creates a Docker volume.
func NewVolume(ctx *pulumi.Context, name, volume string, owner Owner, parent pulumi.Resource) (*docker.Volume, error) {
	created, err := docker.NewVolume(ctx, name, &docker.VolumeArgs{
		Name:   pulumi.String(volume),
		Labels: owner.volumeLabels(),
	}, pulumi.Parent(parent), pulumi.DeleteBeforeReplace(true))
	if err != nil {
		return nil, fmt.Errorf("volume %q: %w", volume, err)
	}
	return created, nil
}

// DataVolumeArgs describe a volume for a container's data.
type DataVolumeArgs struct {
	// Program is the kubetracing binary. Required.
	Program Program
	// Volume is the volume's name in Docker. Required.
	Volume string
	// Path is where the container has it. Required.
	Path string
	// User is the numeric user id of the container's processes. Required unless UserOf
	// is the image that says so, and Image makes sure that it is there.
	User, UserOf string
	Image        pulumi.Resource
	// Owner marks the volume. Required.
	Owner Owner
}

// DataVolume is a volume for a container's data: it stays when the container is
// replaced and is removed with the stack. The zero value is no volume.
type DataVolume struct {
	// Mount mounts it in the container.
	Mount docker.ContainerVolumeArray
	// Ready is created once the container's user can write to the volume.
	Ready pulumi.Resource
}

// NewDataVolume creates a volume that a container's user can write to. Docker gives
// a new volume to root, unless the image has the path.
func NewDataVolume(ctx *pulumi.Context, name string, args DataVolumeArgs, parent pulumi.Resource) (DataVolume, error) {
	created, err := NewVolume(ctx, name+"-volume", args.Volume, args.Owner, parent)
	if err != nil {
		return DataVolume{}, err
	}
	options := []pulumi.ResourceOption{pulumi.Parent(parent)}
	if args.Image != nil {
		options = append(options, pulumi.DependsOn([]pulumi.Resource{args.Image}))
	}
	ready, err := NewCommand(ctx, name+"-volume-owner", args.Program, CommandArgs{
		Create:      []string{"volume", "chown"},
		Document:    spec.Volume{Volume: args.Volume, User: args.User, UserOf: args.UserOf, Image: spec.ToolsImage},
		Environment: args.Owner.Environment(),
		Triggers:    pulumi.Array{created.ID()},
	}, options...)
	if err != nil {
		return DataVolume{}, err
	}
	return DataVolume{
		Mount: docker.ContainerVolumeArray{docker.ContainerVolumeArgs{
			VolumeName: created.Name, ContainerPath: pulumi.String(args.Path),
		}},
		Ready: ready,
	}, nil
}
