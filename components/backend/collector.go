package backend

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

// collectorConfigPath is where the Collector's configuration is, whatever the
// distribution: each has a default of its own, so the command names it.
const collectorConfigPath = "/etc/otelcol/config.yaml"

// CollectorArgs describe the OpenTelemetry Collector.
type CollectorArgs struct {
	// Program is the kubetracing binary. Required.
	Program resources.Program
	// ContainerName is the container's name in Docker, and that of the volume with
	// its queues where they are on disk. Required.
	ContainerName string
	// Image is the image reference. Required.
	Image string
	// Pipeline decides the configuration. Required.
	Pipeline tracing.CollectorSpec
	// Secrets are environment variables that the configuration refers to. Optional.
	Secrets map[string]string
	// OTLPGRPCPort and OTLPHTTPPort publish the receivers on spec.Localhost. Not
	// published by default.
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
	// Owner marks the container and its volume. Required.
	Owner resources.Owner
}

// Collector is an OpenTelemetry Collector that is healthy once its creation
// ends.
type Collector struct {
	pulumi.ResourceState

	// ContainerID changes whenever the container is replaced; known once the
	// Collector is healthy.
	ContainerID pulumi.StringOutput `pulumi:"containerId"`
	// Healthy is created once the Collector is healthy.
	Healthy pulumi.Resource
}

// NewCollector creates the Collector and waits until it is healthy.
func NewCollector(ctx *pulumi.Context, name string, args CollectorArgs, opts ...pulumi.ResourceOption) (*Collector, error) {
	return resources.Register(ctx, "Collector", name, args.inputs(), &Collector{}, opts, func(collector *Collector) error {
		config, err := tracing.RenderCollector(args.Pipeline)
		if err != nil {
			return err
		}
		gateway := service{
			program: args.Program, container: args.ContainerName, image: args.Image,
			network: args.NetworkName, alias: tracing.CollectorAlias, address: args.Address,
			owner: args.Owner,
			// It is destroyed before Jaeger: it could not send what it still holds, and would
			// try to until the end of its grace period.
			after: []pulumi.Resource{args.Jaeger.Healthy},
		}
		if args.Pipeline.DiskQueue {
			gateway.dataPath = tracing.CollectorDataDirectory
		}
		container, healthy, err := gateway.createHealthy(ctx, name, docker.ContainerArgs{
			Command: resources.StringArray("--config", collectorConfigPath),
			Envs:    args.environment(),
			Uploads: resources.Upload(collectorConfigPath, config),
			// Docker Engine on Linux does not define the name by itself.
			Hosts: docker.ContainerHostArray{docker.ContainerHostArgs{
				Host: pulumi.String(tracing.HostAlias), Ip: pulumi.String("host-gateway"),
			}},
			// The Collector sends what waits in memory before it ends.
			DestroyGraceSeconds: pulumi.Int(resources.StopSeconds),
			Ports:               args.ports(),
		}, spec.Container{
			Title: "the Collector", Timeout: verify.Duration(healthTimeout),
			// An image that is a single binary has nothing that could check its health.
			HealthURL: fmt.Sprintf("http://%s:%d/", tracing.CollectorAlias, tracing.HealthPort),
			Probe:     args.JaegerContainer,
		}, collector)
		if err != nil {
			return err
		}
		collector.ContainerID, collector.Healthy = resources.HealthyID(container, healthy), healthy
		return nil
	})
}

// ports returns the receivers that are published.
func (a CollectorArgs) ports() docker.ContainerPortArray {
	ports := docker.ContainerPortArray{}
	if a.OTLPGRPCPort != nil {
		ports = append(ports, resources.Publish(*a.OTLPGRPCPort, tracing.OTLPGRPCPort))
	}
	if a.OTLPHTTPPort != nil {
		ports = append(ports, resources.Publish(*a.OTLPHTTPPort, tracing.OTLPHTTPPort))
	}
	return ports
}

// inputs returns what a preview shows of a changed Collector.
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
	variables := resources.StringArray(tracing.CollectorEnvironment()...)
	for _, name := range slices.Sorted(maps.Keys(a.Secrets)) {
		variables = append(variables, resources.SecretVariable(name, a.Secrets[name]))
	}
	return variables
}
