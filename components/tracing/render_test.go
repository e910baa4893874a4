package tracing_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// nodeFiles renders a cluster and returns its files by name.
func nodeFiles(t *testing.T, spec tracing.ClusterSpec) map[string]string {
	t.Helper()
	rendered, err := tracing.RenderCluster(spec)
	require.NoError(t, err)
	files := map[string]string{}
	for _, file := range rendered.Node {
		files[file.Name] = file.Content
	}
	return files
}

// decoded reads rendered YAML.
func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var value map[string]any
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &value))
	return value
}

// 0 must be written out: left away it would mean another rate, and to the
// container runtime "follow the parent".
func TestRenderCluster_RateZero(t *testing.T) {
	t.Parallel()

	spec := single(t, "1.37")
	spec.Sampling = tracing.Sampling{}
	files := nodeFiles(t, spec)
	assert.Equal(t, `apiVersion: apiserver.config.k8s.io/v1
endpoint: otel-collector:4317
kind: TracingConfiguration
samplingRatePerMillion: 0
`, files["apiserver-tracing.yaml"])
	assert.Equal(t, map[string]any{"endpoint": "otel-collector:4317", "samplingRatePerMillion": 0.0},
		decoded(t, files["kubelet.yaml"])["tracing"])
	assert.Equal(t, `OTEL_EXPORTER_OTLP_ENDPOINT=http://otel-collector:4318
OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
OTEL_SERVICE_NAME=containerd
OTEL_TRACES_SAMPLER=always_off
`, files["containerd.env"])

	collector, err := tracing.RenderCollector(tracing.CollectorSpec{SamplingRate: 0})
	require.NoError(t, err)
	assert.Contains(t, collector, "\n    sampling_percentage: 0\n")
}

func TestRenderCluster_RateUnits(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		rate       int
		ratio      string
		percentage string
	}{
		"one in a million": {1, "0.000001", "0.0001"},
		"one in a hundred": {10_000, "0.01", "1"},
		"a third":          {333_333, "0.333333", "33.3333"},
		"all but one":      {999_999, "0.999999", "99.9999"},
		"all":              {1_000_000, "1", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := single(t, "1.37")
			spec.Sampling.Runtime = test.rate
			assert.True(t, strings.HasSuffix(nodeFiles(t, spec)["containerd.env"],
				"OTEL_TRACES_SAMPLER=parentbased_traceidratio\nOTEL_TRACES_SAMPLER_ARG="+test.ratio+"\n"),
				nodeFiles(t, spec)["containerd.env"])
			collector, err := tracing.RenderCollector(tracing.CollectorSpec{SamplingRate: test.rate})
			require.NoError(t, err)
			if test.percentage == "" {
				assert.NotContains(t, collector, "sampler", "nothing to choose from")
				return
			}
			assert.Contains(t, collector, "\n    sampling_percentage: "+test.percentage+"\n")
		})
	}
}

// Each rate reaches the file of its own component and no other.
func TestRenderCluster_RatePerComponent(t *testing.T) {
	t.Parallel()

	files := nodeFiles(t, several(t, "1.37"))
	assert.Contains(t, files["apiserver-tracing.yaml"], "samplingRatePerMillion: 1\n")
	assert.Contains(t, files["k3s-server.yaml"], "- distributed-tracing-sampling-rate=20\n")
	assert.Contains(t, files["kubelet.yaml"], "samplingRatePerMillion: 300\n")
	assert.Contains(t, files["containerd.env"], "OTEL_TRACES_SAMPLER_ARG=0.004\n")
}

// A name that this etcd does not know is ignored without a word.
func TestRenderCluster_EtcdArguments(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		version string
		want    []any
	}{
		"etcd 3.5.9 has no argument for the rate": {"1.28.10", []any{
			"experimental-enable-distributed-tracing=true",
			"experimental-distributed-tracing-address=otel-collector:4317",
			"experimental-distributed-tracing-service-name=etcd",
		}},
		"etcd 3.5.13 has a rate under its experimental name": {"1.28.11", []any{
			"experimental-enable-distributed-tracing=true",
			"experimental-distributed-tracing-address=otel-collector:4317",
			"experimental-distributed-tracing-service-name=etcd",
			"experimental-distributed-tracing-sampling-rate=20",
		}},
		"etcd 3.6 has plain names": {"1.33.11", []any{
			"enable-distributed-tracing=true",
			"distributed-tracing-address=otel-collector:4317",
			"distributed-tracing-service-name=etcd",
			"distributed-tracing-sampling-rate=20",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, decoded(t, nodeFiles(t, several(t, test.version))["k3s-server.yaml"])["etcd-arg"])
		})
	}
}

