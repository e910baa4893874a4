package processes

import (
	"fmt"
	"net"
)

// CollectorProcess is an OpenTelemetry Collector.
type CollectorProcess struct {
	*Process
	// OTLPGRPC and OTLPHTTP are the host:port addresses of the OTLP receivers.
	OTLPGRPC, OTLPHTTP string
	// MetricsURL serves its own metrics in Prometheus' format.
	MetricsURL string
}

// NewCollector prepares a Collector, building it unless it is in the cache. The
// configuration must name the receiver otlp and enable the extension health_check.
// Exporters use the endpoints in it: override them.
func NewCollector(options Options) (*CollectorProcess, error) {
	binary, err := binary(Collector, CollectorVariable)
	if err != nil {
		return nil, err
	}
	addresses, err := FreeAddresses(4)
	if err != nil {
		return nil, err
	}
	grpc, http, health, metrics := addresses[0], addresses[1], addresses[2], addresses[3]
	arguments, err := options.configArguments("collector", map[string]string{
		"receivers::otlp::protocols::grpc::endpoint": grpc,
		"receivers::otlp::protocols::http::endpoint": http,
		"extensions::health_check::endpoint":         health,
		"service::telemetry::metrics::readers":       prometheusReader(metrics),
	})
	if err != nil {
		return nil, err
	}
	return &CollectorProcess{
		Process: &Process{
			name: "collector", binary: binary, folder: options.Folder,
			arguments: arguments, environment: options.Environment, healthURL: "http://" + health + "/",
		},
		OTLPGRPC: grpc, OTLPHTTP: http, MetricsURL: "http://" + metrics + "/metrics",
	}, nil
}

// prometheusReader returns the list of metric readers, in YAML, that serves a
// process's metrics at an address.
func prometheusReader(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf("[{pull: {exporter: {prometheus: {host: %q, port: %s}}}}]", host, port)
}
