package backend

import (
	_ "embed"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/tracing"
)

//go:embed scripts/index-cleaner.sh
var indexCleanerScript string

// indexCleanerCAPath is where the certificates of a server's authority are.
const indexCleanerCAPath = "/etc/cleaner/ca.pem"

// IndexCleanerArgs describe the container that deletes traces that are too old.
type IndexCleanerArgs struct {
	// ContainerName is the container's name in Docker. Required.
	ContainerName string
	// Image is the image reference. Required.
	Image string
	// Server stores the traces. Required.
	Server tracing.JaegerServer
	// Password is that of the server's user. Required if Server has a user.
	Password string
	// RetentionDays is how long a trace is kept at least, in days. Required.
	RetentionDays int
	// Storage is the server, to wait for. Optional.
	Storage pulumi.Resource
	// NetworkName is the Docker network to join. Required.
	NetworkName pulumi.StringInput
	// Owner marks the container. Required.
	Owner resources.Owner
}

// IndexCleaner is a container that deletes a stack's old indices: neither
// OpenSearch nor Elasticsearch forgets by itself, and their policies differ.
type IndexCleaner struct {
	pulumi.ResourceState
}

// NewIndexCleaner creates the cleaner.
func NewIndexCleaner(ctx *pulumi.Context, name string, args IndexCleanerArgs, opts ...pulumi.ResourceOption) (*IndexCleaner, error) {
	return resources.Register(ctx, "IndexCleaner", name, args.inputs(), &IndexCleaner{}, opts, func(cleaner *IndexCleaner) error {
		_, err := service{
			container: args.ContainerName, image: args.Image, network: args.NetworkName, owner: args.Owner,
			after: []pulumi.Resource{args.Storage},
		}.create(ctx, name, docker.ContainerArgs{
			Entrypoints: resources.StringArray("/bin/sh", "-c", indexCleanerScript),
			// Passes signals on: a shell that is the first process ignores them.
			Init:    pulumi.Bool(true),
			Envs:    args.environment(),
			Uploads: args.uploads(),
		}, cleaner)
		return err
	})
}

// inputs returns what a preview shows of a changed cleaner.
func (a IndexCleanerArgs) inputs() pulumi.Map {
	return pulumi.Map{
		"image":         pulumi.String(a.Image),
		"retentionDays": pulumi.Int(a.RetentionDays),
		"server":        pulumi.String(a.Server.URL),
	}
}

// environment returns the flags of the cleaner.
//
// Source: github.com/jaegertracing/jaeger v2.20.0 cmd/es-index-cleaner/app/flags.go
// and internal/config/config.go (dots and dashes of a flag are underscores).
func (a IndexCleanerArgs) environment() pulumi.StringArray {
	variables := []string{
		// An index receives spans for up to a day, and its age counts from its creation.
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
		return resources.StringArray(variables...)
	}
	variables = append(variables, "ES_USERNAME="+a.Server.Username)
	return append(resources.StringArray(variables...), resources.SecretVariable("ES_PASSWORD", a.Password))
}

func (a IndexCleanerArgs) uploads() docker.ContainerUploadArrayInput {
	if a.Server.CA == "" {
		return nil
	}
	return resources.Upload(indexCleanerCAPath, a.Server.CA)
}
