package components

import (
	_ "embed"
	"fmt"
	"strconv"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const collectorType = "kubetracing:components:Collector"

// collectorConfigPath is where the Collector's images look for their
// configuration.
const collectorConfigPath = "/etc/otelcol/config.yaml"

//go:embed scripts/collector-healthy.sh
var collectorHealthyScript string

// CollectorArgs describe the OpenTelemetry Collector.
type CollectorArgs struct {
	// ContainerName is the container's name in Docker. Required.
	ContainerName string
	// Image is the image reference. Required.
	Image string
	// Pipeline decides the configuration. Required.
	Pipeline tracing.CollectorSpec
	// OTLPGRPCPort and OTLPHTTPPort publish the receivers on 127.0.0.1; nil means
	// not published. Optional.
	OTLPGRPCPort, OTLPHTTPPort *int
	// NetworkName is the Docker network to join. Required.
	NetworkName pulumi.StringInput
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
}

// NewCollector creates the Collector and waits until it is healthy.
func NewCollector(ctx *pulumi.Context, name string, args CollectorArgs, opts ...pulumi.ResourceOption) (*Collector, error) {
	config, err := tracing.RenderCollector(args.Pipeline)
	if err != nil {
		return nil, fmt.Errorf("collector %q: %w", name, err)
	}
	component := &Collector{}
	if err := ctx.RegisterComponentResourceV2(collectorType, name, pulumi.Map{
		"image":                  pulumi.String(args.Image),
		"samplingRatePerMillion": pulumi.Int(args.Pipeline.SamplingRate),
		"debug":                  pulumi.Bool(args.Pipeline.Debug),
	}, component, opts...); err != nil {
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
	container, err := docker.NewContainer(ctx, name+"-container", &docker.ContainerArgs{
		Name:    pulumi.String(args.ContainerName),
		Image:   pulumi.String(args.Image),
		Command: stringArray([]string{"--config", collectorConfigPath}),
		Restart: pulumi.String("unless-stopped"),
		Labels:  args.Owner.containerLabels(),
		Envs:    stringArray([]string{fmt.Sprintf("GOMEMLIMIT=%dMiB", tracing.CollectorGoMemoryLimitMiB)}),
		Uploads: docker.ContainerUploadArray{docker.ContainerUploadArgs{
			File: pulumi.String(collectorConfigPath), Content: pulumi.String(config), Permissions: pulumi.String("0644"),
		}},
		NetworkMode: pulumi.String("bridge"),
		NetworksAdvanced: docker.ContainerNetworksAdvancedArray{docker.ContainerNetworksAdvancedArgs{
			Name: args.NetworkName, Aliases: stringArray([]string{tracing.CollectorAlias}),
		}},
		Ports: ports,
	}, containerOptions(component, image)...)
	if err != nil {
		return nil, fmt.Errorf("collector %q: %w", name, err)
	}
	healthy, err := local.NewCommand(ctx, name+"-healthy", &local.CommandArgs{
		Create: pulumi.String(collectorHealthyScript),
		Update: pulumi.String(collectorHealthyScript),
		Environment: pulumi.StringMap{
			// A changed value is an update: a new container is probed again.
			"CONTAINER_ID":    container.ID().ToStringOutput(),
			"COLLECTOR":       pulumi.String(args.ContainerName),
			"JAEGER":          pulumi.String(args.JaegerContainer),
			"HEALTH_URL":      pulumi.String(fmt.Sprintf("http://%s:%d/", tracing.CollectorAlias, tracing.HealthPort)),
			"TIMEOUT_SECONDS": pulumi.String(strconv.Itoa(healthTimeoutSeconds)),
		},
		Logging: local.LoggingStderr,
	},
		pulumi.Parent(component),
		// The probe runs in Jaeger's container.
		pulumi.DependsOn([]pulumi.Resource{args.Jaeger.Container}),
	)
	if err != nil {
		return nil, fmt.Errorf("collector %q: %w", name, err)
	}
	component.ContainerID = pulumi.All(container.ID(), healthy.ID()).ApplyT(func(ids []any) string {
		return string(ids[0].(pulumi.ID))
	}).(pulumi.StringOutput)
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{"containerId": component.ContainerID})
}
