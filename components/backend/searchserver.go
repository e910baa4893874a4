package backend

import (
	"fmt"
	"time"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

// searchServerUser is the user as whom the images of OpenSearch and Elasticsearch
// run.
//
// Source: github.com/opensearch-project/opensearch-build
// docker/release/dockerfiles/opensearch.al2023.dockerfile (UID);
// github.com/elastic/elasticsearch distribution/docker/src/docker/Dockerfile.
const searchServerUser = "1000"

// searchServerTimeout bounds the wait for a search server: a JVM on a busy machine
// takes a minute or more.
const searchServerTimeout = 5 * time.Minute

// searchServerStopSeconds is how long a search server has to write what it holds
// before it is removed.
const searchServerStopSeconds = 30

// SearchServerArgs describe an OpenSearch or Elasticsearch of the stack's own.
type SearchServerArgs struct {
	// Program is the kubetracing binary. Required.
	Program resources.Program
	// Storage is which of the two. Required.
	Storage tracing.JaegerStorage
	// ContainerName is the container's name in Docker, and that of the volume with
	// its data. Required.
	ContainerName string
	// Image is the image reference. Required.
	Image string
	// Password is the superuser's. Required.
	Password string
	// HeapMiB is the size of the Java heap, in MiB; the container may use twice as
	// much memory. Required.
	HeapMiB int
	// NetworkName is the Docker network to join. Required.
	NetworkName pulumi.StringInput
	// Owner marks the container and its volume. Required.
	Owner resources.Owner
}

// SearchServer is a single node that is healthy once its creation ends.
type SearchServer struct {
	pulumi.ResourceState

	// Healthy is created once the server is healthy.
	Healthy pulumi.Resource
}

// NewSearchServer creates a search server and waits until it is healthy.
func NewSearchServer(ctx *pulumi.Context, name string, args SearchServerArgs, opts ...pulumi.ResourceOption) (*SearchServer, error) {
	inputs := pulumi.Map{"image": pulumi.String(args.Image), "heapMiB": pulumi.Int(args.HeapMiB)}
	return resources.Register(ctx, "SearchServer", name, inputs, &SearchServer{}, opts, func(server *SearchServer) error {
		kind, known := searchServerKinds[args.Storage]
		if !known {
			return fmt.Errorf("storage %q is not a search server", args.Storage)
		}
		node := service{
			program: args.Program, container: args.ContainerName, image: args.Image,
			network: args.NetworkName, alias: args.Storage.Alias(),
			dataPath: kind.data, dataUser: searchServerUser, owner: args.Owner,
		}
		_, healthy, err := node.createHealthy(ctx, name, docker.ContainerArgs{
			Envs:    append(kind.environment(args.HeapMiB), resources.SecretVariable(kind.passwordVariable, args.Password)),
			Uploads: kind.uploads,
			Memory:  pulumi.Int(2 * args.HeapMiB),
			// Nothing is published: on the stack's network, the password protects the server.
			DestroyGraceSeconds: pulumi.Int(searchServerStopSeconds),
			Healthcheck: docker.ContainerHealthcheckArgs{
				Tests:    resources.StringArray("CMD-SHELL", kind.healthCheck(args.Storage.Superuser())),
				Interval: pulumi.String("2s"),
				Timeout:  pulumi.String("10s"),
				Retries:  pulumi.Int(int(searchServerTimeout.Seconds())),
			},
		}, spec.Container{Title: kind.name, Timeout: verify.Duration(searchServerTimeout)}, server,
			// Docker sets it along with a memory limit, and the provider would reset it in
			// every update.
			pulumi.IgnoreChanges([]string{"memorySwap"}))
		server.Healthy = healthy
		return err
	})
}
