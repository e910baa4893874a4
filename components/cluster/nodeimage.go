package cluster

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/dirhash"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
)

// dockerfileFolder is the folder of the Dockerfile, and its build context, below the
// folder of kubetracing's sources.
const dockerfileFolder = "components/cluster/nodeimage"

//go:embed nodeimage/Dockerfile
var dockerfile string

//go:embed scripts/image-remove.sh
var imageRemoveScript string

// Bundle is where a runtime comes from if not from its official release: either
// Directory, or URL and SHA256.
type Bundle struct {
	// Directory holds the binaries in a folder bin; relative paths are below the
	// project's root.
	Directory string
	// URL is a .tar.gz with the same layout or, for an OCI runtime, with its binary;
	// SHA256 is its checksum.
	URL, SHA256 string
}

// Monitor is where conmon-rs comes from: either the official bundle of a CRI-O
// release, or URL and SHA256.
type Monitor struct {
	// Release is the CRI-O release.
	Release tracing.CRIORelease
	// URL is a .tar.gz with a file conmonrs, SHA256 its checksum.
	URL, SHA256 string
}

// NodeImageSpec is everything that a node image is made from.
type NodeImageSpec struct {
	// Repository is the image's name without tag. Required.
	Repository string
	// Stack is the value of the image's spec.StackLabel. Required.
	Stack string
	// Base is the k3s image to build on. Required.
	Base string
	// Runtime is what the image contains. Required.
	Runtime tracing.Runtime
	// Containerd is the release that takes precedence over k3s' own. Required for
	// containerd.
	Containerd tracing.ContainerdRelease
	// Bundle replaces the official release of the container runtime. Optional.
	Bundle *Bundle
	// Monitor replaces the conmon-rs of CRI-O's bundle. Optional.
	Monitor *Monitor
	// OCIBundles provide crun and youki. All bundles with a directory have the same
	// one. Optional.
	OCIBundles map[tracing.OCIRuntime]Bundle
}

// NodeImageTag names a node image.
type NodeImageTag struct {
	// Reference is the whole name.
	Reference string
	// Base is the id of the image that it is built on; empty if unknown, or if the
	// reference of the base has a digest, which says as much.
	Base string
}

// NodeImageArgs describe a node image.
type NodeImageArgs struct {
	// Program is the kubetracing binary. Required.
	Program resources.Program
	// Spec is what the image is made from. Required.
	Spec NodeImageSpec
	// Tag is what Spec.Tag returns, which reads a local directory once. Required.
	Tag NodeImageTag
	// Sources is the folder of kubetracing's sources, and Root the project's root,
	// relative to the folder of the Pulumi program, in which Pulumi runs the providers:
	// such paths are the same on every machine. Required.
	Sources, Root string
	// Owner marks the image. Required.
	Owner resources.Owner
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

// buildArguments returns the Dockerfile's arguments that are known beforehand.
func (s NodeImageSpec) buildArguments() map[string]string {
	arguments := map[string]string{
		"BASE":        s.Base,
		"TOOLS":       spec.ToolsImage,
		"RUNTIME":     string(s.Runtime.Name),
		"REQUIRED":    strings.Join(s.required(), " "),
		"STACK_LABEL": spec.StackLabel,
		"STACK_VALUE": s.Stack,
	}
	official := func(prefix, version string, sums map[string]string) {
		arguments[prefix+"_VERSION"] = version
		arguments[prefix+"_SHA256_AMD64"] = sums["amd64"]
		arguments[prefix+"_SHA256_ARM64"] = sums["arm64"]
	}
	switch {
	case s.Bundle != nil && s.Bundle.URL != "":
		arguments["SOURCE"] = "url"
		arguments["URL"] = s.Bundle.URL
		arguments["SHA256"] = s.Bundle.SHA256
	case s.Bundle != nil:
		arguments["SOURCE"] = "directory"
	default:
		arguments["SOURCE"] = string(s.Runtime.Name) + "-official"
		if s.Runtime.Name == tracing.RuntimeCRIO {
			official("CRIO", s.Runtime.CRIO.Version, s.Runtime.CRIO.SHA256)
		} else {
			official("CONTAINERD", s.Containerd.Version, s.Containerd.SHA256)
		}
	}
	switch {
	case s.Monitor == nil:
	case s.Monitor.URL != "":
		arguments["MONITOR"] = "monitor-url"
		arguments["MONITOR_URL"] = s.Monitor.URL
		arguments["MONITOR_SHA256"] = s.Monitor.SHA256
	default:
		arguments["MONITOR"] = "monitor-official"
		official("MONITOR", s.Monitor.Release.Version, s.Monitor.Release.SHA256)
	}
	for _, oci := range []tracing.OCIRuntime{tracing.OCICrun, tracing.OCIYouki} {
		key := strings.ToUpper(string(oci))
		switch bundle, given := s.OCIBundles[oci]; {
		case given && bundle.URL != "":
			arguments[key] = string(oci) + "-url"
			arguments[key+"_URL"] = bundle.URL
			arguments[key+"_SHA256"] = bundle.SHA256
		case given:
			arguments[key] = "directory"
		case oci == tracing.OCICrun && s.Runtime.Uses(oci) && s.Runtime.Name == tracing.RuntimeContainerd:
			release := tracing.CrunRelease()
			arguments[key] = "crio-official"
			official("CRIO", release.Version, release.SHA256)
		}
	}
	return arguments
}

// required lists the binaries that the image must have, below /opt/kubetracing.
func (s NodeImageSpec) required() []string {
	if s.Runtime.Name == tracing.RuntimeContainerd {
		files := []string{"containerd/bin/containerd", "containerd/bin/containerd-shim-runc-v2"}
		for _, oci := range []tracing.OCIRuntime{tracing.OCICrun, tracing.OCIYouki} {
			if s.Runtime.Uses(oci) {
				files = append(files, "oci/bin/"+string(oci))
			}
		}
		return files
	}
	files := []string{"crio/bin/crio", "crio/bin/pinns"}
	for _, monitor := range s.Runtime.Monitors() {
		files = append(files, "crio/bin/"+monitor)
	}
	for _, oci := range []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCICrun, tracing.OCIYouki} {
		if s.Runtime.Uses(oci) {
			files = append(files, "oci/bin/"+string(oci))
		}
	}
	return files
}

