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
	// Endpoint is host:port for gRPC, a URL for HTTP; unused with SecretEndpoint.
	Endpoint string
	// SecretEndpoint keeps the endpoint out of the configuration: the Collector reads
	// it from its environment, from EndpointVariable.
	SecretEndpoint bool
	// Protocol is "grpc" or "http".
	Protocol string
	// Insecure turns TLS off.
	Insecure bool
	// CA holds the certificates, in PEM, that sign the destination's; empty means
	// those that the image trusts.
	CA string
	// Headers are the names of the headers to send. The Collector reads their values
	// from its environment, from HeaderVariable.
	Headers []string
}

// EndpointVariable returns the name of the environment variable from which the
// Collector reads a secret endpoint.
func (e OTLPExporter) EndpointVariable() string { return "OTLP_ENDPOINT_" + variablePart(e.Name) }

// HeaderVariable returns the name of the environment variable from which the
// Collector reads the value of one of the exporter's headers.
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

// Queues in front of the destinations. When Jaeger's is full its senders wait, and
// the memory limiter refuses what does not fit. When an extra destination's is full
// it drops spans, which the Collector counts.
const (
	// queueSpans bounds Jaeger's queue in memory, and those of all extra destinations
	// together. At some 1 KiB a span both stay below the memory limit.
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

// Names of the parts between the pipeline to Jaeger and the extra destinations.
const (
	extrasPipeline  = "traces/extras"
	extrasConnector = "forward/extras"
	extrasHandover  = "batch/extras"
)

// handover is a batch processor that makes no batches. It acknowledges spans before
// the exporters behind it do, and logs their errors instead of returning them.
//
// Source: go.opentelemetry.io/collector/processor/batchprocessor README (timeout 0).
type handover struct {
	Timeout       string `json:"timeout"`
	SendBatchSize int    `json:"send_batch_size"`
}

// addExtras adds the pipeline to the extra destinations. The pipeline to Jaeger
// neither waits for it nor fails with it: a sender that was told of an extra's full
// queue would send everything to Jaeger again.
func (c CollectorSpec) addExtras(config *pipelineConfig) {
	config.Connectors = map[string]any{extrasConnector: struct{}{}}
	config.Processors[extrasHandover] = handover{Timeout: "0s"}
	extras := pipeline{Receivers: []string{extrasConnector}, Processors: []string{extrasHandover}}
	for _, extra := range c.Exporters {
		config.Exporters[extra.id()] = c.extraExporter(extra)
		extras.Exporters = append(extras.Exporters, extra.id())
	}
	config.Service.Pipelines[extrasPipeline] = extras
}

func (c CollectorSpec) jaegerExporter() otlpExporter {
	exporter := c.queued(otlpExporter{
		Endpoint: grpcTarget(JaegerAlias), TLS: tlsSettings{Insecure: true},
		// Jaeger is on the same machine: the default, gzip, would cost the Collector
		// more time than the rest of its work together, and save nothing.
		Compression: "none",
	})
	exporter.Queue.BlockOnOverflow = true
	return exporter
}

// id returns the exporter's name in the configuration and in the Collector's metrics.
func (e OTLPExporter) id() string { return fmt.Sprintf("otlp_%s/%s", e.Protocol, e.Name) }

func (c CollectorSpec) extraExporter(extra OTLPExporter) otlpExporter {
	exporter := otlpExporter{Endpoint: extra.Endpoint, TLS: tlsSettings{Insecure: extra.Insecure, CA: extra.CA}}
	if extra.SecretEndpoint {
		exporter.Endpoint = "${env:" + extra.EndpointVariable() + "}"
	}
	for _, header := range slices.Sorted(slices.Values(extra.Headers)) {
		if exporter.Headers == nil {
			exporter.Headers = map[string]string{}
		}
		exporter.Headers[header] = "${env:" + extra.HeaderVariable(header) + "}"
	}
	exporter = c.queued(exporter)
	if !c.DiskQueue {
		exporter.Queue.QueueSize = max(batchMaxSpans, queueSpans/len(c.Exporters))
		exporter.Retry = &retryOnFailure{InitialInterval: "1s", MaxInterval: "10s", MaxElapsedTime: extraRetryTime}
	}
	return exporter
}

// extraRetryTime is how long a batch for an extra destination is sent again and again
// before it is dropped, and counted, to make room for newer ones in memory. On disk
// there is room for as long as an outage may take.
const extraRetryTime = "300s"

// queued returns an exporter with its queue.
func (c CollectorSpec) queued(exporter otlpExporter) otlpExporter {
	exporter.Queue = sendingQueue{
		Sizer: "items", QueueSize: queueSpans,
		Batch: queueBatch{
			Sizer: "items", MinSize: batchMinSpans, MaxSize: batchMaxSpans, FlushTimeout: batchTimeout,
		},
	}
	if c.DiskQueue {
		exporter.Queue.Storage, exporter.Queue.Sizer, exporter.Queue.QueueSize = queueStorage, "bytes", queueBytes
		// A store on disk is slow. Abandoning an attempt while it is being written
		// costs the store the same work again, from which a busy machine never
		// recovers: few batches at once, and a long timeout for each.
		exporter.Queue.NumConsumers, exporter.Timeout = queueConsumers, "60s"
		exporter.Retry = &retryOnFailure{
			InitialInterval: "1s", MaxInterval: "10s",
			// Never give up: the default drops what it could not deliver for 5 minutes.
			MaxElapsedTime: "0s",
		}
	}
	return exporter
}
