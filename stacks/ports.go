package stacks

// Port is a port that a stack publishes on 127.0.0.1.
type Port struct {
	// Key is the configuration key that chooses it, below the namespace.
	Key string
	// Number is the port.
	Number int
}

// Ports lists the ports that a stack publishes.
func (s Settings) Ports() []Port {
	ports := []Port{{"cluster.apiPort", s.Cluster.APIPort}, {"jaeger.uiPort", s.Jaeger.UIPort}}
	if number := s.Collector.OTLPGRPCPort; number != nil {
		ports = append(ports, Port{"collector.otlpGrpcPort", *number})
	}
	if number := s.Collector.OTLPHTTPPort; number != nil {
		ports = append(ports, Port{"collector.otlpHttpPort", *number})
	}
	return ports
}
