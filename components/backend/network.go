package backend

import (
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/tracing"
)

// NetworkArgs describe a stack's Docker network.
type NetworkArgs struct {
	// Name is the network's name in Docker. Required.
	Name string
	// Subnet is its range. Required.
	Subnet tracing.Subnet
	// Owner marks the network. Required.
	Owner resources.Owner
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
	inputs := pulumi.Map{"name": pulumi.String(args.Name), "subnet": pulumi.String(args.Subnet.String())}
	return resources.Register(ctx, "Network", name, inputs, &Network{}, opts, func(network *Network) error {
		bridge, err := docker.NewNetwork(ctx, name+"-bridge", &docker.NetworkArgs{
			Name:   pulumi.String(args.Name),
			Driver: pulumi.String("bridge"),
			IpamConfigs: docker.NetworkIpamConfigArray{docker.NetworkIpamConfigArgs{
				Subnet:  pulumi.String(args.Subnet.String()),
				Gateway: pulumi.String(args.Subnet.Gateway()),
				IpRange: pulumi.String(args.Subnet.Dynamic()),
			}},
			Labels: args.Owner.NetworkLabels(),
		},
			pulumi.Parent(network),
			// The name is fixed, so old and new cannot exist side by side.
			pulumi.DeleteBeforeReplace(true),
		)
		if err != nil {
			return err
		}
		network.Name, network.Bridge = bridge.Name, bridge
		return nil
	})
}
