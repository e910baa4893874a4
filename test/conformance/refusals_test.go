package conformance

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// Every rule of the version table, violated once: what is rendered for one release,
// or changed by hand, must be refused by a reader of another. A suite whose readers
// accept any input would fail here.

func TestKubeAPIServer_Refuses(t *testing.T) {
	file := func(k3s string) string {
		return render(t, k3s, distinctRates).files[tracing.FileAPIServerTracing]
	}
	cases := map[string]struct {
		by, file, gates, message string
	}{
		"v1 before 1.34": {
			by: "1.33.13", file: file("1.34"),
			message: `no kind "TracingConfiguration" is registered for version "apiserver.config.k8s.io/v1"`,
		},
		"v1beta1 before 1.27": {
			by: "1.26.3", file: file("1.27"), gates: "APIServerTracing=true",
			message: `no kind "TracingConfiguration" is registered for version "apiserver.config.k8s.io/v1beta1"`,
		},
		"a file without the feature gate before 1.27": {
			by: "1.26.3", file: file("1.26"),
			message: "APIServerTracing feature is not enabled",
		},
		"the feature gate from 1.37 on": {
			by: "1.37.1", file: file("1.37"), gates: "APIServerTracing=true",
			message: "unrecognized feature gate: APIServerTracing",
		},
		"a URL as endpoint": {
			by: "1.37.1", file: replaceOnce(t, file("1.37"), collectorGRPC, "http://"+collectorGRPC),
			message: "unsupported scheme",
		},
		"a rate above a million": {
			by: "1.37.1", file: replaceOnce(t, file("1.37"), "100001", "1000001"),
			message: "sampling rate per million must be less than or equal to one million",
		},
		"a field that does not exist": {
			by: "1.37.1", file: file("1.37") + "insecure: true\n",
			message: `unknown field "insecure"`,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := kubernetesReader(test.by).read(t, test.file, "apiserver", test.gates)
			require.ErrorIs(t, err, errRefused)
			assert.ErrorContains(t, err, test.message)
		})
	}
}

func TestKubelet_Refuses(t *testing.T) {
	file := func(k3s string) string { return render(t, k3s, distinctRates).files[tracing.FileKubelet] }
	cases := map[string]struct {
		by, file, message string
	}{
		"failCgroupV1 before 1.31": {
			by: "1.30.14", file: file("1.35"),
			message: `unknown field "failCgroupV1"`,
		},
		"a URL as endpoint": {
			by: "1.37.1", file: replaceOnce(t, file("1.37"), collectorGRPC, "http://"+collectorGRPC),
			message: "unsupported scheme",
		},
		"a rate above a million": {
			by: "1.25.4", file: replaceOnce(t, file("1.25"), "300003", "1000001"),
			message: "sampling rate per million must be less than or equal to one million",
		},
		"a kind that does not exist": {
			by: "1.37.1", file: replaceOnce(t, file("1.37"), "kind: KubeletConfiguration", "kind: KubeletConfig"),
			message: `no kind "KubeletConfig" is registered`,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := kubernetesReader(test.by).read(t, test.file, "kubelet")
			require.ErrorIs(t, err, errRefused)
			assert.ErrorContains(t, err, test.message)
		})
	}
}

func TestKubelet_RefusesTracingWithoutFeatureGate(t *testing.T) {
	_, err := kubeletReader("1.26.3").read(t, render(t, "1.27", distinctRates).files[tracing.FileKubelet])
	require.ErrorIs(t, err, errRefused)
	assert.ErrorContains(t, err, "tracing should not be configured if KubeletTracing feature flag is disabled")
}

func TestEtcd_Ignores(t *testing.T) {
	arguments := func(k3s string) []string { return render(t, k3s, distinctRates).k3sServer(t).Etcd }
	cases := map[string]struct {
		by, k3s string
		ignored []string
	}{
		"the stable names before 3.6": {
			by: "3.5.21", k3s: "v1.34.11+k3s1",
			ignored: []string{
				`"enable-distributed-tracing"`, `"distributed-tracing-address"`,
				`"distributed-tracing-service-name"`, `"distributed-tracing-sampling-rate"`,
			},
		},
		"the experimental names from 3.7 on": {
			by: "3.7.1", k3s: "v1.32.13+k3s1",
			ignored: []string{`"experimental-enable-distributed-tracing"`, `"experimental-distributed-tracing-address"`},
		},
		"a sampling rate before 3.5.11": {
			by: "3.5.9", k3s: "v1.30.14+k3s2",
			ignored: []string{`"experimental-distributed-tracing-sampling-rate"`},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := etcdReader(test.by).read(t, "", arguments(test.k3s)...)
			require.ErrorIs(t, err, errRefused)
			for _, argument := range test.ignored {
				assert.ErrorContains(t, err, "etcd ignores "+argument)
			}
		})
	}
}

