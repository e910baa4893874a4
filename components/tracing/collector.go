package tracing

import "fmt"

// CollectorSpec is everything that decides the Collector's configuration.
type CollectorSpec struct {
	// SamplingRate is the share of traces passed on, per million.
	SamplingRate int
	// Debug also writes every span to the Collector's log. It costs more than
	// the rest of the pipeline together.
	Debug bool
	// Exporters are extra OTLP destinations beside Jaeger.
	Exporters []OTLPExporter
}

// OTLPExporter is one extra OTLP destination.
type OTLPExporter struct {
	// Name tells destinations apart; it becomes the exporter's name.
	Name string
	// Endpoint is host:port for gRPC, a URL for HTTP.
	Endpoint string
	// Protocol is "grpc" or "http".
	Protocol string
	// Insecure turns TLS off.
	Insecure bool
}

// Limits of the Collector's memory, in MiB. The soft limit, at which it starts
// to refuse, is the limit less the spike. The container has no limit of its own:
// the limiter refuses spans, the kernel would kill the Collector with what it has.
//
// Source: processor/memorylimiterprocessor/README.md (spike about 20 % of the
// limit, GOMEMLIMIT 80 % of it).
const (
	collectorMemoryLimitMiB   = 400
	collectorMemorySpikeMiB   = 80
	CollectorGoMemoryLimitMiB = 320
)

// samplerHashSeed makes every Collector with this configuration keep the same
// traces; 22 is the value of the published recipe.
const samplerHashSeed = 22

// pipelineConfig is the common shape of the Collector's and Jaeger's
// configuration: both are OpenTelemetry Collectors.
//
// Source: https://opentelemetry.io/docs/collector/configuration/.
type pipelineConfig struct {
	Extensions map[string]any  `json:"extensions"`
	Receivers  map[string]any  `json:"receivers"`
	Processors map[string]any  `json:"processors"`
	Exporters  map[string]any  `json:"exporters"`
	Service    pipelineService `json:"service"`
}

type pipelineService struct {
	Extensions []string            `json:"extensions"`
	Pipelines  map[string]pipeline `json:"pipelines"`
	Telemetry  *pipelineTelemetry  `json:"telemetry,omitempty"`
}

type pipeline struct {
	Receivers  []string `json:"receivers"`
	Processors []string `json:"processors"`
	Exporters  []string `json:"exporters"`
}

type pipelineTelemetry struct {
	Resource map[string]string `json:"resource,omitempty"`
}

type listener struct {
	Endpoint string `json:"endpoint"`
}

type otlpReceiver struct {
	Protocols map[string]listener `json:"protocols"`
}

type memoryLimiter struct {
	CheckInterval string `json:"check_interval"`
	LimitMiB      int    `json:"limit_mib"`
	SpikeLimitMiB int    `json:"spike_limit_mib"`
}

type probabilisticSampler struct {
	HashSeed           int     `json:"hash_seed"`
	SamplingPercentage float64 `json:"sampling_percentage"`
}

type batchProcessor struct {
	Timeout string `json:"timeout,omitempty"`
}

type otlpExporter struct {
	Endpoint string      `json:"endpoint"`
	TLS      tlsSettings `json:"tls"`
}

type tlsSettings struct {
	Insecure bool `json:"insecure"`
}

type debugExporter struct {
	Verbosity string `json:"verbosity"`
}

// everyInterface makes a listener reachable from other containers: since
// Collector 0.104 the default is localhost.
func everyInterface(port int) listener {
	return listener{Endpoint: fmt.Sprintf("0.0.0.0:%d", port)}
}

func otlpReceivers() map[string]any {
	return map[string]any{"otlp": otlpReceiver{Protocols: map[string]listener{
		"grpc": everyInterface(OTLPGRPCPort),
		"http": everyInterface(OTLPHTTPPort),
	}}}
}

// RenderCollector renders the Collector's configuration.
func RenderCollector(spec CollectorSpec) (string, error) {
	const jaeger = "otlp_grpc/jaeger"
	exporters := map[string]any{
		jaeger: otlpExporter{Endpoint: grpcTarget(JaegerAlias), TLS: tlsSettings{Insecure: true}},
	}
	names := []string{jaeger}
	for _, extra := range spec.Exporters {
		name := fmt.Sprintf("otlp_%s/%s", extra.Protocol, extra.Name)
		exporters[name] = otlpExporter{Endpoint: extra.Endpoint, TLS: tlsSettings{Insecure: extra.Insecure}}
		names = append(names, name)
	}
	if spec.Debug {
		exporters["debug"] = debugExporter{Verbosity: "detailed"}
		names = append(names, "debug")
	}
	return encode("Collector configuration", pipelineConfig{
		Extensions: map[string]any{"health_check": everyInterface(HealthPort)},
		Receivers:  otlpReceivers(),
		Processors: map[string]any{
			"memory_limiter": memoryLimiter{
				CheckInterval: "1s", LimitMiB: collectorMemoryLimitMiB, SpikeLimitMiB: collectorMemorySpikeMiB,
			},
			"probabilistic_sampler": probabilisticSampler{
				HashSeed: samplerHashSeed, SamplingPercentage: percentage(spec.SamplingRate),
			},
			// Short enough that a trace shows up while its reader still waits.
			"batch": batchProcessor{Timeout: "200ms"},
		},
		Exporters: exporters,
		Service: pipelineService{
			Extensions: []string{"health_check"},
			Pipelines: map[string]pipeline{"traces": {
				Receivers: []string{"otlp"},
				// The limiter must come first, so that it can refuse before work is done.
				Processors: []string{"memory_limiter", "probabilistic_sampler", "batch"},
				Exporters:  names,
			}},
		},
	})
}
