// Package stacks turns a stack's configuration into validated, plain Go values.
// It decodes strictly, fills in the defaults and reports every mistake at once;
// it knows no Pulumi resource.
package stacks

import (
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// Settings is everything that a stack's configuration chooses. The field tags
// are the configuration keys below the project's namespace.
type Settings struct {
	Cluster   ClusterSettings   `mapstructure:"cluster"`
	Network   NetworkSettings   `mapstructure:"network"`
	Runtime   RuntimeSettings   `mapstructure:"runtime"`
	Sampling  SamplingSettings  `mapstructure:"sampling"`
	Jaeger    JaegerSettings    `mapstructure:"jaeger"`
	Collector CollectorSettings `mapstructure:"collector"`
	// Workloads are the test workloads to run in the cluster, each at most once.
	Workloads []Workload     `mapstructure:"workloads"`
	Verify    VerifySettings `mapstructure:"verify"`
}

// ClusterSettings choose the Kubernetes cluster.
type ClusterSettings struct {
	// Kubernetes is a minor ("1.36") or a k3s release ("v1.36.2+k3s1").
	Kubernetes string `mapstructure:"kubernetes"`
	// Image replaces the official k3s image of that version; empty means official.
	Image string `mapstructure:"image"`
	// Servers (at least 1) and Agents (at least 0) count the nodes.
	Servers int `mapstructure:"servers"`
	Agents  int `mapstructure:"agents"`
	// APIPort is the port of the Kubernetes API on 127.0.0.1.
	APIPort int `mapstructure:"apiPort"`
	// Proxy is what the nodes pull images through.
	Proxy ProxySettings `mapstructure:"proxy"`
	// CertificateAuthorities are files with certificates in PEM that the nodes trust when
	// they pull images; relative paths are below the project's root.
	CertificateAuthorities []string `mapstructure:"certificateAuthorities"`
	// Registries are those that the nodes reach otherwise than by their names.
	Registries []RegistrySettings `mapstructure:"registries"`
}

// ProxySettings choose the proxy through which the nodes pull images.
type ProxySettings struct {
	// HTTP and HTTPS are the URLs of the proxies for http and https; empty means none.
	HTTP  string `mapstructure:"http"`
	HTTPS string `mapstructure:"https"`
	// Except lists hosts, domains and ranges that are reached directly, besides all of the
	// stack's own.
	Except []string `mapstructure:"except"`
}

// RegistrySettings say how the nodes reach one registry.
type RegistrySettings struct {
	// Name is its host, with the port if any, as images name it.
	Name string `mapstructure:"name"`
	// Mirrors are the URLs of registries that are asked for its images first, in this
	// order.
	Mirrors []string `mapstructure:"mirrors"`
	// Username and Password log in to the host Name; both or none.
	Username string `mapstructure:"username"`
	Password Secret `mapstructure:"password"`
	// Insecure accepts any certificate of the host Name.
	Insecure bool `mapstructure:"insecure"`
}

// NetworkSettings choose the Docker network of nodes, Collector and Jaeger.
type NetworkSettings struct {
	// Subnet is its IPv4 range in CIDR notation; empty means a /22 of 10.112.0.0/12
	// derived from the names of project and stack.
	Subnet string `mapstructure:"subnet"`
}

// RuntimeSettings choose what runs the containers.
type RuntimeSettings struct {
	// Name is the container runtime.
	Name tracing.RuntimeName `mapstructure:"name"`
	// OCI is the OCI runtime of pods that name no RuntimeClass.
	OCI tracing.OCIRuntime `mapstructure:"oci"`
	// RuntimeClasses are the OCI runtimes that get a RuntimeClass of their name, side
	// by side.
	RuntimeClasses []tracing.OCIRuntime `mapstructure:"runtimeClasses"`
	// Bundle is where the container runtime's release comes from; nil means the
	// pinned official release.
	Bundle *BundleSettings `mapstructure:"bundle"`
	// Version is the CRI-O release that Bundle holds; empty means that of the
	// Kubernetes minor.
	Version string `mapstructure:"version"`
	// Monitor replaces the conmon-rs of CRI-O's bundle, or says which one it is; nil
	// means that of the official bundle.
	Monitor *MonitorSettings `mapstructure:"monitor"`
	// OCIBundles say where OCI runtimes come from that no official bundle has.
	OCIBundles OCIBundleSettings `mapstructure:"ociBundles"`
}

// MonitorSettings choose a conmon-rs: from the official bundle of another CRI-O
// release, or from an archive of one's own. With Version alone they say which release
// runtime.bundle holds.
type MonitorSettings struct {
	// CRIO is a CRI-O release in the table of official bundles, as "1.31.13".
	CRIO string `mapstructure:"crio"`
	// URL is a .tar.gz with a file conmonrs, SHA256 its checksum.
	URL    string `mapstructure:"url"`
	SHA256 string `mapstructure:"sha256"`
	// Version is the conmon-rs release, as "0.7.2"; required unless CRIO is given.
	Version string `mapstructure:"version"`
}

// OCIBundleSettings say where OCI runtimes come from.
type OCIBundleSettings struct {
	Crun  *BundleSettings `mapstructure:"crun"`
	Youki *BundleSettings `mapstructure:"youki"`
}

// Of returns the bundle of an OCI runtime; nil means that none is chosen.
func (b OCIBundleSettings) Of(oci tracing.OCIRuntime) *BundleSettings {
	switch oci {
	case tracing.OCICrun:
		return b.Crun
	case tracing.OCIYouki:
		return b.Youki
	default:
		return nil
	}
}

// BundleSettings name a release: either Directory, or URL and SHA256.
type BundleSettings struct {
	// Directory holds the unpacked release's binaries in bin; relative paths are
	// below the project's root.
	Directory string `mapstructure:"directory"`
	// URL is a .tar.gz with a folder bin or, for an OCI runtime, with its binary.
	URL string `mapstructure:"url"`
	// SHA256 is the hexadecimal checksum of the archive.
	SHA256 string `mapstructure:"sha256"`
}

// SamplingSettings are head sampling rates per million, 0 (off) to 1000000 (all).
type SamplingSettings struct {
	APIServer int `mapstructure:"apiserver"`
	Etcd      int `mapstructure:"etcd"`
	Kubelet   int `mapstructure:"kubelet"`
	Runtime   int `mapstructure:"runtime"`
	Collector int `mapstructure:"collector"`
}

// JaegerSettings choose the trace backend.
type JaegerSettings struct {
	Image string `mapstructure:"image"`
	// UIPort is the port of the UI and the query API on 127.0.0.1.
	UIPort  int                   `mapstructure:"uiPort"`
	Storage tracing.JaegerStorage `mapstructure:"storage"`
	// Retention is how long storage that outlives the container keeps a trace.
	Retention time.Duration `mapstructure:"retention"`
	// MaxTraces is how many traces storage in memory keeps.
	MaxTraces int `mapstructure:"maxTraces"`
	// Server is the OpenSearch or Elasticsearch; nil with other storage.
	Server *ServerSettings `mapstructure:"server"`
}

// ServerSettings choose the OpenSearch or Elasticsearch in which Jaeger keeps
// traces: one that exists, by its URL, or a container of the stack's own.
type ServerSettings struct {
	// URL is that of an existing one; empty means a container of the stack's own.
	URL string `mapstructure:"url"`
	// Username authenticates Jaeger; empty means no authentication. A container of the
	// stack's own has a user already.
	Username string `mapstructure:"username"`
	// Password is the user's.
	Password Secret `mapstructure:"password"`
	// CA holds the certificates, in PEM, that the server's must be signed by; empty
	// means the ones that Jaeger's image trusts.
	CA string `mapstructure:"ca"`
	// Image is that of the stack's own container; empty means the official one: see
	// [Settings.ServerImage].
	Image string `mapstructure:"image"`
	// HeapMiB is the size of the Java heap of the stack's own container, in MiB: half
	// of the memory that it may use.
	HeapMiB int `mapstructure:"heapMiB"`
	// CleanerImage is the image that deletes what is older than the retention.
	CleanerImage string `mapstructure:"cleanerImage"`
}

// CollectorSettings choose the OpenTelemetry Collector.
type CollectorSettings struct {
	// Enabled puts a Collector between the nodes and Jaeger; without one they export
	// straight to Jaeger.
	Enabled bool `mapstructure:"enabled"`
	// Image replaces the official distribution; empty means the official one that
	// has what is chosen here: see [Settings.CollectorImage].
	Image string `mapstructure:"image"`
	// OTLPGRPCPort and OTLPHTTPPort publish the OTLP receivers on 127.0.0.1; nil
	// means not published.
	OTLPGRPCPort *int `mapstructure:"otlpGrpcPort"`
	OTLPHTTPPort *int `mapstructure:"otlpHttpPort"`
	// Exporters are extra OTLP destinations beside Jaeger.
	Exporters []ExporterSettings `mapstructure:"exporters"`
	// Queue is where spans wait for their destinations; empty means on disk if
	// Jaeger's storage outlives its container: see [Settings.DiskQueue].
	Queue Queue `mapstructure:"queue"`
	// TailSampling chooses among whole traces; nil means not.
	TailSampling *TailSamplingSettings `mapstructure:"tailSampling"`
	// Debug writes every span to the Collector's log.
	Debug bool `mapstructure:"debug"`
}

// ExporterSettings name one extra OTLP destination.
type ExporterSettings struct {
	// Name tells destinations apart: RFC 1123.
	Name string `mapstructure:"name"`
	// Endpoint is host:port for grpc, a URL for http.
	Endpoint string `mapstructure:"endpoint"`
	// Protocol is grpc or http.
	Protocol string `mapstructure:"protocol"`
	// Insecure turns TLS off.
	Insecure bool `mapstructure:"insecure"`
	// CA holds the certificates, in PEM, that the destination's must be signed by;
	// empty means the ones that the image trusts.
	CA string `mapstructure:"ca"`
	// Headers are sent with every request.
	Headers map[string]Secret `mapstructure:"headers"`
}

// Queue is where spans wait for their destinations.
type Queue string

const (
	// QueueMemory loses what waits when the Collector is killed.
	QueueMemory Queue = "memory"
	// QueueDisk keeps what waits on a volume.
	QueueDisk Queue = "disk"
)

// TailSamplingSettings keep all traces with errors, all slow ones, and a share of
// the rest.
type TailSamplingSettings struct {
	// SlowerThan is the duration from which a trace counts as slow.
	SlowerThan time.Duration `mapstructure:"slowerThan"`
	// Rate is the share of the rest, per million.
	Rate int `mapstructure:"ratePerMillion"`
	// Wait is how long a trace's spans are waited for.
	Wait time.Duration `mapstructure:"wait"`
}

// Workload names a test workload of package catalog.
type Workload string

// VerifySettings choose whether an update waits for its own spans.
type VerifySettings struct {
	Enabled bool `mapstructure:"enabled"`
	// Timeout is how long to wait for them.
	Timeout time.Duration `mapstructure:"timeout"`
	// Expectations is a YAML file with trace-based tests of the user's own; relative
	// paths are below the project's root. Empty means none.
	Expectations string `mapstructure:"expectations"`
}

// DiskQueue reports whether spans wait for their destinations on disk.
func (s Settings) DiskQueue() bool {
	if s.Collector.Queue == "" {
		return s.Jaeger.Storage.Persistent()
	}
	return s.Collector.Queue == QueueDisk
}

// needsContrib reports whether the Collector needs components that only the contrib
// distribution has.
func (s Settings) needsContrib() bool { return s.DiskQueue() || s.Collector.TailSampling != nil }

// CollectorImage returns the Collector's image: the chosen one, else the smallest
// official distribution that has every component needed.
func (s Settings) CollectorImage() string {
	switch {
	case s.Collector.Image != "":
		return s.Collector.Image
	case s.needsContrib():
		return ContribCollectorImage
	default:
		return CoreCollectorImage
	}
}

// CollectorRate returns the share of ordinary traces that reach Jaeger, per million:
// neither slow nor with an error.
func (s Settings) CollectorRate() int {
	if s.Collector.TailSampling != nil {
		return s.Collector.TailSampling.Rate
	}
	return s.Sampling.Collector
}

// OwnServer reports whether the stack starts the server in which Jaeger keeps traces.
func (s Settings) OwnServer() bool { return s.Jaeger.Server != nil && s.Jaeger.Server.URL == "" }

// ServerImage returns the image of the stack's own OpenSearch or Elasticsearch: the
// chosen one, else the official one.
func (s Settings) ServerImage() string {
	switch {
	case s.Jaeger.Server.Image != "":
		return s.Jaeger.Server.Image
	case s.Jaeger.Storage == tracing.StorageElasticsearch:
		return ElasticsearchImage
	default:
		return OpenSearchImage
	}
}

// RetentionDays returns the retention in whole days.
func (j JaegerSettings) RetentionDays() int { return int(j.Retention / day) }

// MaxAge is the age at which the storage deletes a trace; 0 means that it keeps traces
// of any age.
func (j JaegerSettings) MaxAge() time.Duration {
	if !j.Storage.Persistent() {
		return 0
	}
	return j.Retention
}
