package components

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/dirhash"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const nodeImageType = "kubetracing:components:NodeImage"

// nodeImageContext is the folder of the Dockerfile, relative to the program's
// folder, in which Pulumi runs both the program and the providers. A relative
// path is the same on every machine.
const nodeImageContext = "../components/nodeimage"

//go:embed nodeimage/Dockerfile
var nodeImageDockerfile string

//go:embed scripts/image-present.sh
var imagePresentScript string

//go:embed scripts/image-remove.sh
var imageRemoveScript string

// Bundle says where a runtime comes from if not from its official release: either
// Directory, or URL and SHA256.
type Bundle struct {
	// Directory holds the binaries in a folder bin.
	Directory string
	// URL is a .tar.gz with the same layout or, for an OCI runtime, with its binary;
	// SHA256 is its checksum.
	URL, SHA256 string
}

// Monitor says where conmon-rs comes from: either from the official bundle of a
// CRI-O release, or URL and SHA256.
type Monitor struct {
	// Release is the CRI-O release.
	Release tracing.CRIORelease
	// URL is a .tar.gz with a file conmonrs, SHA256 its checksum.
	URL, SHA256 string
}

// NodeImageArgs describe a node image.
type NodeImageArgs struct {
	// Repository is the image's name without tag. Required.
	Repository string
	// Base is the k3s image to build on. Required.
	Base string
	// Runtime is what the image carries. Required.
	Runtime tracing.Runtime
	// Containerd is the release to put in front of k3s' own. Required for containerd.
	Containerd tracing.ContainerdRelease
	// Bundle replaces the official release of the container runtime. Optional.
	Bundle *Bundle
	// Monitor replaces the conmon-rs of CRI-O's bundle. Optional.
	Monitor *Monitor
	// OCIBundles bring crun and youki. All bundles with a directory have the same
	// one. Optional.
	OCIBundles map[tracing.OCIRuntime]Bundle
	// Owner marks the image as the stack's. Required.
	Owner Owner
}

// NodeImage is a k3s node image with a container runtime that can trace.
type NodeImage struct {
	pulumi.ResourceState

	// Reference names the image; known once it is built.
	Reference pulumi.StringOutput `pulumi:"reference"`
	// Built are the resources to wait for. Waiting for the component would wait for
	// those of its children that happen to be registered by then.
	Built []pulumi.Resource
}

// buildArguments are the Dockerfile's arguments.
func (a NodeImageArgs) buildArguments() map[string]string {
	arguments := map[string]string{
		"BASE":        a.Base,
		"TOOLS":       toolsImage,
		"RUNTIME":     string(a.Runtime.Name),
		"REQUIRED":    strings.Join(a.required(), " "),
		"OWNER_LABEL": a.Owner.Label,
		"OWNER_VALUE": a.Owner.Value,
	}
	official := func(prefix, version string, sums map[string]string) {
		arguments[prefix+"_VERSION"] = version
		arguments[prefix+"_SHA256_AMD64"] = sums["amd64"]
		arguments[prefix+"_SHA256_ARM64"] = sums["arm64"]
	}
	switch {
	case a.Bundle != nil && a.Bundle.URL != "":
		arguments["SOURCE"] = "url"
		arguments["URL"] = a.Bundle.URL
		arguments["SHA256"] = a.Bundle.SHA256
	case a.Bundle != nil:
		arguments["SOURCE"] = "directory"
	default:
		arguments["SOURCE"] = string(a.Runtime.Name) + "-official"
		if a.Runtime.Name == tracing.RuntimeCRIO {
			official("CRIO", a.Runtime.CRIO.Version, a.Runtime.CRIO.SHA256)
		} else {
			official("CONTAINERD", a.Containerd.Version, a.Containerd.SHA256)
		}
	}
	switch {
	case a.Monitor == nil:
	case a.Monitor.URL != "":
		arguments["MONITOR"] = "monitor-url"
		arguments["MONITOR_URL"] = a.Monitor.URL
		arguments["MONITOR_SHA256"] = a.Monitor.SHA256
	default:
		arguments["MONITOR"] = "monitor-official"
		official("MONITOR", a.Monitor.Release.Version, a.Monitor.Release.SHA256)
	}
	for _, oci := range []tracing.OCIRuntime{tracing.OCICrun, tracing.OCIYouki} {
		key := strings.ToUpper(string(oci))
		switch bundle, given := a.OCIBundles[oci]; {
		case given && bundle.URL != "":
			arguments[key] = string(oci) + "-url"
			arguments[key+"_URL"] = bundle.URL
			arguments[key+"_SHA256"] = bundle.SHA256
		case given:
			arguments[key] = "directory"
		case oci == tracing.OCICrun && a.Runtime.Uses(oci) && a.Runtime.Name == tracing.RuntimeContainerd:
			release := tracing.CrunRelease()
			arguments[key] = "crio-official"
			official("CRIO", release.Version, release.SHA256)
		}
	}
	return arguments
}

