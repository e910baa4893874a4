package tracing

import "fmt"

// CollectorSpec holds everything that decides the Collector's configuration.
type CollectorSpec struct {
	// SamplingRate is the share of traces passed on, per million.
	SamplingRate int
	// TailSampling chooses among whole traces instead; nil turns it off.
	TailSampling *TailSampling
	// DiskQueue keeps spans that are not exported yet on disk, in
	// [CollectorDataDirectory]. It needs the contrib distribution.
	DiskQueue bool
	// Debug also writes every span to the Collector's log. It costs more than
	// the rest of the pipeline together.
	Debug bool
	// Exporters are extra OTLP destinations beside Jaeger.
	Exporters []OTLPExporter
	// ConmonRs drops the spans that conmon-rs sends of its exporter's own libraries.
	ConmonRs bool
}

// Limits of the Collector's memory, in MiB. The soft limit, at which it starts
// to refuse spans, is the limit less the spike. The container has no limit of its own:
// the limiter refuses spans, the kernel would kill the Collector with its queues.
//
// Source: processor/memorylimiterprocessor/README.md (spike about 20 % of the
// limit, GOMEMLIMIT 80 % of it).
const (
	collectorMemoryLimitMiB   = 400
	collectorMemorySpikeMiB   = 80
	collectorGoMemoryLimitMiB = 320
)

// collectorGoGC lets the heap grow to five times its live size before garbage
// collection, instead of to twice: the limit above bounds it anyway, and collection
// took a sixth of the Collector's time.
//
// Source: https://go.dev/doc/gc-guide#GOGC.
const collectorGoGC = 400

// CollectorEnvironment are the NAME=VALUE variables that go with the configuration.
func CollectorEnvironment() []string {
	return []string{fmt.Sprintf("GOMEMLIMIT=%dMiB", collectorGoMemoryLimitMiB), fmt.Sprintf("GOGC=%d", collectorGoGC)}
}

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
	Processors map[string]any  `json:"processors,omitempty"`
	Exporters  map[string]any  `json:"exporters"`
	Connectors map[string]any  `json:"connectors,omitempty"`
	Service    pipelineService `json:"service"`
}

type pipelineService struct {
	Extensions []string            `json:"extensions"`
	Pipelines  map[string]pipeline `json:"pipelines"`
	Telemetry  *pipelineTelemetry  `json:"telemetry,omitempty"`
}

type pipeline struct {
	Receivers  []string `json:"receivers"`
	Processors []string `json:"processors,omitempty"`
	Exporters  []string `json:"exporters"`
}

type pipelineTelemetry struct {
	Resource map[string]string `json:"resource,omitempty"`
	Metrics  *pipelineMetrics  `json:"metrics,omitempty"`
}

type pipelineMetrics struct {
	Readers []any `json:"readers"`
}

// prometheusReader serves the process's own metrics on a port, in Prometheus' format.
//
// Source: https://opentelemetry.io/docs/collector/internal-telemetry/.
func prometheusReader(port int) any {
	return map[string]any{"pull": map[string]any{"exporter": map[string]any{"prometheus": map[string]any{
		"host": "0.0.0.0", "port": port,
	}}}}
}

type listener struct {
	Endpoint      string `json:"endpoint"`
	MaxMessageMiB int    `json:"max_recv_msg_size_mib,omitempty"`
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
	processors, order := spec.processors()
	config := pipelineConfig{
		Extensions: map[string]any{"health_check": everyInterface(HealthPort)},
		Receivers:  otlpReceivers(),
		Processors: processors,
		Exporters:  map[string]any{jaegerOTLPExporter: spec.jaegerExporter()},
		Service: pipelineService{
			Extensions: []string{"health_check"},
			Telemetry: &pipelineTelemetry{Metrics: &pipelineMetrics{
				Readers: []any{prometheusReader(CollectorMetricsPort)},
			}},
		},
	}
	traces := pipeline{Receivers: []string{"otlp"}, Processors: order, Exporters: []string{jaegerOTLPExporter}}
	if len(spec.Exporters) > 0 {
		traces.Exporters = append(traces.Exporters, extrasConnector)
	}
	if spec.Debug {
		config.Exporters["debug"] = debugExporter{Verbosity: "detailed"}
		traces.Exporters = append(traces.Exporters, "debug")
	}
	config.Service.Pipelines = map[string]pipeline{"traces": traces}
	if len(spec.Exporters) > 0 {
		spec.addExtras(&config)
	}
	if spec.DiskQueue {
		config.Extensions[queueStorage] = newFileStorage()
		config.Service.Extensions = append(config.Service.Extensions, queueStorage)
	}
	return encode("Collector configuration", config)
}

// processors returns the processors, and their names in the order of the pipeline to
// Jaeger. There is no batch processor among them, which would acknowledge spans that
// no queue holds yet: the queues make the batches.
func (c CollectorSpec) processors() (map[string]any, []string) {
	// The limiter must come first, so that it can refuse before work is done.
	processors, order := map[string]any{"memory_limiter": memoryLimiter{
		CheckInterval: "1s", LimitMiB: collectorMemoryLimitMiB, SpikeLimitMiB: collectorMemorySpikeMiB,
	}}, []string{"memory_limiter"}
	if c.ConmonRs {
		// Before sampling: these spans would be most of those kept.
		processors[conmonRsFilterName] = conmonRsFilter()
		order = append(order, conmonRsFilterName)
	}
	switch {
	case c.TailSampling != nil:
		processors["tail_sampling"] = c.TailSampling.processor()
		order = append(order, "tail_sampling")
	case c.SamplingRate < SamplingRateMax:
		// Not with a rate of 100 %: the processor costs a twelfth of the Collector's time.
		processors["probabilistic_sampler"] = probabilisticSampler{
			HashSeed: samplerHashSeed, SamplingPercentage: percentage(c.SamplingRate),
		}
		order = append(order, "probabilistic_sampler")
	}
	return processors, order
}
