package components

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const nodeConfigType = "kubetracing:components:NodeConfig"

//go:embed scripts/node-config.sh
var nodeConfigScript string

// NodeConfigArgs describe the tracing configuration of a cluster's nodes.
type NodeConfigArgs struct {
	// VolumeName is the Docker volume's name. Required.
	VolumeName string
	// Files are the files to put in the volume. Required.
	Files []tracing.File
	// Owner marks the volume as the stack's. Required.
	Owner Owner
}

// NodeConfig is a Docker volume with the rendered configuration files, mounted
// in every node. A volume, unlike a folder of the host, has no machine's path in
// its name and works with a remote Docker host.
type NodeConfig struct {
	pulumi.ResourceState

	// Digest names the files' content; known once they are written.
	Digest pulumi.StringOutput `pulumi:"digest"`
}

// Digest is a short name for the content of a set of files.
func Digest(files []tracing.File) (string, error) {
	encoded, err := json.Marshal(files)
	if err != nil {
		return "", fmt.Errorf("digest of files: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])[:12], nil
}

// NewNodeConfig creates the volume and writes the files; changed files are
// rewritten in place.
func NewNodeConfig(ctx *pulumi.Context, name string, args NodeConfigArgs, opts ...pulumi.ResourceOption) (*NodeConfig, error) {
	digest, err := Digest(args.Files)
	if err != nil {
		return nil, fmt.Errorf("node configuration %q: %w", name, err)
	}
	component := &NodeConfig{}
	if err := ctx.RegisterComponentResourceV2(nodeConfigType, name, pulumi.Map{
		"volume": pulumi.String(args.VolumeName),
	}, component, opts...); err != nil {
		return nil, fmt.Errorf("node configuration %q: %w", name, err)
	}
	volume, err := newVolume(ctx, name+"-volume", args.VolumeName, args.Owner, component)
	if err != nil {
		return nil, fmt.Errorf("node configuration %q: %w", name, err)
	}
	environment := pulumi.StringMap{"VOLUME": volume.Name, "IMAGE": pulumi.String(toolsImage)}
	for _, file := range args.Files {
		environment[fileVariable(file.Name)] = pulumi.String(file.Content)
	}
	files, err := local.NewCommand(ctx, name+"-files", &local.CommandArgs{
		Create: pulumi.String(nodeConfigScript),
		Update: pulumi.String(nodeConfigScript),
		// One variable a file: the preview of a changed rate is the changed line.
		Environment: environment,
		Triggers:    pulumi.Array{volume.ID()},
		Logging:     local.LoggingStderr,
	}, pulumi.Parent(component))
	if err != nil {
		return nil, fmt.Errorf("node configuration %q: %w", name, err)
	}
	component.Digest = files.ID().ApplyT(func(pulumi.ID) string { return digest }).(pulumi.StringOutput)
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{"digest": component.Digest})
}

// fileVariable is the environment variable that carries a file: FILE_ and the
// name with '.' and '-' written as __ and _.
func fileVariable(name string) string {
	return "FILE_" + strings.NewReplacer(".", "__", "-", "_").Replace(name)
}

// NodeFileOf gives the path, in a node, of the file that an environment variable
// of NodeConfig's command carries, and whether the variable carries one.
func NodeFileOf(variable string) (path string, ok bool) {
	encoded, ok := strings.CutPrefix(variable, "FILE_")
	if !ok {
		return "", false
	}
	return tracing.ConfigDirectory + "/" + strings.NewReplacer("__", ".", "_", "-").Replace(encoded), true
}
