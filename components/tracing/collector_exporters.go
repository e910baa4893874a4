package tracing

import (
	"fmt"
	"slices"
	"strings"
)

// OTLPExporter is one extra OTLP destination.
type OTLPExporter struct {
	// Name tells destinations apart; it becomes the exporter's name. RFC 1123.
	Name string
	// Endpoint is host:port for gRPC, a URL for HTTP.
	Endpoint string
	// Protocol is "grpc" or "http".
	Protocol string
	// Insecure turns TLS off.
	Insecure bool
	// CA holds the certificates, in PEM, that the destination's must be signed by;
	// empty means the ones that the image trusts.
	CA string
	// Headers are the names of the headers to send. Their values are not here: the
	// Collector reads them from its environment, from HeaderVariable.
	Headers []string
}

// HeaderVariable is the environment variable from which the Collector takes the
// value of one of the exporter's headers.
func (e OTLPExporter) HeaderVariable(header string) string {
	return "OTLP_HEADER_" + variablePart(e.Name) + "__" + variablePart(header)
}

func variablePart(name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// jaegerOTLPExporter is the name of the exporter to Jaeger.
const jaegerOTLPExporter = "otlp_grpc/jaeger"

// Batches that leave the Collector, in spans. The upper bound keeps a batch of
// ordinary spans (about 1 KiB) well below what an OTLP receiver accepts in one
// message by default, 4 MiB; a larger one would be refused for good.
//
// Source: go.opentelemetry.io/collector/config/configgrpc (max_recv_msg_size_mib).
const (
	batchMinSpans = 1024
	batchMaxSpans = 2048
	// batchTimeout is short enough that a trace shows up while its reader waits.
	batchTimeout = "200ms"
)

// Queues in front of each destination. When one is full its senders wait, and the
// memory limiter refuses what does not fit: nothing is dropped in silence.
const (
	// queueSpans bounds a queue in memory. At some 1 KiB a span two of them stay
	// below the memory limit.
	queueSpans = 100_000
	// queueBytes bounds a queue on disk.
	queueBytes = 1 << 30
	// queueConsumers is how many batches of a queue on disk are under way at once.
	queueConsumers = 4
)

type otlpExporter struct {
	Endpoint    string            `json:"endpoint"`
	TLS         tlsSettings       `json:"tls"`
	Compression string            `json:"compression,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Timeout     string            `json:"timeout,omitempty"`
	Queue       sendingQueue      `json:"sending_queue"`
	Retry       *retryOnFailure   `json:"retry_on_failure,omitempty"`
}

type tlsSettings struct {
	Insecure bool   `json:"insecure"`
	CA       string `json:"ca_pem,omitempty"`
}

// Source: go.opentelemetry.io/collector/exporter/exporterhelper README.
type sendingQueue struct {
	Storage         string     `json:"storage,omitempty"`
	Sizer           string     `json:"sizer"`
	QueueSize       int        `json:"queue_size"`
	BlockOnOverflow bool       `json:"block_on_overflow"`
	NumConsumers    int        `json:"num_consumers,omitempty"`
	Batch           queueBatch `json:"batch"`
}

type queueBatch struct {
	Sizer        string `json:"sizer"`
	MinSize      int    `json:"min_size"`
	MaxSize      int    `json:"max_size"`
	FlushTimeout string `json:"flush_timeout"`
}

type retryOnFailure struct {
	InitialInterval string `json:"initial_interval"`
	MaxInterval     string `json:"max_interval"`
	MaxElapsedTime  string `json:"max_elapsed_time"`
}

// collectorExporters gives the exporters to Jaeger and to the extra destinations,
// and their names in that order.
func collectorExporters(spec CollectorSpec) (map[string]any, []string) {
	exporters := map[string]any{
		jaegerOTLPExporter: spec.queued(otlpExporter{
			Endpoint: grpcTarget(JaegerAlias), TLS: tlsSettings{Insecure: true},
			// Jaeger is on the same machine: the default, gzip, would cost the Collector
			// more than everything else that it does, and save nobody anything.
			Compression: "none",
		}),
	}
	names := []string{jaegerOTLPExporter}
	for _, extra := range spec.Exporters {
		exporter := otlpExporter{Endpoint: extra.Endpoint, TLS: tlsSettings{Insecure: extra.Insecure, CA: extra.CA}}
		for _, header := range slices.Sorted(slices.Values(extra.Headers)) {
			if exporter.Headers == nil {
				exporter.Headers = map[string]string{}
			}
			exporter.Headers[header] = "${env:" + extra.HeaderVariable(header) + "}"
		}
		name := fmt.Sprintf("otlp_%s/%s", extra.Protocol, extra.Name)
		exporters[name] = spec.queued(exporter)
		names = append(names, name)
	}
	return exporters, names
}

// queued gives an exporter its queue.
func (c CollectorSpec) queued(exporter otlpExporter) otlpExporter {
	exporter.Queue = sendingQueue{
		Sizer: "items", QueueSize: queueSpans, BlockOnOverflow: true,
		Batch: queueBatch{
			Sizer: "items", MinSize: batchMinSpans, MaxSize: batchMaxSpans, FlushTimeout: batchTimeout,
		},
	}
	if c.DiskQueue {
		exporter.Queue.Storage, exporter.Queue.Sizer, exporter.Queue.QueueSize = queueStorage, "bytes", queueBytes
		// A store on disk takes its time. An attempt that is given up while it is being
		// written costs it the same work again, which a busy machine never gets out of:
		// few batches at once, and long enough for each.
		exporter.Queue.NumConsumers, exporter.Timeout = queueConsumers, "60s"
		exporter.Retry = &retryOnFailure{
			InitialInterval: "1s", MaxInterval: "10s",
			// Never give up: the default drops what it could not deliver for 5 minutes.
			MaxElapsedTime: "0s",
		}
	}
	return exporter
}
