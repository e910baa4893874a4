package tracing_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// golden compares a rendered text with a file below testdata.
func golden(t *testing.T, path, got string) {
	t.Helper()
	path = filepath.Join("testdata", filepath.FromSlash(path))
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test ./components/tracing -update writes it")
	assert.Equal(t, string(want), got, "%s; go test ./components/tracing -update accepts the change", path)
}

// resolve finds a release that must exist.
func resolve(t *testing.T, version string) tracing.Release {
	t.Helper()
	release, err := tracing.ResolveRelease(version)
	require.NoError(t, err)
	return release
}

func subnet(t *testing.T) tracing.Subnet {
	t.Helper()
	subnet, err := tracing.ParseSubnet("10.120.152.0/22")
	require.NoError(t, err)
	return subnet
}

// single is a cluster of one server that samples everything.
func single(t *testing.T, version string) tracing.ClusterSpec {
	t.Helper()
	release := resolve(t, version)
	return tracing.ClusterSpec{
		Name:         "kubetracing-dev",
		Release:      release,
		Runtime:      tracing.Runtime{Name: tracing.RuntimeContainerd, Default: tracing.OCIRunc},
		NodeImage:    release.Image,
		Servers:      1,
		Network:      "kubetracing-dev",
		Subnet:       subnet(t),
		Receiver:     tracing.CollectorAlias,
		ConfigVolume: "kubetracing-dev-tracing",
		APIPort:      6550,
		OwnerLabel:   "kubetracing.stack=kubetracing/dev",
		Sampling: tracing.Sampling{
			APIServer: tracing.SamplingRateMax, Etcd: tracing.SamplingRateMax, Kubelet: tracing.SamplingRateMax,
			Runtime: tracing.SamplingRateMax, Collector: tracing.SamplingRateMax,
		},
	}
}

// several is a cluster of three servers and two agents that samples a little.
func several(t *testing.T, version string) tracing.ClusterSpec {
	t.Helper()
	spec := single(t, version)
	spec.Servers, spec.Agents = 3, 2
	spec.Sampling = tracing.Sampling{APIServer: 1, Etcd: 20, Kubelet: 300, Runtime: 4000, Collector: 50_000}
	return spec
}

// crio is a cluster of one server with the CRI-O of its minor and runc.
func crio(t *testing.T, version string) tracing.ClusterSpec {
	t.Helper()
	spec := single(t, version)
	release, published := spec.Release.CRIORelease()
	require.True(t, published)
	spec.Runtime = tracing.Runtime{Name: tracing.RuntimeCRIO, CRIO: release, Default: tracing.OCIRunc}
	return spec
}

// withRuntimes is a cluster with a RuntimeClass for every OCI runtime.
func withRuntimes(spec tracing.ClusterSpec, standard tracing.OCIRuntime) tracing.ClusterSpec {
	spec.Runtime.Default = standard
	spec.Runtime.Classes = []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCICrun, tracing.OCIYouki}
	return spec
}

func TestRenderCluster_Golden(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		directory string
		spec      tracing.ClusterSpec
		files     []string
	}{
		"one server of the newest minor": {
			directory: "cluster-1.37-1-server",
			spec:      single(t, "1.37"),
			files: []string{
				"apiserver-tracing.yaml", "containerd.env", "containerd.sh", "k3s-server.yaml", "k3s.sh", "kubelet.yaml",
			},
		},
		"three servers and two agents of the minor that needs every workaround": {
			directory: "cluster-1.25-3-servers-2-agents",
			spec:      several(t, "1.25"),
			files: []string{
				"apiserver-tracing.yaml", "containerd.env", "containerd.sh",
				"k3s-agent.yaml", "k3s-server.yaml", "k3s.sh", "kubelet.yaml",
			},
		},
		"containerd with every OCI runtime": {
			directory: "cluster-1.33-oci-runtimes",
			spec:      withRuntimes(single(t, "1.33"), tracing.OCICrun),
			files: []string{
				"apiserver-tracing.yaml", "containerd-handlers.toml", "containerd.env", "containerd.sh", "k3s-server.yaml", "k3s.sh", "kubelet.yaml",
			},
		},
		"CRI-O whose conmon-rs traces, with every OCI runtime": {
			directory: "cluster-1.34-crio",
			spec:      withRuntimes(crio(t, "1.34"), tracing.OCICrun),
			files:     []string{"apiserver-tracing.yaml", "crio.conf", "crio.sh", "k3s-server.yaml", "k3s.sh", "kubelet.yaml"},
		},
		"servers and an agent with a CRI-O whose bundle has no conmon-rs": {
			directory: "cluster-1.27-crio-2-servers-1-agent",
			spec: func() tracing.ClusterSpec {
				spec := crio(t, "1.27")
				spec.Servers, spec.Agents = 2, 1
				spec.Sampling.Runtime = 250_000
				return spec
			}(),
			files: []string{"apiserver-tracing.yaml", "crio.conf", "crio.sh", "k3s-agent.yaml", "k3s-server.yaml", "k3s.sh", "kubelet.yaml"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered, err := tracing.RenderCluster(test.spec)
			require.NoError(t, err)
			golden(t, test.directory+"/k3d.yaml.golden", rendered.K3d)
			var names []string
			for _, file := range rendered.Node {
				names = append(names, file.Name)
				golden(t, test.directory+"/"+file.Name+".golden", file.Content)
			}
			assert.Equal(t, test.files, names)
		})
	}
}