// directory returns the directory that bundles come from; empty if none does.
func (s NodeImageSpec) directory() string {
	if s.Bundle != nil && s.Bundle.Directory != "" {
		return s.Bundle.Directory
	}
	for _, bundle := range s.OCIBundles {
		if bundle.Directory != "" {
			return bundle.Directory
		}
	}
	return ""
}

// fromDirectory lists the required binaries that can only come from the directory.
func (s NodeImageSpec) fromDirectory() []string {
	var names []string
	for _, file := range s.required() {
		name := path.Base(file)
		bundle := s.Bundle
		if name == "conmonrs" && s.Monitor != nil {
			continue
		}
		if oci, given := s.OCIBundles[tracing.OCIRuntime(name)]; given {
			bundle = &oci
		} else if strings.HasPrefix(file, "oci/") && s.Runtime.Name == tracing.RuntimeContainerd {
			continue
		}
		if bundle != nil && bundle.Directory != "" {
			names = append(names, name)
		}
	}
	return names
}

// Tag returns the image's name. The tag is a digest of everything that the image is made
// from, the content of a local directory included, so the same inputs name the same
// image and other inputs another. A base image whose reference has no digest counts by
// its id, too: the reference may come to mean another image. Where the id is not known,
// a node image from the same inputs is taken as it is, whatever its base. root is the
// folder below which relative directories are. The error is that of a directory without
// the binaries.
func (s NodeImageSpec) Tag(root string, local spec.LocalImages) (NodeImageTag, error) {
	content, err := s.directoryDigest(root)
	if err != nil {
		return NodeImageTag{}, err
	}
	// Maps are encoded with sorted keys. The place of a directory does not matter.
	inputs := []any{dockerfile, s.buildArguments(), content}
	tag := func(base string) (NodeImageTag, error) {
		all := inputs
		if base != "" {
			all = append(slices.Clone(inputs), base)
		}
		text, err := json.Marshal(all)
		if err != nil {
			return NodeImageTag{}, fmt.Errorf("digest of node image: %w", err)
		}
		return NodeImageTag{s.Repository + ":" + resources.ShortDigest(text), base}, nil
	}
	if strings.Contains(s.Base, "@") {
		return tag("")
	}
	wanted, err := tag(local.Base)
	if err != nil {
		return NodeImageTag{}, err
	}
	for _, node := range local.Nodes {
		existing, err := tag(node.Base)
		if err != nil {
			return NodeImageTag{}, err
		}
		if existing.Reference == node.Reference && (local.Base == "" || node.Base == "") && !local.Has(wanted.Reference) {
			return existing, nil
		}
	}
	return wanted, nil
}

