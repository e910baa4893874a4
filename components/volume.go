package components

import (
	_ "embed"
	"fmt"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

//go:embed scripts/volume-owner.sh
var volumeOwnerScript string

// imageUser is the user as whom the images of Jaeger and the Collector run.
//
// Source: github.com/jaegertracing/jaeger cmd/jaeger/Dockerfile and
// open-telemetry/opentelemetry-collector-releases distributions/otelcol/Dockerfile
// (USER_UID).
const imageUser = "10001"

// newVolume creates a Docker volume of ours.
func newVolume(ctx *pulumi.Context, name, volume string, owner Owner, parent pulumi.Resource) (*docker.Volume, error) {
	created, err := docker.NewVolume(ctx, name, &docker.VolumeArgs{
		Name: pulumi.String(volume),
		Labels: docker.VolumeLabelArray{docker.VolumeLabelArgs{
			Label: pulumi.String(owner.Label), Value: pulumi.String(owner.Value),
		}},
	}, pulumi.Parent(parent), pulumi.DeleteBeforeReplace(true))
	if err != nil {
		return nil, fmt.Errorf("volume %q: %w", volume, err)
	}
	return created, nil
}

// dataVolume is a volume for a container's data: it stays when the container is
// replaced and goes when the stack goes.
type dataVolume struct {
	mount docker.ContainerVolumeArray
	// ready is done once the container's user can write to the volume.
	ready pulumi.Resource
}

// newDataVolume creates a volume, mounted at path, that an image's user can write.
// Docker gives a new volume to root, unless the image has the path.
func newDataVolume(ctx *pulumi.Context, name, volume, path, user string, owner Owner, parent pulumi.Resource) (dataVolume, error) {
	created, err := newVolume(ctx, name+"-volume", volume, owner, parent)
	if err != nil {
		return dataVolume{}, err
	}
	ready, err := local.NewCommand(ctx, name+"-volume-owner", &local.CommandArgs{
		Create: pulumi.String(volumeOwnerScript),
		Update: pulumi.String(volumeOwnerScript),
		Environment: pulumi.StringMap{
			"VOLUME": created.Name, "IMAGE": pulumi.String(toolsImage), "OWNER": pulumi.String(user),
		},
		Triggers: pulumi.Array{created.ID()},
		Logging:  local.LoggingStderr,
	}, pulumi.Parent(parent))
	if err != nil {
		return dataVolume{}, fmt.Errorf("owner of volume %q: %w", volume, err)
	}
	return dataVolume{
		mount: docker.ContainerVolumeArray{docker.ContainerVolumeArgs{
			VolumeName: created.Name, ContainerPath: pulumi.String(path),
		}},
		ready: ready,
	}, nil
}
