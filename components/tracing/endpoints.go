package tracing

import "strconv"

// Network aliases and ports inside a stack's Docker network. Node processes
// resolve the aliases through Docker's DNS, so no span leaves the network and
// nothing has to be published on the host.
const (
	// CollectorAlias is the Collector's name on the network.
	CollectorAlias = "otel-collector"
	// JaegerAlias is Jaeger's name on the network.
	JaegerAlias = "jaeger"

	// HostAlias is the name of the machine that runs Docker in the Collector's
	// container.
	// Source: https://docs.docker.com/reference/cli/docker/container/run/ (add-host,
	// host-gateway).
	HostAlias = "host.docker.internal"

	// OTLPGRPCPort and OTLPHTTPPort are the ports registered for OTLP.
	// Source: https://opentelemetry.io/docs/specs/otlp/ (default ports).
	OTLPGRPCPort = 4317
	OTLPHTTPPort = 4318
	// HealthPort is the default port of the Collector's health_check and
	// Jaeger's healthcheckv2 extensions.
	HealthPort = 13133
	// CollectorMetricsPort is where the Collector shows its own metrics in
	// Prometheus' format.
	// Source: https://opentelemetry.io/docs/collector/internal-telemetry/ (default).
	CollectorMetricsPort = 8888
	// JaegerUIPort is the port of Jaeger's UI and query API in its container.
	JaegerUIPort = 16686
)

// grpcTarget is the host:port form that kube-apiserver, kubelet and etcd take.
// They reject a URL: only the schemes dns, unix and unix-abstract are allowed
// (k8s.io/component-base/tracing/api/v1/config.go).
func grpcTarget(host string) string {
	return host + ":" + strconv.Itoa(OTLPGRPCPort)
}

// httpURL is the one endpoint form that every containerd with a tracing plugin
// understands, in its config file and in its environment; a bare host:port is
// accepted by its gRPC client without an error and without a span.
func httpURL(host string) string {
	return "http://" + host + ":" + strconv.Itoa(OTLPHTTPPort)
}
