package components

import (
	"fmt"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const searchServerType = "kubetracing:components:SearchServer"

// searchServerUser is the user as whom the images of OpenSearch and Elasticsearch
// run.
//
// Source: github.com/opensearch-project/opensearch-build
// docker/release/dockerfiles/opensearch.al2023.dockerfile (UID);
// github.com/elastic/elasticsearch distribution/docker/src/docker/Dockerfile.
const searchServerUser = "1000"

// searchServerTimeoutSeconds bounds the wait for a search server: a JVM on a busy
// machine takes a minute or more.
const searchServerTimeoutSeconds = 300

// SearchServerArgs describe an OpenSearch or Elasticsearch of the stack's own.
type SearchServerArgs struct {
	// Storage tells which of the two. Required.
	Storage tracing.JaegerStorage
	// ContainerName is the container's name in Docker, and that of the volume with
	// its data. Required.
	ContainerName string
	// Image is the image reference. Required.
	Image string
	// Password is the superuser's. Required.
	Password string
	// HeapMiB is the Java heap, in MiB; the container may use twice as much.
	// Required.
	HeapMiB int
	// NetworkName is the Docker network to join. Required.
	NetworkName pulumi.StringInput
	// Owner marks the container as the stack's. Required.
	Owner Owner
}

// SearchServer is a single node that is healthy once its creation ends.
type SearchServer struct {
	pulumi.ResourceState

	// Healthy is the end of the wait for it.
	Healthy pulumi.Resource
}

// NewSearchServer creates a search server and waits until it is healthy.
func NewSearchServer(ctx *pulumi.Context, name string, args SearchServerArgs, opts ...pulumi.ResourceOption) (*SearchServer, error) {
	kind, known := searchServerKinds[args.Storage]
	if !known {
		return nil, fmt.Errorf("search server %q: storage %q is none", name, args.Storage)
	}
	component := &SearchServer{}
	if err := ctx.RegisterComponentResourceV2(searchServerType, name, pulumi.Map{
		"image":   pulumi.String(args.Image),
		"heapMiB": pulumi.Int(args.HeapMiB),
	}, component, opts...); err != nil {
		return nil, fmt.Errorf("search server %q: %w", name, err)
	}
	image, err := newImage(ctx, name+"-image", args.Image, component)
	if err != nil {
		return nil, fmt.Errorf("search server %q: %w", name, err)
	}
	data, err := newDataVolume(ctx, name, args.ContainerName, kind.data, searchServerUser, args.Owner, component)
	if err != nil {
		return nil, fmt.Errorf("search server %q: %w", name, err)
	}
	container, err := docker.NewContainer(ctx, name+"-container", &docker.ContainerArgs{
		Name:        pulumi.String(args.ContainerName),
		Image:       pulumi.String(args.Image),
		Restart:     pulumi.String("unless-stopped"),
		Labels:      args.Owner.containerLabels(),
		Envs:        append(kind.environment(args.HeapMiB), secretVariable(kind.passwordVariable, args.Password)),
		Uploads:     kind.uploads,
		Memory:      pulumi.Int(2 * args.HeapMiB),
		NetworkMode: pulumi.String("bridge"),
		NetworksAdvanced: docker.ContainerNetworksAdvancedArray{docker.ContainerNetworksAdvancedArgs{
			Name: args.NetworkName, Aliases: stringArray([]string{args.Storage.Alias()}),
		}},
		Volumes: data.mount,
		// Nothing is published: who is on the stack's network has to know the password.
		DestroyGraceSeconds: pulumi.Int(searchServerStopSeconds),
		Healthcheck: docker.ContainerHealthcheckArgs{
			Tests:    stringArray([]string{"CMD-SHELL", kind.healthCheck(args.Storage.Superuser())}),
			Interval: pulumi.String("2s"),
			Timeout:  pulumi.String("10s"),
			Retries:  pulumi.Int(searchServerTimeoutSeconds),
		},
	}, append(containerOptions(component, image, data.ready),
		// Docker chooses it along with a limit of memory, and the provider would take it
		// away again in every update.
		pulumi.IgnoreChanges([]string{"memorySwap"}))...)
	if err != nil {
		return nil, fmt.Errorf("search server %q: %w", name, err)
	}
	component.Healthy, err = newHealthy(ctx, name+"-healthy", healthyArgs{
		Container: container, ContainerName: args.ContainerName, Name: kind.name,
		TimeoutSeconds: searchServerTimeoutSeconds,
	}, component)
	if err != nil {
		return nil, fmt.Errorf("search server %q: %w", name, err)
	}
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{})
}

// searchServerStopSeconds is how long a search server has to write what it holds
// before it is removed.
const searchServerStopSeconds = 30