func TestEtcd_RefusesRateAboveMaximum(t *testing.T) {
	_, err := etcdReader("3.7.1").read(t, "", "enable-distributed-tracing=true", "distributed-tracing-sampling-rate=1000001")
	require.ErrorIs(t, err, errRefused)
	assert.ErrorContains(t, err, "sampling rate")
}

func TestContainerd_Refuses(t *testing.T) {
	environment := render(t, "1.37", distinctRates).files[tracing.FileContainerd]
	cases := map[string]struct {
		environment, message string
	}{
		"no endpoint": {
			environment: replaceOnce(t, environment, "OTEL_EXPORTER_OTLP_ENDPOINT", "UNUSED"),
			message:     "skip plugin: tracing endpoint not configured",
		},
		"an unknown protocol": {
			environment: replaceOnce(t, environment, "http/protobuf", "http/json"),
			message:     `OpenTelemetry protocol "http/json"`,
		},
		"a disabled SDK": {
			environment: environment + "OTEL_SDK_DISABLED=true\n",
			message:     "skip plugin: tracing disabled",
		},
	}
	for line, reader := range containerdReaders {
		for name, test := range cases {
			t.Run(line+" "+name, func(t *testing.T) {
				_, err := reader.read(t, test.environment)
				require.ErrorIs(t, err, errRefused)
				assert.ErrorContains(t, err, test.message)
			})
		}
	}
}

// A bare host:port, which the published recipes use, is accepted and reaches no
// receiver.
func TestContainerd_EndpointWithoutScheme(t *testing.T) {
	files := render(t, "1.37", distinctRates)
	files.files[tracing.FileContainerd] = replaceOnce(t, files.files[tracing.FileContainerd],
		"http://"+tracing.CollectorAlias, tracing.CollectorAlias)
	for line, reader := range containerdReaders {
		t.Run(line, func(t *testing.T) {
			assert.NotEqual(t, []string{"http://" + tracing.CollectorAlias + ":4318/v1/traces"}, exportOf(t, reader, files).urls)
		})
	}
}

func TestK3d_Refuses(t *testing.T) {
	config := render(t, "1.37", distinctRates).k3d
	cases := map[string]struct {
		config, message string
	}{
		"a key that does not exist": {
			config:  config + "podSubnet: 10.0.0.0/8\n",
			message: "Additional property podSubnet is not allowed",
		},
		"a filter for a role without nodes": {
			config:  replaceOnce(t, config, "agents: 1", "agents: 0"),
			message: "failed to filter nodes",
		},
		"a name longer than 32 characters": {
			config:  replaceOnce(t, config, "name: conformance", "name: conformance-of-a-cluster-with-a-long-name"),
			message: "must be <= 32 characters",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			for _, reader := range k3dReaders {
				_, err := reader.read(t, test.config)
				require.ErrorIs(t, err, errRefused, reader.name())
				assert.ErrorContains(t, err, test.message, reader.name())
			}
		})
	}
}

func TestCollector_Refuses(t *testing.T) {
	config, err := tracing.RenderCollector(tracing.CollectorSpec{SamplingRate: 10_000, Debug: true})
	require.NoError(t, err)
	disk, err := tracing.RenderCollector(collectorSpecs["all features"])
	require.NoError(t, err)
	cases := map[string]struct {
		config, message string
	}{
		"a batch larger than its bound": {
			config:  replaceOnce(t, config, "min_size: 1024", "min_size: 4096"),
			message: "`max_size` (2048) must be greater or equal to `min_size` (4096)",
		},
		"a queue that holds no batch": {
			config:  replaceOnce(t, config, "queue_size: 100000", "queue_size: 1000"),
			message: "`min_size` must be less than or equal to `queue_size`",
		},
		"a key of the queues' storage that does not exist": {
			config:  replaceOnce(t, disk, "recreate:", "recreat:"),
			message: "recreat",
		},
		"a key of a tail sampling policy that does not exist": {
			config:  replaceOnce(t, disk, "threshold_ms:", "threshold:"),
			message: "threshold",
		},
		"a header from a variable that is spelled wrong": {
			config:  replaceOnce(t, config, "endpoint: jaeger:4317", "endpoint: ${envv:JAEGER}"),
			message: "envv",
		},
		"a key that does not exist": {
			config:  replaceOnce(t, config, "hash_seed", "hash_sead"),
			message: "hash_sead",
		},
		"the logging exporter, removed in 0.111": {
			config:  strings.ReplaceAll(config, "debug", "logging"),
			message: "use the debug exporter instead",
		},
		"an exporter that is not defined": {
			config:  replaceOnce(t, config, "- otlp_grpc/jaeger", "- otlp_grpc/elsewhere"),
			message: `"otlp_grpc/elsewhere"`,
		},
		"a memory limiter without an interval": {
			config:  replaceOnce(t, config, "check_interval: 1s", "check_interval: 0s"),
			message: "check_interval",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := collectorReader.read(t, test.config)
			require.ErrorIs(t, err, errRefused)
			assert.ErrorContains(t, err, test.message)
		})
	}
}
