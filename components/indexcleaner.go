package components

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const indexCleanerType = "kubetracing:components:IndexCleaner"

//go:embed scripts/index-cleaner.sh
var indexCleanerScript string

// indexCleanerCAPath is where the certificates of a server's authority lie.
const indexCleanerCAPath = "/etc/cleaner/ca.pem"

// IndexCleanerArgs describe what deletes traces that are too old.
type IndexCleanerArgs struct {
	// ContainerName is the container's name in Docker. Required.
	ContainerName string
	// Image is the image reference. Required.
	Image string
	// Server is where the traces are. Required.
	Server tracing.JaegerServer
	// Password is the one of the server's user. Required where Server has a user.
	Password string
	// RetentionDays is for how many days a trace is kept at least. Required.
	RetentionDays int
	// Storage is the server, to wait for. Optional.
	Storage pulumi.Resource
	// NetworkName is the Docker network to join. Required.
	NetworkName pulumi.StringInput
	// Owner marks the container as the stack's. Required.
	Owner Owner
}

// IndexCleaner is a container that deletes a stack's old indices: neither
// OpenSearch nor Elasticsearch forgets by itself, and their policies differ.
type IndexCleaner struct {
	pulumi.ResourceState
}

// NewIndexCleaner creates the cleaner.
func NewIndexCleaner(ctx *pulumi.Context, name string, args IndexCleanerArgs, opts ...pulumi.ResourceOption) (*IndexCleaner, error) {
	component := &IndexCleaner{}
	if err := ctx.RegisterComponentResourceV2(indexCleanerType, name, pulumi.Map{
		"image":         pulumi.String(args.Image),
		"retentionDays": pulumi.Int(args.RetentionDays),
		"server":        pulumi.String(args.Server.URL),
	}, component, opts...); err != nil {
		return nil, fmt.Errorf("index cleaner %q: %w", name, err)
	}
	image, err := newImage(ctx, name+"-image", args.Image, component)
	if err != nil {
		return nil, fmt.Errorf("index cleaner %q: %w", name, err)
	}
	after := []pulumi.Resource{image}
	if args.Storage != nil {
		after = append(after, args.Storage)
	}
	_, err = docker.NewContainer(ctx, name+"-container", &docker.ContainerArgs{
		Name:        pulumi.String(args.ContainerName),
		Image:       pulumi.String(args.Image),
		Entrypoints: stringArray([]string{"/bin/sh", "-c", indexCleanerScript}),
		// Passes signals on: a shell that is the first process ignores them.
		Init:        pulumi.Bool(true),
		Restart:     pulumi.String("unless-stopped"),
		Labels:      args.Owner.containerLabels(),
		Envs:        args.environment(),
		Uploads:     args.uploads(),
		NetworkMode: pulumi.String("bridge"),
		NetworksAdvanced: docker.ContainerNetworksAdvancedArray{docker.ContainerNetworksAdvancedArgs{
			Name: args.NetworkName,
		}},
	}, containerOptions(component, after...)...)
	if err != nil {
		return nil, fmt.Errorf("index cleaner %q: %w", name, err)
	}
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{})
}

// environment is where the cleaner finds its flags.
//
// Source: github.com/jaegertracing/jaeger v2.20.0 cmd/es-index-cleaner/app/flags.go
// and internal/config/config.go (dots and dashes of a flag are underscores).
func (a IndexCleanerArgs) environment() pulumi.StringArray {
	variables := []string{
		// An index is given spans for up to a day, and its age counts from its creation.
		// Source: cmd/es-index-cleaner/main.go there.
		"DAYS=" + strconv.Itoa(a.RetentionDays+1),
		"INDEX_PREFIX=" + a.Server.IndexPrefix,
		"SERVER_URL=" + a.Server.URL,
	}
	if strings.HasPrefix(a.Server.URL, "https://") {
		variables = append(variables, "ES_TLS_ENABLED=true")
	}
	if a.Server.CA != "" {
		variables = append(variables, "ES_TLS_CA="+indexCleanerCAPath)
	}
	if a.Server.Username == "" {
		return stringArray(variables)
	}
	return append(stringArray(append(variables, "ES_USERNAME="+a.Server.Username)), secretVariable("ES_PASSWORD", a.Password))
}

func (a IndexCleanerArgs) uploads() docker.ContainerUploadArrayInput {
	if a.Server.CA == "" {
		return nil
	}
	return docker.ContainerUploadArray{docker.ContainerUploadArgs{
		File: pulumi.String(indexCleanerCAPath), Content: pulumi.String(a.Server.CA), Permissions: pulumi.String("0644"),
	}}
}