func TestRenderCollector_Golden(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		file string
		spec tracing.CollectorSpec
	}{
		"the default pipeline": {
			file: "collector.yaml.golden",
			spec: tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax},
		},
		"a share of the traces to the log and to further destinations": {
			file: "collector-debug-exporters.yaml.golden",
			spec: tracing.CollectorSpec{
				SamplingRate: 125_000,
				Debug:        true,
				Exporters: []tracing.OTLPExporter{
					{Name: "tempo", Protocol: "grpc", Endpoint: "tempo:4317", Insecure: true},
					{Name: "vendor", Protocol: "http", Endpoint: "https://otlp.test/v1"},
				},
			},
		},
		"conmon-rs, whose exporter traces itself": {
			file: "collector-conmonrs.yaml.golden",
			spec: tracing.CollectorSpec{SamplingRate: 500_000, ConmonRs: true},
		},
		"queues on disk, tail sampling and a secured destination": {
			file: "collector-disk-tail.yaml.golden",
			spec: tracing.CollectorSpec{
				DiskQueue:    true,
				TailSampling: &tracing.TailSampling{SlowMilliseconds: 500, Rate: 100_000, Wait: "10s"},
				Exporters: []tracing.OTLPExporter{{
					Name: "vendor-eu", Protocol: "grpc", Endpoint: "otlp.test:4317", CA: "-----BEGIN CERTIFICATE-----\n",
					Headers: []string{"x-tenant", "authorization"},
				}},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rendered, err := tracing.RenderCollector(test.spec)
			require.NoError(t, err)
			golden(t, test.file, rendered)
		})
	}
}

func TestRenderJaeger_Golden(t *testing.T) {
	t.Parallel()

	for file, spec := range map[string]tracing.JaegerSpec{
		"jaeger-memory.yaml.golden":      {Storage: tracing.StorageMemory, MaxTraces: 100_000},
		"jaeger-2.20-memory.yaml.golden": {Version: "2.20.0", Storage: tracing.StorageMemory, MaxTraces: 100_000},
		"jaeger-2.21-memory.yaml.golden": {Version: "2.21.0", Storage: tracing.StorageMemory, MaxTraces: 100_000},
		"jaeger-badger.yaml.golden":      {Storage: tracing.StorageBadger, Retention: "72h0m0s"},
		"jaeger-opensearch-own.yaml.golden": {
			Storage: tracing.StorageOpenSearch, Retention: "72h0m0s", Server: &tracing.JaegerServer{
				URL: tracing.StorageOpenSearch.OwnURL(), Username: tracing.StorageOpenSearch.Superuser(),
				IndexPrefix: "kubetracing-dev", SingleNode: true, Synchronous: true,
			},
		},
		"jaeger-elasticsearch-existing.yaml.golden": {
			Storage: tracing.StorageElasticsearch, Retention: "168h0m0s", Server: &tracing.JaegerServer{
				URL: "https://search.example.com", Username: "tracing", CA: "-----BEGIN CERTIFICATE-----\n", IndexPrefix: "kubetracing-dev",
				Synchronous: true,
			},
		},
		"jaeger-elasticsearch-open.yaml.golden": {
			Storage: tracing.StorageElasticsearch, Retention: "72h0m0s", Server: &tracing.JaegerServer{
				URL: "http://search.example.com:9200", IndexPrefix: "kubetracing-dev",
			},
		},
	} {
		rendered, err := tracing.RenderJaeger(spec)
		require.NoError(t, err)
		golden(t, file, rendered)
	}
}

// Rendered texts decide what an update replaces, so equal settings must give
// equal bytes: not once, but in whatever order a map is walked.
func TestRender_Deterministic(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		render func() (any, error)
	}{
		"of a cluster": {func() (any, error) { return tracing.RenderCluster(several(t, "1.36")) }},
		"of the Collector": {func() (any, error) {
			return tracing.RenderCollector(tracing.CollectorSpec{
				SamplingRate: 1, Debug: true,
				Exporters: []tracing.OTLPExporter{
					{Name: "c", Protocol: "grpc", Endpoint: "c:4317"},
					{Name: "a", Protocol: "http", Endpoint: "http://a:4318"},
					{Name: "b", Protocol: "grpc", Endpoint: "b:4317"},
				},
			})
		}},
		"of Jaeger": {func() (any, error) {
			return tracing.RenderJaeger(tracing.JaegerSpec{Storage: tracing.StorageMemory})
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, err := test.render()
			require.NoError(t, err)
			require.NotEmpty(t, first)
			for range 50 {
				again, err := test.render()
				require.NoError(t, err)
				require.Equal(t, first, again)
			}
		})
	}
}
