package stacks

import (
	"encoding/binary"
	"hash/fnv"
	"net/netip"
)

// Where the subnets of stacks that choose none lie: apart from what Docker
// (172.17.0.0/12, 192.168.0.0/16), k3s (10.42.0.0/15) and kubeadm (10.96.0.0/12)
// choose by themselves. A /22 has room for every number of nodes that is allowed.
const (
	subnetsFirst = "10.112.0.0"
	subnets      = 1 << 10
	subnetBits   = 22
)

// subnetOf is the chosen subnet, else one that goes with the names: the same on
// every machine, so that a preview shows it, and most probably another for another
// stack.
func (n NetworkSettings) subnetOf(names Names) string {
	if n.Subnet != "" {
		return n.Subnet
	}
	hash := fnv.New32a()
	hash.Write([]byte(names.Owner)) //nolint:errcheck // a hash takes everything
	first := netip.MustParseAddr(subnetsFirst).As4()
	var address [4]byte
	binary.BigEndian.PutUint32(address[:], binary.BigEndian.Uint32(first[:])+hash.Sum32()%subnets<<(32-subnetBits))
	return netip.PrefixFrom(netip.AddrFrom4(address), subnetBits).String()
}
