package stacks

import (
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// derivedSubnets contains the subnets of stacks that choose none. It is apart from what
// Docker (172.16.0.0/12, 192.168.0.0/16), k3s (10.42.0.0/15) and kubeadm
// (10.96.0.0/12) choose by themselves.
var derivedSubnets = tracing.Subnet{Prefix: netip.MustParsePrefix("10.112.0.0/12")}

// derivedSubnetBits leaves a derived subnet room for every allowed number of nodes.
const derivedSubnetBits = 22

// subnet returns the chosen subnet, else one derived from the names: the same on
// every machine, so that a preview shows it, and most probably another for another
// stack.
func (n NetworkSettings) subnet(names Names) (tracing.Subnet, error) {
	if n.Subnet != "" {
		return tracing.ParseSubnet(n.Subnet)
	}
	hash := fnv.New32a()
	hash.Write([]byte(names.Owner + names.suffix)) //nolint:errcheck // a hash never fails
	parts := uint32(1) << (derivedSubnetBits - derivedSubnets.Bits())
	return derivedSubnets.Part(int(hash.Sum32()%parts), derivedSubnetBits), nil
}

// freeSubnets contain the ranges that are offered to a stack whose own is taken.
var freeSubnets = []tracing.Subnet{
	derivedSubnets,
	{Prefix: netip.MustParsePrefix("172.16.0.0/12")},
	{Prefix: netip.MustParsePrefix("192.168.0.0/16")},
}

// FreeSubnet returns a private range for a stack's network that overlaps none of those
// that are taken; false if there is none.
func FreeSubnet(taken []netip.Prefix) (netip.Prefix, bool) {
	for _, subnets := range freeSubnets {
		parts := 1 << (derivedSubnetBits - subnets.Bits())
		// From the end: Docker takes from the beginning.
		for i := parts - 1; i >= 0; i-- {
			part := subnets.Part(i, derivedSubnetBits).Prefix
			if !slices.ContainsFunc(taken, part.Overlaps) {
				return part, true
			}
		}
	}
	return netip.Prefix{}, false
}
