package tracing_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

func TestSubnet_Addresses(t *testing.T) {
	t.Parallel()
	type addresses struct{ gateway, jaeger, collector, firstNode, lastNode, dynamic string }
	for text, want := range map[string]addresses{
		"10.112.4.0/22": {"10.112.4.1", "10.112.4.2", "10.112.4.3", "10.112.4.16", "10.112.5.255", "10.112.6.0/23"},
		"172.31.0.0/16": {"172.31.0.1", "172.31.0.2", "172.31.0.3", "172.31.0.16", "172.31.127.255", "172.31.128.0/17"},
		"192.0.2.64/26": {"192.0.2.65", "192.0.2.66", "192.0.2.67", "192.0.2.80", "192.0.2.95", "192.0.2.96/27"},
	} {
		subnet, err := tracing.ParseSubnet(text)
		require.NoError(t, err)
		last := subnet.Node(subnet.Nodes() - 1)
		assert.Equal(t, want, addresses{
			subnet.Gateway(), subnet.Jaeger(), subnet.Collector(), subnet.Node(0), last, subnet.Dynamic(),
		}, text)
		assert.False(t, netip.MustParsePrefix(subnet.Dynamic()).Contains(netip.MustParseAddr(last)),
			"Docker assigns no address that a node keeps")
	}
}

func TestParseSubnet_Invalid(t *testing.T) {
	t.Parallel()
	for behaviour, test := range map[string]struct{ text, rule string }{
		"an address alone":             {"10.112.4.0", "must be an IPv4 network in CIDR notation, as 10.112.4.0/22"},
		"IPv6":                         {"fd00::/64", "must be an IPv4 network in CIDR notation, as 10.112.4.0/22"},
		"an address inside":            {"10.112.4.9/22", "must begin with its first address: 10.112.4.0/22"},
		"too large":                    {"10.0.0.0/8", "must be from /16 to /26"},
		"too small":                    {"10.112.4.0/27", "must be from /16 to /26"},
		"where the pods are":           {"10.42.8.0/24", "must not overlap 10.42.0.0/16, where k3s puts pods and services"},
		"where the services are":       {"10.43.0.0/16", "must not overlap 10.43.0.0/16, where k3s puts pods and services"},
		"loopback":                     {"127.1.0.0/22", "must not overlap 127.0.0.0/8, whose addresses are loopback"},
		"all of loopback":              {"127.0.0.0/8", "must not overlap 127.0.0.0/8, whose addresses are loopback"},
		"unspecified":                  {"0.0.0.0/16", "must not overlap 0.0.0.0/8, whose addresses are unspecified"},
		"link-local":                   {"169.254.4.0/24", "must not overlap 169.254.0.0/16, whose addresses are link-local"},
		"multicast":                    {"239.255.0.0/24", "must not overlap 224.0.0.0/4, whose addresses are multicast"},
		"broadcast":                    {"255.255.255.0/24", "must not overlap 240.0.0.0/4, whose addresses are reserved"},
		"a word":                       {"bridge", "must be an IPv4 network in CIDR notation, as 10.112.4.0/22"},
		"IPv4 written as IPv6":         {"::ffff:10.112.4.0/118", "must be an IPv4 network in CIDR notation, as 10.112.4.0/22"},
		"a prefix longer than address": {"10.112.4.0/33", "must be an IPv4 network in CIDR notation, as 10.112.4.0/22"},
	} {
		_, err := tracing.ParseSubnet(test.text)
		require.EqualError(t, err, test.rule, behaviour)
	}
}