// required lists the binaries that the image must have, below /opt/kubetracing.
func (a NodeImageArgs) required() []string {
	if a.Runtime.Name == tracing.RuntimeContainerd {
		files := []string{"containerd/bin/containerd", "containerd/bin/containerd-shim-runc-v2"}
		for _, oci := range []tracing.OCIRuntime{tracing.OCICrun, tracing.OCIYouki} {
			if a.Runtime.Uses(oci) {
				files = append(files, "oci/bin/"+string(oci))
			}
		}
		return files
	}
	files := []string{"crio/bin/crio", "crio/bin/pinns"}
	for _, monitor := range a.Runtime.Monitors() {
		files = append(files, "crio/bin/"+monitor)
	}
	for _, oci := range []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCICrun, tracing.OCIYouki} {
		if a.Runtime.Uses(oci) {
			files = append(files, "oci/bin/"+string(oci))
		}
	}
	return files
}

// directory is the one directory that bundles come from; empty if none does.
func (a NodeImageArgs) directory() string {
	if a.Bundle != nil && a.Bundle.Directory != "" {
		return a.Bundle.Directory
	}
	for _, bundle := range a.OCIBundles {
		if bundle.Directory != "" {
			return bundle.Directory
		}
	}
	return ""
}

// fromDirectory lists the required binaries that can only come from the directory.
func (a NodeImageArgs) fromDirectory() []string {
	var names []string
	for _, file := range a.required() {
		name := path.Base(file)
		bundle := a.Bundle
		if name == "conmonrs" && a.Monitor != nil {
			continue
		}
		if oci, given := a.OCIBundles[tracing.OCIRuntime(name)]; given {
			bundle = &oci
		} else if strings.HasPrefix(file, "oci/") && a.Runtime.Name == tracing.RuntimeContainerd {
			continue
		}
		if bundle != nil && bundle.Directory != "" {
			names = append(names, name)
		}
	}
	return names
}

// Tag is the image reference: the tag is a digest of everything the image is
// made from, a local directory's content included, so that the same inputs name
// the same image and other inputs another. It is an error if the directory has no
// content.
func (a NodeImageArgs) Tag() (string, error) {
	content, err := a.directoryDigest()
	if err != nil {
		return "", err
	}
	// Maps are encoded with sorted keys. Where a directory lies does not matter.
	inputs, err := json.Marshal([]any{nodeImageDockerfile, a.buildArguments(), content})
	if err != nil {
		return "", fmt.Errorf("digest of node image: %w", err)
	}
	sum := sha256.Sum256(inputs)
	return a.Repository + ":" + hex.EncodeToString(sum[:])[:12], nil
}

