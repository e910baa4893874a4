package tracing

import "fmt"

// JaegerSpec is everything that decides Jaeger's configuration.
type JaegerSpec struct {
	// Storage is where spans are kept.
	Storage JaegerStorage
}

// JaegerStorage names a storage backend of Jaeger.
type JaegerStorage string

// StorageMemory keeps spans in memory; they are gone when the container is.
const StorageMemory JaegerStorage = "memory"

// jaegerMaxTraces bounds the memory backend; older traces make room for newer
// ones. A fully sampled single-node cluster makes about one trace a request, so
// this is some hours' worth. Source: Jaeger's own all-in-one.yaml.
const jaegerMaxTraces = 100_000

// JaegerHealthPath is where healthcheckv2 answers on HealthPort.
//
// Source: extension/healthcheckv2extension/README.md.
const JaegerHealthPath = "/status"

// Names that the parts of the configuration use for one another.
const (
	jaegerBackend  = "traces"
	jaegerExporter = "jaeger_storage_exporter"
)

type jaegerStorage struct {
	Backends map[string]jaegerStorageBackend `json:"backends"`
}

type jaegerStorageBackend struct {
	Memory *jaegerMemory `json:"memory,omitempty"`
}

type jaegerMemory struct {
	MaxTraces int `json:"max_traces"`
}

type jaegerQuery struct {
	Storage jaegerQueryStorage `json:"storage"`
	HTTP    listener           `json:"http"`
}

type jaegerQueryStorage struct {
	Traces string `json:"traces"`
}

type healthCheckV2 struct {
	UseV2 bool     `json:"use_v2"`
	HTTP  listener `json:"http"`
}

type jaegerStorageExporter struct {
	TraceStorage string `json:"trace_storage"`
}

// RenderJaeger renders Jaeger's configuration.
//
// Source for the layout: github.com/jaegertracing/jaeger cmd/jaeger/config.yaml
// and cmd/jaeger/internal/all-in-one.yaml.
func RenderJaeger(spec JaegerSpec) (string, error) {
	var backend jaegerStorageBackend
	switch spec.Storage {
	case StorageMemory:
		backend.Memory = &jaegerMemory{MaxTraces: jaegerMaxTraces}
	default:
		return "", fmt.Errorf("render Jaeger configuration: unknown storage %q", spec.Storage)
	}
	return encode("Jaeger configuration", pipelineConfig{
		Extensions: map[string]any{
			"jaeger_storage": jaegerStorage{Backends: map[string]jaegerStorageBackend{jaegerBackend: backend}},
			"jaeger_query": jaegerQuery{
				Storage: jaegerQueryStorage{Traces: jaegerBackend},
				HTTP:    everyInterface(JaegerUIPort),
			},
			"healthcheckv2": healthCheckV2{UseV2: true, HTTP: everyInterface(HealthPort)},
		},
		Receivers:  otlpReceivers(),
		Processors: map[string]any{"batch": batchProcessor{}},
		Exporters:  map[string]any{jaegerExporter: jaegerStorageExporter{TraceStorage: jaegerBackend}},
		Service: pipelineService{
			Extensions: []string{"jaeger_storage", "jaeger_query", "healthcheckv2"},
			Pipelines: map[string]pipeline{"traces": {
				Receivers:  []string{"otlp"},
				Processors: []string{"batch"},
				Exporters:  []string{jaegerExporter},
			}},
			Telemetry: &pipelineTelemetry{Resource: map[string]string{"service.name": "jaeger"}},
		},
	})
}
