package stacks

import (
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/workloads/catalog"
)

// Default images, pinned by digest so that a preview and what it creates do not
// depend on the day.
const (
	// DefaultJaegerImage is the newest Jaeger v2 release known to read our
	// configuration.
	DefaultJaegerImage = "jaegertracing/jaeger:2.21.0" +
		"@sha256:3d0ac795ff98aa04d1be04311d2dac6c25b4bfc8322dc02e53bc5b170c5018c3"
	// CoreCollectorImage is the core distribution: it has every component that
	// the default pipeline needs at a third of contrib's size. The digests of both are
	// those of the multi-platform indexes, as many public repositories pin them.
	CoreCollectorImage = "otel/opentelemetry-collector:0.162.0" +
		"@sha256:310a800ad69ee430e7c541796852a242c9c7db97aaad4daa5ccf843c525fbdb2"
	// ContribCollectorImage is the contrib distribution, with queues on disk and
	// tail sampling.
	ContribCollectorImage = "otel/opentelemetry-collector-contrib:0.162.0" +
		"@sha256:39923a8e431bd1f57be82411999d389fcfe40857492e4365456d97a4c1f74be6"

	// OpenSearchImage and ElasticsearchImage are the releases, by the same digests, with
	// which the Jaeger project tests Jaeger 2.20.0.
	//
	// Source: github.com/jaegertracing/jaeger v2.20.0
	// docker-compose/{opensearch/v3,elasticsearch/v9}/docker-compose.yml.
	OpenSearchImage = "opensearchproject/opensearch:3.7.0" +
		"@sha256:123e6591a47b1d54686890551bdb35739c85193ecded381219fc9e059e18128f"
	ElasticsearchImage = "docker.elastic.co/elasticsearch/elasticsearch:9.4.0" +
		"@sha256:754c3d8ca6f74acba58eb0610b8479a13c36df09ac1a4e0f2667dc167d377b84"
	// DefaultCleanerImage is of the same release as Jaeger's.
	DefaultCleanerImage = "jaegertracing/jaeger-es-index-cleaner:2.21.0"
)

// Defaults returns the settings of a stack that configures nothing.
func Defaults() Settings {
	return Settings{
		Cluster: ClusterSettings{
			// New users should meet the Kubernetes that others talk about.
			Kubernetes: tracing.NewestMinor(),
			// One node is enough to see every component, and starts fastest.
			Servers: 1,
			Agents:  0,
			// k3d's documentation uses 6550 for a fixed API port.
			APIPort: 6550,
		},
		Runtime: RuntimeSettings{Name: tracing.RuntimeContainerd, OCI: tracing.OCIRunc},
		// A development cluster makes few enough spans to keep them all; the first
		// trace should never be missing because of a rate.
		Sampling: SamplingSettings{
			APIServer: tracing.SamplingRateMax,
			Etcd:      tracing.SamplingRateMax,
			Kubelet:   tracing.SamplingRateMax,
			Runtime:   tracing.SamplingRateMax,
			Collector: tracing.SamplingRateMax,
		},
		Jaeger: JaegerSettings{
			Image: DefaultJaegerImage,
			// Jaeger's own port, which bookmarks and articles use.
			UIPort: tracing.JaegerUIPort,
			// Nothing to clean up: the traces of a throw-away cluster disappear with it.
			Storage: tracing.StorageMemory,
			// Jaeger's own default for badger.
			Retention: 72 * time.Hour,
			// A fully sampled node makes about one trace a request, so this is some hours'
			// worth. Source: Jaeger's own all-in-one.yaml.
			MaxTraces: 100_000,
		},
		// On, as in the published recipes: it samples, and sends on to others than
		// Jaeger. No host ports: the nodes reach it on their shared network.
		Collector: CollectorSettings{Enabled: true},
		Workloads: []Workload{catalog.Echo},
		Verify: VerifySettings{
			Enabled: true,
			// Spans arrive within seconds of the workloads' end; the rest is for
			// machines that are busy pulling images.
			Timeout: 120 * time.Second,
		},
	}
}

// defaultTailSampling returns what an empty section tailSampling means.
func defaultTailSampling() TailSamplingSettings {
	return TailSamplingSettings{
		// Ordinary API requests take milliseconds, a pod's start some hundred.
		SlowerThan: 500 * time.Millisecond,
		Rate:       100_000,
		// Exporters send within 5 s, the default schedule of OpenTelemetry's batch span
		// processor; the rest is for transport.
		Wait: 10 * time.Second,
	}
}

// defaultServer returns what an empty section jaeger.server means.
func defaultServer() ServerSettings {
	return ServerSettings{
		// OpenSearch's own default. Source: its config/jvm.options.
		HeapMiB:      1024,
		CleanerImage: DefaultCleanerImage,
	}
}