// directoryDigest names the content of the bundle's directory: the names and
// contents of the files that the Dockerfile takes from it. Without a directory it
// is empty.
func (a NodeImageArgs) directoryDigest() (string, error) {
	given := a.directory()
	if given == "" {
		return "", nil
	}
	directory := given
	if !filepath.IsAbs(directory) {
		// Pulumi runs the program in a folder of the project, an offline plan in any.
		project, err := workspace.DetectProjectPath()
		if err != nil {
			return "", fmt.Errorf("runtime bundle %s: %w", given, err)
		}
		directory = filepath.Join(filepath.Dir(project), directory)
	}
	binaries := filepath.Join(directory, "bin")
	var missing []string
	for _, name := range a.fromDirectory() {
		// Some releases' bundles call their binaries crio-NAME.
		_, err := os.Stat(filepath.Join(binaries, name))
		_, prefixedErr := os.Stat(filepath.Join(binaries, "crio-"+name))
		if err != nil && prefixedErr != nil {
			missing = append(missing, "bin/"+name)
		}
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("runtime bundle %s must hold %s", given, strings.Join(missing, ", "))
	}
	digest, err := dirhash.HashDir(binaries, "bin", dirhash.Hash1)
	if err != nil {
		return "", fmt.Errorf("digest of runtime bundle %s: %w", given, err)
	}
	return digest, nil
}

// runtimeVersion is the container runtime's release.
func (a NodeImageArgs) runtimeVersion() string {
	if a.Runtime.Name == tracing.RuntimeCRIO {
		return a.Runtime.CRIO.Version
	}
	return a.Containerd.Version
}

// context is the build context: our folder, or the directory that holds the
// bundle. Relative bundle directories are below the project's root.
func (a NodeImageArgs) context() string {
	directory := a.directory()
	switch {
	case directory == "":
		return nodeImageContext
	case path.IsAbs(directory):
		return directory
	default:
		return path.Join("..", directory)
	}
}

// NewNodeImage builds a node image in the Docker daemon.
func NewNodeImage(ctx *pulumi.Context, name string, args NodeImageArgs, opts ...pulumi.ResourceOption) (*NodeImage, error) {
	tag, err := args.Tag()
	if err != nil {
		return nil, fmt.Errorf("node image %q: %w", name, err)
	}
	component := &NodeImage{}
	if err := ctx.RegisterComponentResourceV2(nodeImageType, name, pulumi.Map{
		"base":                    pulumi.String(args.Base),
		string(args.Runtime.Name): pulumi.String(args.runtimeVersion()),
	}, component, opts...); err != nil {
		return nil, fmt.Errorf("node image %q: %w", name, err)
	}
	arguments := pulumi.StringMap{}
	for key, value := range args.buildArguments() {
		arguments[key] = pulumi.String(value)
	}
	image, err := docker.NewImage(ctx, name+"-build", &docker.ImageArgs{
		ImageName: pulumi.String(tag),
		SkipPush:  pulumi.Bool(true),
		Build: docker.DockerBuildArgs{
			BuilderVersion: docker.BuilderVersionBuilderBuildKit,
			Context:        pulumi.String(args.context()),
			Dockerfile:     pulumi.String(nodeImageContext + "/Dockerfile"),
			Args:           arguments,
		},
	}, pulumi.Parent(component))
	if err != nil {
		return nil, fmt.Errorf("node image %q: %w", name, err)
	}
	// The docker provider leaves the images it built behind.
	present, err := local.NewCommand(ctx, name+"-present", &local.CommandArgs{
		Create:   pulumi.String(script(map[string]string{"IMAGE": tag}, imagePresentScript)),
		Update:   pulumi.String(script(map[string]string{"IMAGE": tag}, imagePresentScript)),
		Delete:   pulumi.String(script(map[string]string{"IMAGE": tag, "OWNER": args.Owner.String()}, imageRemoveScript)),
		Triggers: pulumi.Array{pulumi.String(tag)},
		Logging:  local.LoggingStderr,
	}, pulumi.Parent(component), pulumi.DependsOn([]pulumi.Resource{image}))
	if err != nil {
		return nil, fmt.Errorf("node image %q: %w", name, err)
	}
	component.Built = []pulumi.Resource{image, present}
	component.Reference = present.ID().ApplyT(func(pulumi.ID) string { return tag }).(pulumi.StringOutput)
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{"reference": component.Reference})
}