func TestRenderCluster_SingleEtcdMember(t *testing.T) {
	t.Parallel()
	arguments := func(spec tracing.ClusterSpec) any {
		return decoded(t, nodeFiles(t, spec)["k3s-server.yaml"])["etcd-arg"]
	}
	assert.Subset(t, arguments(single(t, "1.37")), []any{"heartbeat-interval=100", "election-timeout=1000"})
	assert.NotContains(t, arguments(several(t, "1.37")), "election-timeout=1000")
}

func TestRenderCluster_K3sServer(t *testing.T) {
	t.Parallel()

	const tracingFile = "tracing-config-file=/etc/kubetracing/apiserver-tracing.yaml"
	tests := map[string]struct {
		version string
		want    []any
	}{
		"1.25 needs the gate and an empty egress selector": {
			"1.25", []any{tracingFile, "feature-gates=APIServerTracing=true", "egress-selector-config-file="},
		},
		"1.26 needs the gate": {
			"1.26", []any{tracingFile, "feature-gates=APIServerTracing=true"},
		},
		"1.27 has tracing on by default":           {"1.27", []any{tracingFile}},
		"1.37 would not start with the gate named": {"1.37", []any{tracingFile}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := decoded(t, nodeFiles(t, single(t, test.version))["k3s-server.yaml"])
			assert.Equal(t, test.want, config["kube-apiserver-arg"])
			assert.Equal(t, []any{"config=/etc/kubetracing/kubelet.yaml"}, config["kubelet-arg"])
			assert.Equal(t, []any{"metrics-server", "servicelb", "traefik"}, config["disable"])
		})
	}
}

func TestRenderCluster_Kubelet(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		version string
		want    map[string]any
	}{
		"1.26 needs the gate":                             {"1.26", map[string]any{"featureGates": map[string]any{"KubeletTracing": true}}},
		"1.27 needs nothing":                              {"1.27", map[string]any{}},
		"1.34 needs nothing":                              {"1.34", map[string]any{}},
		"1.35 must be allowed to run on a cgroup v1 host": {"1.35", map[string]any{"failCgroupV1": false}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := map[string]any{
				"apiVersion": "kubelet.config.k8s.io/v1beta1",
				"kind":       "KubeletConfiguration",
				"tracing":    map[string]any{"endpoint": "otel-collector:4317", "samplingRatePerMillion": 1e6},
			}
			maps.Copy(want, test.want)
			assert.Equal(t, want, decoded(t, nodeFiles(t, single(t, test.version))["kubelet.yaml"]))
		})
	}
}

// kine emits no spans, so that etcd's rate decides between the two.
func TestClusterSpec_EmbeddedEtcd(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		servers, rate int
		embedded      bool
		clusterInit   bool
	}{
		"one server with etcd off has kine":          {1, 0, false, false},
		"one server with the lowest rate has etcd":   {1, 1, true, true},
		"three servers need etcd, whatever its rate": {3, 0, true, false},
		"k3d initializes three servers by itself":    {3, 1, true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := single(t, "1.37")
			spec.Servers, spec.Sampling.Etcd = test.servers, test.rate
			rendered, err := tracing.RenderCluster(spec)
			require.NoError(t, err)
			assert.Equal(t, test.embedded, spec.EmbeddedEtcd())
			// Off is off: some etcd versions would sample everything once tracing is on.
			assert.Equal(t, test.rate > 0, strings.Contains(nodeFiles(t, spec)["k3s-server.yaml"], "etcd-arg:"))
			assert.Equal(t, test.clusterInit, strings.Contains(rendered.K3d, "arg: --cluster-init"))
			assert.Equal(t, test.servers == 1, strings.Contains(rendered.K3d, "disableLoadbalancer: true"))
		})
	}
}

