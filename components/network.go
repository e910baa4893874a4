package components

import (
	"fmt"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const networkType = "kubetracing:components:Network"

// NetworkArgs describe a stack's Docker network.
type NetworkArgs struct {
	// Name is the network's name in Docker. Required.
	Name string
	// Subnet is its range. Required.
	Subnet tracing.Subnet
	// Owner marks the network as the stack's. Required.
	Owner Owner
}

// Network is the Docker network on which the nodes, the Collector and Jaeger
// find one another by name.
type Network struct {
	pulumi.ResourceState

	// Name is the network's name, known once it exists.
	Name pulumi.StringOutput `pulumi:"name"`
	// Bridge is the network itself, to wait for.
	Bridge pulumi.Resource
}

// NewNetwork creates a stack's Docker network.
func NewNetwork(ctx *pulumi.Context, name string, args NetworkArgs, opts ...pulumi.ResourceOption) (*Network, error) {
	component := &Network{}
	if err := ctx.RegisterComponentResourceV2(networkType, name, pulumi.Map{
		"name":   pulumi.String(args.Name),
		"subnet": pulumi.String(args.Subnet.String()),
	}, component, opts...); err != nil {
		return nil, fmt.Errorf("network %q: %w", name, err)
	}
	network, err := docker.NewNetwork(ctx, name+"-bridge", &docker.NetworkArgs{
		Name:   pulumi.String(args.Name),
		Driver: pulumi.String("bridge"),
		IpamConfigs: docker.NetworkIpamConfigArray{docker.NetworkIpamConfigArgs{
			Subnet:  pulumi.String(args.Subnet.String()),
			Gateway: pulumi.String(args.Subnet.Gateway()),
			IpRange: pulumi.String(args.Subnet.Dynamic()),
		}},
		Labels: docker.NetworkLabelArray{docker.NetworkLabelArgs{
			Label: pulumi.String(args.Owner.Label), Value: pulumi.String(args.Owner.Value),
		}},
	},
		pulumi.Parent(component),
		// The name is fixed, so old and new cannot exist side by side.
		pulumi.DeleteBeforeReplace(true),
	)
	if err != nil {
		return nil, fmt.Errorf("network %q: %w", name, err)
	}
	component.Name, component.Bridge = network.Name, network
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{"name": component.Name})
}
