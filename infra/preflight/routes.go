package preflight

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/stacks"
)

// Route is a route of this machine.
type Route struct {
	Destination netip.Prefix
	// Interface is the network interface that it leads to, as tun0.
	Interface string
}

// minRouteBits is the shortest destination that counts: shorter ones, such as the
// 0.0.0.0/1 of a VPN, stand for everything that has no other route.
const minRouteBits = 8

// coveredSubnet returns an error if the range that a new stack gets without choosing one
// has a route already, as through a VPN: what is behind the route could no longer be
// reached from this machine, nor the stack's containers. A range that somebody chose is
// theirs to know, and that of a network that exists stays.
func coveredSubnet(needs Needs, routes []Route, networks []docker.Network) error {
	exists := func(network docker.Network) bool { return slices.Contains(needs.Names.Networks, network.Name) }
	if !needs.Derived || slices.ContainsFunc(networks, exists) {
		return nil
	}
	var taken []netip.Prefix
	for _, network := range networks {
		taken = append(taken, network.Subnets...)
	}
	docked := slices.Clone(taken)
	var covering []Route
	for _, route := range routes {
		if route.Destination.Bits() < minRouteBits {
			continue
		}
		taken = append(taken, route.Destination)
		// The route to a network of Docker's is that network.
		if route.Destination.Overlaps(needs.Subnet) && !slices.Contains(docked, route.Destination) {
			covering = append(covering, route)
		}
	}
	if len(covering) == 0 {
		return nil
	}
	message := fmt.Sprintf("the range %s, which follows from the stack's name, is that of this machine's route to %s through %s, perhaps of a VPN: choose another range with %s",
		needs.Subnet, covering[0].Destination, covering[0].Interface, needs.SubnetKey)
	if free, ok := stacks.FreeSubnet(taken); ok {
		message += fmt.Sprintf(", such as %s", free)
	}
	return errors.New(message)
}

// routeTable is where Linux shows its routes for IPv4.
//
// Source: https://man7.org/linux/man-pages/man5/proc_pid_net.5.html and
// net/ipv4/fib_trie.c (fib_route_seq_show).
const routeTable = "/proc/net/route"

// Routes returns the routes of this machine for IPv4; none where it does not show them
// as Linux does. Elsewhere Docker runs in a virtual machine, with routes of its own.
func Routes() ([]Route, error) {
	text, err := os.ReadFile(routeTable)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read this machine's routes: %w", err)
	}
	return parseRoutes(string(text)), nil
}

// parseRoutes reads a table of routes. What is no route is passed over.
func parseRoutes(table string) []Route {
	// Columns of the table.
	const name, destination, mask = 0, 1, 7
	var routes []Route
	for lines := bufio.NewScanner(strings.NewReader(table)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) <= mask {
			continue
		}
		address, ok := parseWord(fields[destination])
		if !ok {
			continue
		}
		length, ok := parseWord(fields[mask])
		if !ok {
			continue
		}
		bits := 0
		for word := binary.BigEndian.Uint32(length[:]); word&(1<<31) != 0; word <<= 1 {
			bits++
		}
		routes = append(routes, Route{netip.PrefixFrom(netip.AddrFrom4(address), bits), fields[name]})
	}
	return routes
}

// parseWord reads an address, whose bytes stand in the order of this machine.
func parseWord(text string) ([4]byte, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 4 {
		return [4]byte{}, false
	}
	var address [4]byte
	binary.NativeEndian.PutUint32(address[:], binary.BigEndian.Uint32(raw))
	return address, true
}
