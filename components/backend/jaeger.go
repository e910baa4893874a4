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

// healthTimeout bounds the wait for a container to become healthy. Jaeger and the
// Collector need a second or two on an idle machine.
const healthTimeout = 2 * time.Minute

// JaegerArgs describe the trace backend.
type JaegerArgs struct {
	// Program is the kubetracing binary. Required.
	Program resources.Program
	// ContainerName is the container's name in Docker, and that of the volume with
	// its traces where the storage outlives it. Required.
	ContainerName string
	// Image is the image reference. Required.
	Image string
	// UIPort is the host's port for UI and query API, on spec.Localhost. Required.
	UIPort int
	// Spec decides the configuration. Required.
	Spec tracing.JaegerSpec
	// Password is that of the storage's user. Required if Spec has a user.
	Password string
	// Storage is the storage's server, to wait for. Optional.
	Storage pulumi.Resource
	// NetworkName is the Docker network to join. Required.
	NetworkName pulumi.StringInput
	// Address is the container's IPv4 address on the network. Required.
	Address string
	// Owner marks the container and its volume. Required.
	Owner resources.Owner
}

// Jaeger is a Jaeger v2 container that is healthy once its creation ends.
type Jaeger struct {
	pulumi.ResourceState

	// URL is that of the UI and the query API on the host. It is known at once;
	// whatever uses it waits for the healthy container.
	URL pulumi.StringOutput `pulumi:"url"`
	// ContainerID changes whenever the container is replaced; known once Jaeger is
	// healthy.
	ContainerID pulumi.StringOutput `pulumi:"containerId"`
	// Healthy is created once Jaeger is healthy.
	Healthy pulumi.Resource
}

// NewJaeger creates the trace backend and waits until it is healthy.
func NewJaeger(ctx *pulumi.Context, name string, args JaegerArgs, opts ...pulumi.ResourceOption) (*Jaeger, error) {
	return resources.Register(ctx, "Jaeger", name, args.inputs(), &Jaeger{}, opts, func(jaeger *Jaeger) error {
		files, err := tracing.RenderJaegerFiles(args.Spec)
		if err != nil {
			return err
		}
		var uploads docker.ContainerUploadArray
		for _, file := range files {
			uploads = append(uploads, resources.Upload(file.Path, file.Content)...)
		}
		backend := service{
			program: args.Program, container: args.ContainerName, image: args.Image,
			network: args.NetworkName, alias: tracing.JaegerAlias, address: args.Address,
			owner: args.Owner, after: []pulumi.Resource{args.Storage},
		}
		if args.Spec.Storage == tracing.StorageBadger {
			backend.dataPath = tracing.JaegerDataDirectory
		}
		container, healthy, err := backend.createHealthy(ctx, name, docker.ContainerArgs{
			Command: resources.StringArray("--config", tracing.JaegerConfigPath),
			Envs:    args.environment(),
			Uploads: uploads,
			// Jaeger writes what it holds before it ends.
			DestroyGraceSeconds: pulumi.Int(resources.StopSeconds),
			Ports:               docker.ContainerPortArray{resources.Publish(args.UIPort, tracing.JaegerUIPort)},
			Healthcheck: docker.ContainerHealthcheckArgs{
				Tests: resources.StringArray(
					"CMD", "wget", "-q", "-O", "/dev/null",
					fmt.Sprintf("http://127.0.0.1:%d%s", tracing.HealthPort, tracing.JaegerHealthPath),
				),
				Interval: pulumi.String("1s"),
				Timeout:  pulumi.String("3s"),
				Retries:  pulumi.Int(int(healthTimeout.Seconds())),
			},
		}, spec.Container{Title: "Jaeger", Timeout: verify.Duration(healthTimeout)}, jaeger)
		if err != nil {
			return err
		}
		jaeger.URL = resources.After(ctx, spec.JaegerURL(args.UIPort), healthy)
		jaeger.ContainerID, jaeger.Healthy = resources.HealthyID(container, healthy), healthy
		return nil
	})
}

// inputs returns what a preview shows of a changed Jaeger.
func (a JaegerArgs) inputs() pulumi.Map {
	inputs := pulumi.Map{
		"image":   pulumi.String(a.Image),
		"uiPort":  pulumi.Int(a.UIPort),
		"storage": pulumi.String(a.Spec.Storage),
	}
	if a.Spec.Storage.Persistent() {
		inputs["retention"] = pulumi.String(a.Spec.Retention)
	}
	if a.Spec.Server != nil {
		inputs["server"] = pulumi.String(a.Spec.Server.URL)
	}
	return inputs
}

// environment includes the password of the search server, if Jaeger logs in there.
func (a JaegerArgs) environment() pulumi.StringArray {
	environment := resources.StringArray(tracing.JaegerQuiet)
	if a.Spec.Server != nil && a.Spec.Server.Username != "" {
		environment = append(environment, resources.SecretVariable(tracing.JaegerPasswordVariable, a.Password))
	}
	return environment
}
