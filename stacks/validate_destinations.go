package stacks

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// hostNames are other names of that machine in containers.
//
// Source: https://docs.docker.com/desktop/features/networking/ and
// https://docs.podman.io/en/latest/markdown/podman-run.1.html (add-host).
var hostNames = []string{tracing.HostAlias, "gateway.docker.internal", "host.containers.internal"}

// loopbackNames are names of 127.0.0.1 and ::1 in a container's /etc/hosts, and in
// the resolvers of programs.
//
// Source: https://datatracker.ietf.org/doc/html/rfc6761#section-6.3 (localhost).
var loopbackNames = []string{"localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback"}

// validateDestinations refuses exporters that lead back to the Collector: every span
// would go round without end.
func validateDestinations(project string, names Names, s Settings, secret secretSections) []Problem {
	v := &validator{project: project, secret: secret}
	if !s.Collector.Enabled {
		return nil
	}
	for i, exporter := range s.Collector.Exporters {
		host, port := exporter.hostPort()
		key := fmt.Sprintf("collector.exporters[%d].endpoint", i)
		switch {
		case host == "":
		case names.isCollector(host, s.Network):
			instead := net.JoinHostPort(tracing.HostAlias, port)
			if exporter.Protocol == "http" {
				instead = "http://" + instead
			}
			v.reject(key, exporter.Endpoint, "leads back to the Collector itself, in whose container it is resolved; "+
				"a receiver on the machine that runs Docker is "+instead)
		case names.isDockerHost(host, s.Network):
			for _, published := range s.otlpPorts() {
				if fmt.Sprint(published.Number) == port {
					v.reject(key, exporter.Endpoint, fmt.Sprintf("leads back to the Collector itself: the port is that of %s:%s",
						project, published.Key))
				}
			}
		}
	}
	return v.problems
}

// hostPort returns the host of the endpoint in a normal form, and its port; nothing if
// the endpoint is not valid or cannot be read.
func (e ExporterSettings) hostPort() (host, port string) {
	switch {
	case e.Endpoint == string(blinded):
		return "", ""
	case e.Protocol == "grpc" && isHostPort(e.Endpoint):
		host, port, _ = net.SplitHostPort(e.Endpoint)
	case e.Protocol == "http" && isHTTPURL(e.Endpoint):
		u, err := url.Parse(e.Endpoint)
		if err != nil {
			return "", ""
		}
		if host, port = u.Hostname(), u.Port(); port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
	}
	return strings.ToLower(strings.TrimRight(host, ".")), port
}

// isCollector reports whether a host is, inside the Collector's container, the
// Collector.
func (n Names) isCollector(host string, network NetworkSettings) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		address = address.WithZone("").Unmap()
		own, err := network.subnet(n)
		return address.IsLoopback() || address.IsUnspecified() || (err == nil && address.String() == own.Collector())
	}
	if slices.Contains(loopbackNames, host) || strings.HasSuffix(host, ".localhost") {
		return true
	}
	// Docker's DNS also knows the name of a container with that of its network.
	host = strings.TrimSuffix(host, "."+n.Network())
	return host == tracing.CollectorAlias || host == n.Collector()
}

// isDockerHost reports whether a host is the machine that runs Docker.
func (n Names) isDockerHost(host string, network NetworkSettings) bool {
	if slices.Contains(hostNames, host) {
		return true
	}
	address, err := netip.ParseAddr(host)
	own, subnetErr := network.subnet(n)
	return err == nil && subnetErr == nil && address.Unmap().String() == own.Gateway()
}

// otlpPorts lists the ports under which the OTLP receivers are published.
func (s Settings) otlpPorts() []Port {
	return slices.DeleteFunc(s.Ports(), func(port Port) bool { return !strings.HasPrefix(port.Key, "collector.otlp") })
}
