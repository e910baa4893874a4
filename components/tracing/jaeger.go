package tracing

import "fmt"

// JaegerSpec holds everything that determines Jaeger's configuration.
type JaegerSpec struct {
	// Version is the release of the image, as 2.20.0; empty if that is unknown.
	Version string
	// Storage is where spans are kept.
	Storage JaegerStorage
	// Retention is how long storage that outlives the container keeps a trace, as
	// 72h0m0s.
	Retention string
	// MaxTraces bounds the memory storage: older traces make room for newer ones.
	MaxTraces int
	// Server is where OpenSearch or Elasticsearch is found; nil with other storage.
	Server *JaegerServer
}

// JaegerStorage names a storage backend of Jaeger.
type JaegerStorage string

const (
	// StorageMemory keeps spans in memory; they are gone when the container is.
	StorageMemory JaegerStorage = "memory"
	// StorageBadger keeps spans in files on a volume, which outlives the container.
	StorageBadger JaegerStorage = "badger"
	// StorageOpenSearch keeps spans in an OpenSearch, which other programs can query
	// too, and which may have more than one node.
	StorageOpenSearch JaegerStorage = "opensearch"
	// StorageElasticsearch keeps spans in an Elasticsearch, likewise.
	StorageElasticsearch JaegerStorage = "elasticsearch"
)

// Persistent reports whether the storage outlives Jaeger's container.
func (s JaegerStorage) Persistent() bool { return s != StorageMemory }

// IsServer reports whether the storage is a server beside Jaeger.
func (s JaegerStorage) IsServer() bool { return s == StorageOpenSearch || s == StorageElasticsearch }

// JaegerDataDirectory is where Jaeger's container has the volume of badger.
const JaegerDataDirectory = "/badger"

// jaegerMaxMessageMiB bounds what Jaeger accepts in one message. The receiver's
// default of 4 MiB is below a full batch of large spans, which would be refused
// for good.
//
// Source: go.opentelemetry.io/collector/config/configgrpc (max_recv_msg_size_mib).
const jaegerMaxMessageMiB = 64

// JaegerHealthPath is where healthcheckv2 answers on HealthPort.
//
// Source: extension/healthcheckv2extension/README.md.
const JaegerHealthPath = "/status"

// JaegerQuiet is the NAME=VALUE variable that keeps Jaeger from tracing itself: the
// traces of queries would be among those of the cluster, and a Jaeger that is stopped
// soon after a query tries for 10 s to send its last spans to itself.
//
// Sources: jaegertracing/jaeger internal/jtracer/jtracer.go (initOTEL);
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
const JaegerQuiet = "OTEL_TRACES_SAMPLER=always_off"

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
	Badger *jaegerBadger `json:"badger,omitempty"`
	// Two names for one configuration: Jaeger asks the server what it is.
	OpenSearch    *jaegerSearch `json:"opensearch,omitempty"`
	Elasticsearch *jaegerSearch `json:"elasticsearch,omitempty"`
}

type jaegerMemory struct {
	MaxTraces int `json:"max_traces"`
}

// Source: github.com/jaegertracing/jaeger internal/storage/v1/badger/config.go.
type jaegerBadger struct {
	Directories jaegerBadgerDirectories `json:"directories"`
	Ephemeral   bool                    `json:"ephemeral"`
	TTL         jaegerBadgerTTL         `json:"ttl"`
}

type jaegerBadgerDirectories struct {
	Keys   string `json:"keys"`
	Values string `json:"values"`
}

type jaegerBadgerTTL struct {
	Spans string `json:"spans"`
}

type jaegerQuery struct {
	Storage jaegerQueryStorage `json:"storage"`
	HTTP    listener           `json:"http"`
	UI      jaegerQueryUI      `json:"ui"`
	AI      *jaegerAI          `json:"ai,omitempty"`
}

type jaegerQueryUI struct {
	ConfigFile string `json:"config_file"`
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

func jaegerReceivers() map[string]any {
	grpc := everyInterface(OTLPGRPCPort)
	grpc.MaxMessageMiB = jaegerMaxMessageMiB
	return map[string]any{"otlp": otlpReceiver{Protocols: map[string]listener{
		"grpc": grpc, "http": everyInterface(OTLPHTTPPort),
	}}}
}

// RenderJaeger renders Jaeger's configuration.
//
// Source for the layout: github.com/jaegertracing/jaeger cmd/jaeger/config.yaml
// and cmd/jaeger/internal/all-in-one.yaml.
func RenderJaeger(spec JaegerSpec) (string, error) {
	var backend jaegerStorageBackend
	switch spec.Storage {
	case StorageMemory:
		backend.Memory = &jaegerMemory{MaxTraces: spec.MaxTraces}
	case StorageBadger:
		backend.Badger = &jaegerBadger{
			Directories: jaegerBadgerDirectories{
				Keys: JaegerDataDirectory + "/keys", Values: JaegerDataDirectory + "/values",
			},
			TTL: jaegerBadgerTTL{Spans: spec.Retention},
		}
	case StorageOpenSearch:
		backend.OpenSearch = newJaegerSearch(spec)
	case StorageElasticsearch:
		backend.Elasticsearch = newJaegerSearch(spec)
	default:
		return "", fmt.Errorf("render Jaeger configuration: unknown storage %q", spec.Storage)
	}
	return encode("Jaeger configuration", pipelineConfig{
		Extensions: map[string]any{
			"jaeger_storage": jaegerStorage{Backends: map[string]jaegerStorageBackend{jaegerBackend: backend}},
			"jaeger_query": jaegerQuery{
				Storage: jaegerQueryStorage{Traces: jaegerBackend},
				HTTP:    everyInterface(JaegerUIPort),
				UI:      jaegerQueryUI{ConfigFile: JaegerUIConfigPath},
				AI:      spec.ai(),
			},
			"healthcheckv2": healthCheckV2{UseV2: true, HTTP: everyInterface(HealthPort)},
		},
		Receivers: jaegerReceivers(),
		Exporters: map[string]any{jaegerExporter: jaegerStorageExporter{TraceStorage: jaegerBackend}},
		Service: pipelineService{
			Extensions: []string{"jaeger_storage", "jaeger_query", "healthcheckv2"},
			Pipelines: map[string]pipeline{"traces": {
				Receivers: []string{"otlp"},
				// No batch processor and no queue: both acknowledge a span before it is
				// written. The senders have batches and queues of their own.
				Exporters: []string{jaegerExporter},
			}},
			Telemetry: &pipelineTelemetry{Resource: map[string]string{"service.name": "jaeger"}},
		},
	})
}
