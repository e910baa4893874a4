package components

import (
	"fmt"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const jaegerType = "kubetracing:components:Jaeger"

// jaegerConfigPath is where the configuration lies in Jaeger's container.
const jaegerConfigPath = "/etc/jaeger/config.yaml"

// healthTimeoutSeconds bounds the wait for a container to become healthy.
// Jaeger and the Collector need a second or two on an idle machine.
const healthTimeoutSeconds = 120

// JaegerArgs describe the trace backend.
type JaegerArgs struct {
	// ContainerName is the container's name in Docker, and that of the volume with
	// its traces where the storage outlives it. Required.
	ContainerName string
	// Image is the image reference. Required.
	Image string
	// UIPort is the host's port for UI and query API, on 127.0.0.1. Required.
	UIPort int
	// Spec decides the configuration. Required.
	Spec tracing.JaegerSpec
	// Password is the one for the storage's server. Required where Spec has a user.
	Password string
	// Storage is the storage's server, to wait for. Optional.
	Storage pulumi.Resource
	// NetworkName is the Docker network to join. Required.
	NetworkName pulumi.StringInput
	// Address is the container's IPv4 address on the network. Required.
	Address string
	// Owner marks the container as the stack's. Required.
	Owner Owner
}

// Jaeger is a Jaeger v2 container that is healthy once its creation ends.
type Jaeger struct {
	pulumi.ResourceState

	// URL is where the UI and the query API answer on the host.
	URL pulumi.StringOutput `pulumi:"url"`
	// ContainerID changes whenever the container is replaced; known once Jaeger is
	// healthy.
	ContainerID pulumi.StringOutput `pulumi:"containerId"`
	// Address is the container's IPv4 address on the network. Whoever uses it waits
	// for the healthy container.
	Address pulumi.StringOutput
	// Healthy is the end of the wait for it.
	Healthy pulumi.Resource
}

// JaegerURL is where a Jaeger with a host port answers on this machine.
func JaegerURL(uiPort int) string { return fmt.Sprintf("http://%s:%d", localhost, uiPort) }

// NewJaeger creates the trace backend and waits until it is healthy.
func NewJaeger(ctx *pulumi.Context, name string, args JaegerArgs, opts ...pulumi.ResourceOption) (*Jaeger, error) {
	config, err := tracing.RenderJaeger(args.Spec)
	if err != nil {
		return nil, fmt.Errorf("jaeger %q: %w", name, err)
	}
	component := &Jaeger{}
	if err := ctx.RegisterComponentResourceV2(jaegerType, name, args.inputs(), component, opts...); err != nil {
		return nil, fmt.Errorf("jaeger %q: %w", name, err)
	}
	image, err := newImage(ctx, name+"-image", args.Image, component)
	if err != nil {
		return nil, fmt.Errorf("jaeger %q: %w", name, err)
	}
	after := []pulumi.Resource{image}
	if args.Storage != nil {
		after = append(after, args.Storage)
	}
	var data dataVolume
	if args.Spec.Storage == tracing.StorageBadger {
		data, err = newDataVolume(ctx, name, args.ContainerName, tracing.JaegerDataDirectory, imageUser, args.Owner, component)
		if err != nil {
			return nil, fmt.Errorf("jaeger %q: %w", name, err)
		}
		after = append(after, data.ready)
	}
	container, err := docker.NewContainer(ctx, name+"-container", &docker.ContainerArgs{
		Name:    pulumi.String(args.ContainerName),
		Image:   pulumi.String(args.Image),
		Command: stringArray([]string{"--config", jaegerConfigPath}),
		Restart: pulumi.String("unless-stopped"),
		Labels:  args.Owner.containerLabels(),
		Envs:    args.environment(),
		// Uploaded, not mounted: the text shows in the preview, an edit replaces the
		// container, and a remote Docker host gets the file too.
		Uploads: docker.ContainerUploadArray{docker.ContainerUploadArgs{
			File: pulumi.String(jaegerConfigPath), Content: pulumi.String(config), Permissions: pulumi.String("0644"),
		}},
		NetworkMode: pulumi.String("bridge"),
		NetworksAdvanced: docker.ContainerNetworksAdvancedArray{docker.ContainerNetworksAdvancedArgs{
			Name: args.NetworkName, Aliases: stringArray([]string{tracing.JaegerAlias}),
			Ipv4Address: pulumi.String(args.Address),
		}},
		Volumes: data.mount,
		// Writes what it holds before it goes.
		DestroyGraceSeconds: pulumi.Int(stopSeconds),
		Ports:               docker.ContainerPortArray{publish(args.UIPort, tracing.JaegerUIPort)},
		Healthcheck: docker.ContainerHealthcheckArgs{
			Tests: stringArray([]string{
				"CMD", "wget", "-q", "-O", "/dev/null",
				fmt.Sprintf("http://127.0.0.1:%d%s", tracing.HealthPort, tracing.JaegerHealthPath),
			}),
			Interval: pulumi.String("1s"),
			Timeout:  pulumi.String("3s"),
			Retries:  pulumi.Int(healthTimeoutSeconds),
		},
	}, containerOptions(component, after...)...)
	if err != nil {
		return nil, fmt.Errorf("jaeger %q: %w", name, err)
	}
	healthy, err := newHealthy(ctx, name+"-healthy", healthyArgs{
		Container: container, ContainerName: args.ContainerName, Name: "Jaeger",
		TimeoutSeconds: healthTimeoutSeconds,
	}, component)
	if err != nil {
		return nil, fmt.Errorf("jaeger %q: %w", name, err)
	}
	// Whoever uses the URL waits for the healthy container, and yet the URL is known
	// while the container is replaced.
	component.URL = pulumi.OutputWithDependencies(
		ctx.Context(), pulumi.String(JaegerURL(args.UIPort)).ToStringOutput(), healthy).(pulumi.StringOutput)
	component.Address = pulumi.OutputWithDependencies(
		ctx.Context(), pulumi.String(args.Address).ToStringOutput(), healthy).(pulumi.StringOutput)
	component.ContainerID, component.Healthy = onceHealthy(container, healthy), healthy
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{
		"url":         component.URL,
		"containerId": component.ContainerID,
	})
}

// inputs are what a preview shows of a changed Jaeger.
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

// environment has the password of the search server, if Jaeger logs in there.
func (a JaegerArgs) environment() pulumi.StringArray {
	environment := stringArray([]string{tracing.JaegerQuiet})
	if a.Spec.Server != nil && a.Spec.Server.Username != "" {
		environment = append(environment, secretVariable(tracing.JaegerPasswordVariable, a.Password))
	}
	return environment
}
