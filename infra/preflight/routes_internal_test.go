package preflight

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestParseRoutes(t *testing.T) {
	t.Parallel()
	// As a little-endian machine shows them, like all for which there are releases.
	table := "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
		"tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n" +
		"br-1\t0004700A\t00000000\t0001\t0\t0\t0\t00FCFFFF\t0\t0\t0\n" +
		"tun0\t0101700A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n" +
		"broken\n"
	assert.Equal(t, []Route{
		{netip.MustParsePrefix("0.0.0.0/0"), "eth0"},
		{netip.MustParsePrefix("10.0.0.0/8"), "tun0"},
		{netip.MustParsePrefix("10.112.4.0/22"), "br-1"},
		{netip.MustParsePrefix("10.112.1.1/32"), "tun0"},
	}, parseRoutes(table))
	assert.Empty(t, parseRoutes(""))
}
