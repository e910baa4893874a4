package cluster

import (
	"encoding/json"
	"fmt"
	"slices"

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

// Digest returns a short name for the content of a set of files, but for those that
// must not be shown: somebody could guess a password by it.
func Digest(files []tracing.File) (string, error) {
	shown := slices.DeleteFunc(slices.Clone(files), func(file tracing.File) bool { return file.Secret })
	encoded, err := json.Marshal(shown)
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
		secret := map[string]string{}
		for _, file := range args.Files {
			if file.Secret {
				secret[file.Name] = file.Content
			} else {
				document.Files[file.Name] = file.Content
			}
		}
		environment := args.Owner.Environment()
		if len(secret) > 0 {
			text, err := spec.Encode(secret)
			if err != nil {
				return err
			}
			environment[spec.NodeSecretsVariable] = pulumi.ToSecret(pulumi.String(text)).(pulumi.StringOutput)
		}
		files, err := resources.NewCommand(ctx, name+"-files", args.Program, resources.CommandArgs{
			Create:      []string{"nodes", "write"},
			Document:    document,
			Environment: environment,
			// A new volume is empty.
			Triggers: pulumi.Array{volume.ID()},
		}, pulumi.Parent(config))
		if err != nil {
			return err
		}
		config.Digest = files.ID().ApplyT(func(pulumi.ID) string { return digest }).(pulumi.StringOutput)
		if len(secret) > 0 {
			// What the command prints is another text whenever it has written the secrets, and
			// tells nothing of them.
			config.Digest = pulumi.Sprintf("%s %s", config.Digest, pulumi.Unsecret(files.Stdout))
		}
		return nil
	})
}
