package tracing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// Subnet is the IPv4 range of a stack's Docker network. Its lower half holds the
// addresses that nodes, Collector and Jaeger keep, its upper half those that Docker
// assigns.
//
// Docker assigns any free address to a container that restarts, in the order in which
// containers start. Addresses last longer than that: etcd knows its members by
// theirs, and a k3s that is no member under its present one refuses to serve. Fixed
// addresses need a network with a range of its own.
//
// Sources: k3s pkg/etcd/etcd.go (Test: "this server is a not a member of the etcd
// cluster"), https://docs.docker.com/reference/cli/docker/network/connect/ (ip).
type Subnet struct{ netip.Prefix }

// Host numbers in a subnet. The first one is the network's own.
const (
	hostGateway   = 1
	hostJaeger    = 2
	hostCollector = 3
	hostFirstNode = 16
)

// The shortest and the longest prefix of a subnet: a larger range is likely a mistake,
// a smaller one has no room for nodes.
const (
	minSubnetBits = 16
	maxSubnetBits = 26
)

// clusterNetworks are the ranges of k3s' pods and services.
//
// Source: https://docs.k3s.io/cli/server (cluster-cidr, service-cidr).
var clusterNetworks = []netip.Prefix{netip.MustParsePrefix("10.42.0.0/16"), netip.MustParsePrefix("10.43.0.0/16")}

// specialNetworks are the ranges in which no network of containers can be.
//
// Source: https://www.iana.org/assignments/iana-ipv4-special-registry/.
var specialNetworks = []struct {
	netip.Prefix
	name string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
}

var errNoSubnet = errors.New("must be an IPv4 network in CIDR notation, as 10.112.4.0/22")

// ParseSubnet parses a range in CIDR notation. The error is the rule that it breaks.
func ParseSubnet(text string) (Subnet, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil || !prefix.Addr().Is4() {
		return Subnet{}, errNoSubnet
	}
	if prefix != prefix.Masked() {
		return Subnet{}, fmt.Errorf("must begin with its first address: %s", prefix.Masked())
	}
	for _, special := range specialNetworks {
		if special.Overlaps(prefix) {
			return Subnet{}, fmt.Errorf("must not overlap %s, whose addresses are %s", special.Prefix, special.name)
		}
	}
	if prefix.Bits() < minSubnetBits || prefix.Bits() > maxSubnetBits {
		return Subnet{}, fmt.Errorf("must be from /%d to /%d", minSubnetBits, maxSubnetBits)
	}
	for _, network := range clusterNetworks {
		if network.Overlaps(prefix) {
			return Subnet{}, fmt.Errorf("must not overlap %s, where k3s puts pods and services", network)
		}
	}
	return Subnet{prefix}, nil
}

// Part returns the i-th of the parts, each of so many bits, that the range consists of.
func (s Subnet) Part(i, bits int) Subnet {
	return Subnet{netip.PrefixFrom(s.host(i<<(s.Addr().BitLen()-bits)), bits)}
}

// host returns the n-th address.
func (s Subnet) host(n int) netip.Addr {
	first := s.Addr().As4()
	var address [4]byte
	binary.BigEndian.PutUint32(address[:], binary.BigEndian.Uint32(first[:])+uint32(n)) //nolint:gosec // it is below the number of addresses
	return netip.AddrFrom4(address)
}

// half returns the number of addresses in each half.
func (s Subnet) half() int { return 1 << (s.Addr().BitLen() - s.Bits() - 1) }

// Gateway returns the Docker host's address.
func (s Subnet) Gateway() string { return s.host(hostGateway).String() }

// Dynamic returns the range, in CIDR notation, from which Docker assigns addresses.
func (s Subnet) Dynamic() string { return netip.PrefixFrom(s.host(s.half()), s.Bits()+1).String() }

// Jaeger returns Jaeger's address.
func (s Subnet) Jaeger() string { return s.host(hostJaeger).String() }

// Collector returns the Collector's address.
func (s Subnet) Collector() string { return s.host(hostCollector).String() }

// Nodes returns the number of nodes that there is room for.
func (s Subnet) Nodes() int { return s.half() - hostFirstNode }

// Node returns the address of the i-th node of [ClusterSpec.Nodes], below Nodes.
func (s Subnet) Node(i int) string { return s.host(hostFirstNode + i).String() }