func TestClusterSpec_Nodes(t *testing.T) {
	t.Parallel()

	assert.Equal(t, []tracing.Node{
		{Container: "k3d-kubetracing-dev-server-0", Filter: "server:0", Address: "10.120.152.16"},
	}, single(t, "1.37").Nodes())
	assert.Equal(t, []tracing.Node{
		{Container: "k3d-kubetracing-dev-server-0", Filter: "server:0", Address: "10.120.152.16"},
		{Container: "k3d-kubetracing-dev-server-1", Filter: "server:1", Address: "10.120.152.17"},
		{Container: "k3d-kubetracing-dev-server-2", Filter: "server:2", Address: "10.120.152.18"},
		{Container: "k3d-kubetracing-dev-agent-0", Filter: "agent:0", Address: "10.120.152.19"},
		{Container: "k3d-kubetracing-dev-agent-1", Filter: "agent:1", Address: "10.120.152.20"},
	}, several(t, "1.37").Nodes())
}

// Spans of one process are told apart from those of another node by its
// resource, so every node has exactly one such variable.
func TestRenderCluster_NodeEnvironment(t *testing.T) {
	t.Parallel()

	rendered, err := tracing.RenderCluster(several(t, "1.37"))
	require.NoError(t, err)
	variable := func(value string, filters ...any) map[string]any {
		return map[string]any{"envVar": value, "nodeFilters": filters}
	}
	attributes := func(node, filter string) map[string]any {
		return variable("OTEL_RESOURCE_ATTRIBUTES=k8s.cluster.name=kubetracing-dev,k8s.node.name=k3d-kubetracing-dev-"+node, filter)
	}
	assert.Equal(t, []any{
		variable("K3S_CONFIG_FILE=/etc/kubetracing/k3s-server.yaml", "server:*"),
		variable("K3S_CONFIG_FILE=/etc/kubetracing/k3s-agent.yaml", "agent:*"),
		variable("OTEL_BSP_SCHEDULE_DELAY=1000", "server:*", "agent:*"),
		variable("KUBETRACING_NODE_ADDRESS=10.120.152.16", "server:0"),
		attributes("server-0", "server:0"),
		variable("KUBETRACING_NODE_ADDRESS=10.120.152.17", "server:1"),
		attributes("server-1", "server:1"),
		variable("KUBETRACING_NODE_ADDRESS=10.120.152.18", "server:2"),
		attributes("server-2", "server:2"),
		variable("KUBETRACING_NODE_ADDRESS=10.120.152.19", "agent:0"),
		attributes("agent-0", "agent:0"),
		variable("KUBETRACING_NODE_ADDRESS=10.120.152.20", "agent:1"),
		attributes("agent-1", "agent:1"),
	}, decoded(t, rendered.K3d)["env"])
}

// k3d refuses a filter for a role that the cluster does not have.
func TestRenderCluster_NoAgents(t *testing.T) {
	t.Parallel()

	rendered, err := tracing.RenderCluster(single(t, "1.37"))
	require.NoError(t, err)
	assert.NotContains(t, rendered.K3d, "agent:")
	assert.Contains(t, rendered.K3d, "agents: 0\n")
	assert.NotContains(t, nodeFiles(t, single(t, "1.37")), "k3s-agent.yaml")

	rendered, err = tracing.RenderCluster(several(t, "1.37"))
	require.NoError(t, err)
	config, everyNode := decoded(t, rendered.K3d), []any{"server:*", "agent:*"}
	assert.Equal(t, []any{
		map[string]any{"volume": "kubetracing-dev-tracing:/etc/kubetracing:ro", "nodeFilters": everyNode},
	}, config["volumes"])
	assert.Equal(t, map[string]any{"labels": []any{
		map[string]any{"label": "kubetracing.stack=kubetracing/dev", "nodeFilters": everyNode},
	}}, config["options"].(map[string]any)["runtime"])
	assert.Equal(t, "kubelet-arg:\n- config=/etc/kubetracing/kubelet.yaml\n",
		nodeFiles(t, several(t, "1.37"))["k3s-agent.yaml"], "an agent has no argument of a server")
}