// directoryDigest names the content of the bundle's directory: the names and
// contents of the files that the Dockerfile copies from it. Without a directory it
// is empty.
func (s NodeImageSpec) directoryDigest(root string) (string, error) {
	chosen := s.directory()
	if chosen == "" {
		return "", nil
	}
	directory := chosen
	if !filepath.IsAbs(directory) {
		directory = filepath.Join(root, directory)
	}
	binaries := filepath.Join(directory, "bin")
	var missing []string
	for _, name := range s.fromDirectory() {
		// Some releases' bundles call their binaries crio-NAME.
		found := slices.ContainsFunc([]string{name, "crio-" + name}, func(file string) bool {
			_, err := os.Stat(filepath.Join(binaries, file))
			return err == nil
		})
		if !found {
			missing = append(missing, "bin/"+name)
		}
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("runtime bundle %s must hold %s", chosen, strings.Join(missing, ", "))
	}
	digest, err := dirhash.HashDir(binaries, "bin", dirhash.Hash1)
	if err != nil {
		return "", fmt.Errorf("digest of runtime bundle %s: %w", chosen, err)
	}
	return digest, nil
}

// runtimeVersion returns the container runtime's release.
func (s NodeImageSpec) runtimeVersion() string {
	if s.Runtime.Name == tracing.RuntimeCRIO {
		return s.Runtime.CRIO.Version
	}
	return s.Containerd.Version
}

// context returns the build context: the Dockerfile's folder, or the directory that
// holds the bundle.
func (a NodeImageArgs) context() string {
	directory := a.Spec.directory()
	switch {
	case directory == "":
		return path.Join(a.Sources, dockerfileFolder)
	case path.IsAbs(directory):
		return directory
	default:
		return path.Join(a.Root, directory)
	}
}

// buildArguments returns all arguments of the Dockerfile.
func (a NodeImageArgs) buildArguments() pulumi.StringMap {
	// The identity is no part of the tag: it is only known once the first update has
	// begun. In the preview before that, the provider checks the build without it: it
	// drops what is unknown.
	//
	// Source: pulumi-docker provider/provider.go (Check: KeepUnknowns is false).
	arguments := pulumi.StringMap{
		"STATE_LABEL": pulumi.String(spec.StateLabel), "STATE_VALUE": a.Owner.State,
		"BASE_LABEL": pulumi.String(spec.BaseLabel), "BASE_VALUE": pulumi.String(a.Tag.Base),
		"IMAGE": pulumi.String(a.Tag.Reference),
	}
	for key, value := range a.Spec.buildArguments() {
		arguments[key] = pulumi.String(value)
	}
	return arguments
}

// NewNodeImage builds a node image in the Docker daemon.
func NewNodeImage(ctx *pulumi.Context, name string, args NodeImageArgs, opts ...pulumi.ResourceOption) (*NodeImage, error) {
	tag := args.Tag.Reference
	inputs := pulumi.Map{
		"base":                         pulumi.String(args.Spec.Base),
		string(args.Spec.Runtime.Name): pulumi.String(args.Spec.runtimeVersion()),
	}
	if args.Tag.Base != "" {
		inputs["baseId"] = pulumi.String(args.Tag.Base)
	}
	return resources.Register(ctx, "NodeImage", name, inputs, &NodeImage{}, opts, func(image *NodeImage) error {
		build, err := docker.NewImage(ctx, name+"-build", &docker.ImageArgs{
			ImageName: pulumi.String(tag),
			SkipPush:  pulumi.Bool(true),
			Build: docker.DockerBuildArgs{
				BuilderVersion: docker.BuilderVersionBuilderBuildKit,
				Context:        pulumi.String(args.context()),
				Dockerfile:     pulumi.String(path.Join(args.Sources, dockerfileFolder, "Dockerfile")),
				Args:           args.buildArguments(),
			},
		}, pulumi.Parent(image))
		if err != nil {
			return err
		}
		// The docker provider never removes the images that it built.
		present, err := resources.NewCommand(ctx, name+"-present", args.Program, resources.CommandArgs{
			Create:      []string{"image", "present", tag},
			Delete:      resources.Script(map[string]string{"IMAGE": tag}, imageRemoveScript),
			Environment: args.Owner.Environment(),
			Triggers:    pulumi.Array{pulumi.String(tag)},
		}, pulumi.Parent(image), pulumi.DependsOn([]pulumi.Resource{build}))
		if err != nil {
			return err
		}
		image.Built = []pulumi.Resource{build, present}
		image.Reference = present.ID().ApplyT(func(pulumi.ID) string { return tag }).(pulumi.StringOutput)
		return nil
	})
}
