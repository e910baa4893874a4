package cluster

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
)

// NodeConfigArgs describe the tracing configuration of a cluster's nodes.
type NodeConfigArgs struct {
	// Program is the kubetracing binary. Required.
	Program resources.Program
	// VolumeName is the Docker volume's name. Required.
	VolumeName string
	// Files are the files to write to the volume. Required.
	Files []tracing.File
	// Owner marks the volume. Required.
	Owner resources.Owner
}

// NodeConfig is a Docker volume with the rendered configuration files, mounted
// in every node. A volume, unlike a folder of the host, has no machine's path in
// its name and works with a remote Docker host.
type NodeConfig struct {
	pulumi.ResourceState

	// Digest names the files' content; known once they are written.
	Digest pulumi.StringOutput `pulumi:"digest"`
}

// Digest returns a short name for the content of a set of files.
func Digest(files []tracing.File) (string, error) {
	encoded, err := json.Marshal(files)
	if err != nil {
		return "", fmt.Errorf("digest of files: %w", err)
	}
	return resources.ShortDigest(encoded), nil
}

// NewNodeConfig creates the volume and writes the files; changed files are
// rewritten in place.
func NewNodeConfig(ctx *pulumi.Context, name string, args NodeConfigArgs, opts ...pulumi.ResourceOption) (*NodeConfig, error) {
	inputs := pulumi.Map{"volume": pulumi.String(args.VolumeName)}
	return resources.Register(ctx, "NodeConfig", name, inputs, &NodeConfig{}, opts, func(config *NodeConfig) error {
		digest, err := Digest(args.Files)
		if err != nil {
			return err
		}
		volume, err := resources.NewVolume(ctx, name+"-volume", args.VolumeName, args.Owner, config)
		if err != nil {
			return err
		}
		document := spec.NodeFiles{Volume: args.VolumeName, Image: spec.ToolsImage, Files: map[string]string{}}
		for _, file := range args.Files {
			document.Files[file.Name] = file.Content
		}
		files, err := resources.NewCommand(ctx, name+"-files", args.Program, resources.CommandArgs{
			Create:      []string{"nodes", "write"},
			Document:    document,
			Environment: args.Owner.Environment(),
			// A new volume is empty.
			Triggers: pulumi.Array{volume.ID()},
		}, pulumi.Parent(config))
		if err != nil {
			return err
		}
		config.Digest = files.ID().ApplyT(func(pulumi.ID) string { return digest }).(pulumi.StringOutput)
		return nil
	})
}