// k3d expands variables in its configuration with the environment of its
// process, without a word about those that are not set.
func TestRenderCluster_DollarInK3dConfiguration(t *testing.T) {
	t.Parallel()

	tests := map[string]func(*tracing.ClusterSpec){
		"in the name":          func(s *tracing.ClusterSpec) { s.Name += "$HOME" },
		"in the node image":    func(s *tracing.ClusterSpec) { s.NodeImage += "$HOME" },
		"in the network":       func(s *tracing.ClusterSpec) { s.Network += "${HOME}" },
		"in the volume":        func(s *tracing.ClusterSpec) { s.ConfigVolume += "$" },
		"in the owner's label": func(s *tracing.ClusterSpec) { s.OwnerLabel += "$$" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := single(t, "1.37")
			spec.Name = "lab"
			change(&spec)
			rendered, err := tracing.RenderCluster(spec)
			require.EqualError(t, err, `render k3d configuration of cluster "`+spec.Name+`": `+
				"the k3d configuration must not contain '$': k3d expands it as an environment variable")
			assert.Equal(t, tracing.ClusterFiles{}, rendered)
		})
	}
}

func TestRenderCollector_ExtraExporters(t *testing.T) {
	t.Parallel()

	rendered, err := tracing.RenderCollector(tracing.CollectorSpec{
		SamplingRate: tracing.SamplingRateMax,
		Debug:        true,
		Exporters: []tracing.OTLPExporter{
			{Name: "vendor", Protocol: "http", Endpoint: "https://otlp.test/v1"},
			{Name: "tempo", Protocol: "grpc", Endpoint: "tempo:4317", Insecure: true},
			{Name: "secret", Protocol: "grpc", Endpoint: "secret.test:4317", SecretEndpoint: true},
		},
	})
	require.NoError(t, err)
	assert.NotContains(t, rendered, "secret.test")
	config := decoded(t, rendered)
	exporters := config["exporters"].(map[string]any)
	for name, want := range map[string]struct {
		exporter map[string]any
		blocks   bool
		spans    int
	}{
		"otlp_grpc/jaeger": {
			map[string]any{"endpoint": "jaeger:4317", "tls": map[string]any{"insecure": true}, "compression": "none"}, true, 100_000,
		},
		"otlp_http/vendor": {map[string]any{"endpoint": "https://otlp.test/v1", "tls": map[string]any{"insecure": false}}, false, 33_333},
		"otlp_grpc/tempo":  {map[string]any{"endpoint": "tempo:4317", "tls": map[string]any{"insecure": true}}, false, 33_333},
		"otlp_grpc/secret": {map[string]any{"endpoint": "${env:OTLP_ENDPOINT_SECRET}", "tls": map[string]any{"insecure": false}}, false, 33_333},
	} {
		exporter := exporters[name].(map[string]any)
		queue := exporter["sending_queue"].(map[string]any)
		assert.Equal(t, want.blocks, queue["block_on_overflow"], name)
		assert.EqualValues(t, want.spans, queue["queue_size"], "%s: the extra queues share the memory of one", name)
		if !want.blocks {
			assert.Equal(t, "300s", exporter["retry_on_failure"].(map[string]any)["max_elapsed_time"], name)
		}
		delete(exporter, "sending_queue")
		delete(exporter, "retry_on_failure")
		assert.Equal(t, want.exporter, exporter, name)
	}
	assert.Equal(t, map[string]any{"verbosity": "detailed"}, exporters["debug"])
	assert.Len(t, exporters, 5)
	assert.Equal(t, map[string]any{
		"traces": map[string]any{
			"receivers":  []any{"otlp"},
			"processors": []any{"memory_limiter"},
			"exporters":  []any{"otlp_grpc/jaeger", "forward/extras", "debug"},
		},
		"traces/extras": map[string]any{
			"receivers":  []any{"forward/extras"},
			"processors": []any{"batch/extras"},
			"exporters":  []any{"otlp_http/vendor", "otlp_grpc/tempo", "otlp_grpc/secret"},
		},
	}, config["service"].(map[string]any)["pipelines"])
}

