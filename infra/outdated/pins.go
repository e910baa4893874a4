package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"golang.org/x/mod/modfile"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/infra/tools"
	"github.com/kubetracing/kubetracing/stacks"
)

// The files in which pins stand, from the project's folder.
const (
	versionsFile   = "components/tracing/versions.go"
	containerdFile = "components/tracing/containerd_releases.go"
	k3dFile        = "components/tracing/k3d.go"
	toolsFile      = "infra/tools/pinned.go"
	defaultsFile   = "stacks/defaults.go"
	projectFile    = "Pulumi.yaml"
	moduleFile     = "go.mod"
)

// pins lists everything that is pinned, from where the program itself has it.
func pins(root string) ([]pin, error) {
	var all []pin
	for _, minor := range tracing.Minors() {
		release, err := tracing.ResolveRelease(minor)
		if err != nil {
			return nil, fmt.Errorf("resolve Kubernetes %s: %w", minor, err)
		}
		row := pin{
			name: "k3s " + minor, version: strings.TrimPrefix(release.Kubernetes, "v"),
			sums: map[string]string{}, source: k3sSource{minor}, edit: editK3s,
		}
		if _, digest, pinned := strings.Cut(release.Image, "@"); pinned {
			row.sums[imageKey] = digest
		}
		all = append(all, row)
	}
	all = append(all, pin{name: "newest Kubernetes minor", version: tracing.NewestMinor(), source: minorSource{}})
	containerds := tracing.ContainerdReleases()
	for _, line := range slices.Sorted(maps.Keys(containerds)) {
		all = append(all, pin{
			name: "containerd " + line, version: containerds[line].Version, sums: linux(containerds[line].SHA256),
			source: githubSource{repository: "containerd/containerd", line: line, assets: map[string]string{
				"linux/amd64": "containerd-VERSION-linux-amd64.tar.gz",
				"linux/arm64": "containerd-VERSION-linux-arm64.tar.gz",
			}},
			edit: editContainerd,
		})
	}
	crios := tracing.CRIOReleases()
	for _, minor := range tracing.Minors() {
		number, err := strconv.ParseUint(strings.TrimPrefix(minor, "1."), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read Kubernetes minor %s: %w", minor, err)
		}
		// By hand, since which conmon-rs a bundle has is not part of its release.
		all = append(all, pin{
			name: "CRI-O " + minor, version: crios[number].Version, sums: linux(crios[number].SHA256), source: newCRIOSource(minor),
		})
	}
	all = append(all, toolPins()...)
	images, err := imagePins()
	if err != nil {
		return nil, err
	}
	// By hand, since tests and machines without a network name it.
	image, version, _ := strings.Cut(spec.ToolsImage, ":")
	images = append(images, pin{name: "tools image " + image, version: version, source: officialSource{image}})
	modules, err := modulePins(root)
	return append(append(all, images...), modules...), err
}

// linux returns checksums by architecture as those by platform.
func linux(byArchitecture map[string]string) map[string]string {
	sums := map[string]string{}
	for arch, sum := range byArchitecture {
		sums["linux/"+arch] = sum
	}
	return sums
}

func toolPins() []pin {
	pulumi, k3d, kubectl := tools.Pulumi(), tools.K3d(), tools.Kubectl()
	pulumiAssets, k3dAssets := map[string]string{}, map[string]string{}
	for platform := range pulumi.SHA256 {
		system, arch, _ := strings.Cut(platform, "/")
		k3dAssets[platform] = "k3d-" + system + "-" + arch
		if arch == "amd64" {
			arch = "x64"
		}
		pulumiAssets[platform] = "pulumi-vVERSION-" + system + "-" + arch + ".tar.gz"
	}
	return []pin{
		{
			name: "Pulumi", version: pulumi.Version, sums: pulumi.SHA256, edit: editTool(toolsFile, "pulumiVersion"),
			source: githubSource{repository: "pulumi/pulumi", assets: pulumiAssets},
		},
		{
			name: "k3d", version: k3d.Version, sums: k3d.SHA256, edit: editTool(k3dFile, "K3dRelease"),
			source: githubSource{repository: "k3d-io/k3d", assets: k3dAssets},
		},
		{
			name: "kubectl", version: kubectl.Version, sums: kubectl.SHA256, edit: editTool(toolsFile, "kubectlVersion"),
			source: kubectlSource{tracing.NewestMinor()},
		},
	}
}

func imagePins() ([]pin, error) {
	const collectors = "open-telemetry/opentelemetry-collector-releases"
	var all []pin
	for _, image := range []struct {
		name, reference string
		source          func(image string) source
	}{
		{"Jaeger", stacks.DefaultJaegerImage, released(jaegerRepository)},
		{"Jaeger's index cleaner", stacks.DefaultCleanerImage, released(jaegerRepository)},
		{"Collector", stacks.CoreCollectorImage, released(collectors)},
		{"Collector contrib", stacks.ContribCollectorImage, released(collectors)},
		{"OpenSearch", stacks.OpenSearchImage, composed("docker-compose/opensearch/v3/docker-compose.yml")},
		{"Elasticsearch", stacks.ElasticsearchImage, composed("docker-compose/elasticsearch/v9/docker-compose.yml")},
	} {
		named, err := reference.Parse(image.reference)
		if err != nil {
			return nil, fmt.Errorf("read the image of %s: %w", image.name, err)
		}
		p := pin{name: image.name, sums: map[string]string{}}
		if tagged, ok := named.(reference.Tagged); ok {
			p.version = tagged.Tag()
		}
		if digested, ok := named.(reference.Digested); ok {
			p.sums[imageKey] = digested.Digest().String()
		}
		repository, _, _ := strings.Cut(image.reference, "@")
		repository = strings.TrimSuffix(repository, ":"+p.version)
		p.source, p.edit = image.source(repository), editImage(repository)
		all = append(all, p)
	}
	return all, nil
}

func released(repository string) func(string) source {
	return func(image string) source { return githubSource{repository: repository, image: image} }
}

func composed(path string) func(string) source {
	return func(image string) source { return composeSource{path, image} }
}

// modulePins are the SDKs, which belong to the pinned Pulumi. They are bumped with go
// get; every other module is for the tools that watch go.mod.
func modulePins(root string) ([]pin, error) {
	text, err := os.ReadFile(filepath.Join(root, moduleFile))
	if err != nil {
		return nil, fmt.Errorf("read the modules: %w", err)
	}
	file, err := modfile.Parse(moduleFile, text, nil)
	if err != nil {
		return nil, fmt.Errorf("read the modules: %w", err)
	}
	var all []pin
	for _, required := range file.Require {
		if path := required.Mod.Path; strings.HasPrefix(path, "github.com/pulumi/") && !required.Indirect {
			all = append(all, pin{
				name: strings.TrimPrefix(path, "github.com/pulumi/"), version: strings.TrimPrefix(required.Mod.Version, "v"),
				source: moduleSource{path},
			})
		}
	}
	return all, nil
}
