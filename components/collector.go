package components

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const collectorType = "kubetracing:components:Collector"

// collectorConfigPath is where the Collector's configuration lies, whatever the
// distribution: each has a default of its own, so the command names it.
const collectorConfigPath = "/etc/otelcol/config.yaml"

// CollectorArgs describe the OpenTelemetry Collector.
type CollectorArgs struct {
	// ContainerName is the container's name in Docker, and that of the volume with
	// its queues where they are on disk. Required.
	ContainerName string
	// Image is the image reference. Required.
	Image string
	// Pipeline decides the configuration. Required.
	Pipeline tracing.CollectorSpec
	// Secrets are environment variables that the configuration refers to. Optional.
	Secrets map[string]string
	// OTLPGRPCPort and OTLPHTTPPort publish the receivers on 127.0.0.1; nil means
	// not published. Optional.
	OTLPGRPCPort, OTLPHTTPPort *int
	// NetworkName is the Docker network to join. Required.
	NetworkName pulumi.StringInput
	// Address is the container's IPv4 address on the network. Required.
	Address string
	// JaegerContainer is the name of Jaeger's container, from which the Collector
	// is probed. Required.
	JaegerContainer string
	// Jaeger is where the spans go. Required.
	Jaeger *Jaeger
	// Owner marks the container as the stack's. Required.
	Owner Owner
}

// Collector is an OpenTelemetry Collector that is healthy once its creation
// ends.
type Collector struct {
	pulumi.ResourceState

	// ContainerID changes whenever the container is replaced; known once the
	// Collector is healthy.
	ContainerID pulumi.StringOutput `pulumi:"containerId"`
	// Address is the container's IPv4 address on the network. Whoever uses it waits
	// for the healthy Collector.
	Address pulumi.StringOutput
}

// NewCollector creates the Collector and waits until it is healthy.
func NewCollector(ctx *pulumi.Context, name string, args CollectorArgs, opts ...pulumi.ResourceOption) (*Collector, error) {
	config, err := tracing.RenderCollector(args.Pipeline)
	if err != nil {
		return nil, fmt.Errorf("collector %q: %w", name, err)
	}
	component := &Collector{}
	if err := ctx.RegisterComponentResourceV2(collectorType, name, args.inputs(), component, opts...); err != nil {
		return nil, fmt.Errorf("collector %q: %w", name, err)
	}
	image, err := newImage(ctx, name+"-image", args.Image, component)
	if err != nil {
		return nil, fmt.Errorf("collector %q: %w", name, err)
	}
	ports := docker.ContainerPortArray{}
	if args.OTLPGRPCPort != nil {
		ports = append(ports, publish(*args.OTLPGRPCPort, tracing.OTLPGRPCPort))
	}
	if args.OTLPHTTPPort != nil {
		ports = append(ports, publish(*args.OTLPHTTPPort, tracing.OTLPHTTPPort))
	}
	// Destroyed before Jaeger: what it still has must find someone who takes it, or it
	// waits for that until its grace is over.
	after := []pulumi.Resource{image, args.Jaeger.Healthy}
	var data dataVolume
	if args.Pipeline.DiskQueue {
		data, err = newDataVolume(ctx, name, args.ContainerName, tracing.CollectorDataDirectory, imageUser, args.Owner, component)
		if err != nil {
			return nil, fmt.Errorf("collector %q: %w", name, err)
		}
		after = append(after, data.ready)
	}
	container, err := docker.NewContainer(ctx, name+"-container", &docker.ContainerArgs{
		Name:    pulumi.String(args.ContainerName),
		Image:   pulumi.String(args.Image),
		Command: stringArray([]string{"--config", collectorConfigPath}),
		Restart: pulumi.String("unless-stopped"),
		Labels:  args.Owner.containerLabels(),
		Envs:    args.environment(),
		Uploads: docker.ContainerUploadArray{docker.ContainerUploadArgs{
			File: pulumi.String(collectorConfigPath), Content: pulumi.String(config), Permissions: pulumi.String("0644"),
		}},
		NetworkMode: pulumi.String("bridge"),
		NetworksAdvanced: docker.ContainerNetworksAdvancedArray{docker.ContainerNetworksAdvancedArgs{
			Name: args.NetworkName, Aliases: stringArray([]string{tracing.CollectorAlias}),
			Ipv4Address: pulumi.String(args.Address),
		}},
		Volumes: data.mount,
		// Sends what waits in memory before it goes.
		DestroyGraceSeconds: pulumi.Int(stopSeconds),
		Ports:               ports,
	}, containerOptions(component, after...)...)
	if err != nil {
		return nil, fmt.Errorf("collector %q: %w", name, err)
	}
	healthy, err := newHealthy(ctx, name+"-healthy", healthyArgs{
		Container: container, ContainerName: args.ContainerName, Name: "the Collector",
		TimeoutSeconds: healthTimeoutSeconds,
		HealthURL:      fmt.Sprintf("http://%s:%d/", tracing.CollectorAlias, tracing.HealthPort),
		Probe:          args.JaegerContainer,
		After:          []pulumi.Resource{args.Jaeger.Healthy},
	}, component)
	if err != nil {
		return nil, fmt.Errorf("collector %q: %w", name, err)
	}
	component.ContainerID = onceHealthy(container, healthy)
	component.Address = pulumi.OutputWithDependencies(
		ctx.Context(), pulumi.String(args.Address).ToStringOutput(), healthy).(pulumi.StringOutput)
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{"containerId": component.ContainerID})
}

// inputs are what a preview shows of a changed Collector.
func (a CollectorArgs) inputs() pulumi.Map {
	queue := "memory"
	if a.Pipeline.DiskQueue {
		queue = "disk"
	}
	inputs := pulumi.Map{
		"image": pulumi.String(a.Image),
		"queue": pulumi.String(queue),
		"debug": pulumi.Bool(a.Pipeline.Debug),
	}
	if tail := a.Pipeline.TailSampling; tail != nil {
		inputs["tailSampling"] = pulumi.Map{
			"slowMilliseconds": pulumi.Int(int(tail.SlowMilliseconds)),
			"ratePerMillion":   pulumi.Int(tail.Rate),
			"wait":             pulumi.String(tail.Wait),
		}
	} else {
		inputs["samplingRatePerMillion"] = pulumi.Int(a.Pipeline.SamplingRate)
	}
	return inputs
}

// environment keeps the secrets out of diffs and, in the state, encrypted.
func (a CollectorArgs) environment() pulumi.StringArray {
	variables := stringArray(tracing.CollectorEnvironment())
	for _, name := range slices.Sorted(maps.Keys(a.Secrets)) {
		variables = append(variables, secretVariable(name, a.Secrets[name]))
	}
	return variables
}