// A component that is configured and used nowhere, or used and configured
// nowhere, is how a pipeline silently loses spans.
func TestRender_PipelinesUseEveryComponent(t *testing.T) {
	t.Parallel()

	render := func(text string, err error) map[string]any {
		require.NoError(t, err)
		return decoded(t, text)
	}
	tests := map[string]map[string]any{
		"the default Collector": render(tracing.RenderCollector(tracing.CollectorSpec{})),
		"a Collector with more destinations": render(tracing.RenderCollector(tracing.CollectorSpec{
			Debug: true, Exporters: []tracing.OTLPExporter{{Name: "a", Protocol: "grpc", Endpoint: "a:1"}},
		})),
		"a Collector with queues on disk and tail sampling": render(tracing.RenderCollector(tracing.CollectorSpec{
			DiskQueue: true, TailSampling: &tracing.TailSampling{},
		})),
		"Jaeger": render(tracing.RenderJaeger(tracing.JaegerSpec{Storage: tracing.StorageMemory})),
	}
	names := func(section any) []any {
		var keys []any
		components, _ := section.(map[string]any) // a section may be left out
		for key := range components {
			keys = append(keys, key)
		}
		return keys
	}
	for name, config := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := config["service"].(map[string]any)
			used := map[string][]any{}
			for _, pipeline := range service["pipelines"].(map[string]any) {
				for kind, components := range pipeline.(map[string]any) {
					used[kind] = append(used[kind], components.([]any)...)
				}
			}
			assert.ElementsMatch(t, names(config["extensions"]), service["extensions"])
			assert.ElementsMatch(t, names(config["processors"]), used["processors"])
			// A connector is an exporter of one pipeline and a receiver of another.
			connectors := names(config["connectors"])
			assert.ElementsMatch(t, append(names(config["receivers"]), connectors...), used["receivers"])
			assert.ElementsMatch(t, append(names(config["exporters"]), connectors...), used["exporters"])
		})
	}
}

// A batch processor before either store, a queue in Jaeger, or a queue that drops when
// it is full would acknowledge spans that may still get lost on their way to Jaeger.
func TestRenderCollector_DiskQueueAcknowledgesStoredSpans(t *testing.T) {
	t.Parallel()

	collector, err := tracing.RenderCollector(tracing.CollectorSpec{DiskQueue: true, Exporters: []tracing.OTLPExporter{
		{Name: "more", Protocol: "http", Endpoint: "http://more:4318"},
	}})
	require.NoError(t, err)
	config := decoded(t, collector)
	traces := config["service"].(map[string]any)["pipelines"].(map[string]any)["traces"].(map[string]any)
	assert.Equal(t, []any{"memory_limiter", "probabilistic_sampler"}, traces["processors"])
	for name, exporter := range config["exporters"].(map[string]any) {
		queue := exporter.(map[string]any)["sending_queue"].(map[string]any)
		assert.Equal(t, "file_storage/queues", queue["storage"], name)
		assert.Equal(t, name == "otlp_grpc/jaeger", queue["block_on_overflow"], name)
		assert.Equal(t, "0s", exporter.(map[string]any)["retry_on_failure"].(map[string]any)["max_elapsed_time"],
			"%s: 0 is no deadline", name)
	}
	jaeger, err := tracing.RenderJaeger(tracing.JaegerSpec{Storage: tracing.StorageBadger, Retention: "1h0m0s"})
	require.NoError(t, err)
	config = decoded(t, jaeger)
	assert.NotContains(t, config, "processors")
	assert.Equal(t, map[string]any{"jaeger_storage_exporter": map[string]any{"trace_storage": "traces"}}, config["exporters"])
}

// Two exporters' headers must never share a variable.
func TestOTLPExporter_HeaderVariable(t *testing.T) {
	t.Parallel()

	assert.Equal(t, "OTLP_HEADER_VENDOR_EU__X_TENANT", tracing.OTLPExporter{Name: "vendor-eu"}.HeaderVariable("x-tenant"))
	assert.NotEqual(t,
		tracing.OTLPExporter{Name: "vendor-eu"}.HeaderVariable("x-tenant"),
		tracing.OTLPExporter{Name: "vendor"}.HeaderVariable("eu-x-tenant"),
	)
}
