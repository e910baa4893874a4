package stacks_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

const (
	endpointKey = "kubetracing:collector.exporters[0].endpoint"
	insecureKey = "kubetracing:collector.exporters[0].insecure"
)

func grpcExporter(t *testing.T, endpoint string) map[string]string {
	t.Helper()
	return exporter(t, map[string]any{"name": "vendor", "protocol": "grpc", "endpoint": endpoint, "insecure": true})
}

func httpExporter(t *testing.T, endpoint string) map[string]string {
	t.Helper()
	return exporter(t, map[string]any{"name": "vendor", "protocol": "http", "endpoint": endpoint})
}

// Inside the Collector's container, all of these are the Collector.
func TestExporter_LeadsBackToTheCollector(t *testing.T) {
	t.Parallel()

	hosts := []string{
		"localhost", "LOCALHOST", "localhost.", "Localhost.localdomain", "anything.localhost", "ip6-localhost", "ip6-loopback",
		"127.0.0.1", "127.1.2.3", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:0.0.0.0]", "[0:0:0:0:0:0:0:1]", "[::1%lo]",
		"otel-collector", "OTEL-Collector", "otel-collector.", "otel-collector.kubetracing-dev",
		"kubetracing-dev-collector", "kubetracing-dev-collector.kubetracing-dev", "10.112.4.3", "[::ffff:10.112.4.3]",
	}
	network := section("network", `{"subnet": "10.112.4.0/22"}`)
	for _, host := range hosts {
		for _, port := range []int{4317, 4318, 13133} {
			t.Run(fmt.Sprintf("grpc %s:%d", host, port), func(t *testing.T) {
				t.Parallel()
				endpoint := fmt.Sprintf("%s:%d", host, port)
				assert.Equal(t, []stacks.Problem{{
					endpointKey, endpoint, "leads back to the Collector itself, in whose container it is resolved; " +
						fmt.Sprintf("a receiver on the machine that runs Docker is host.docker.internal:%d", port),
				}}, problemsOf(t, merged(network, grpcExporter(t, endpoint))))
			})
		}
		if host == "[::1%lo]" {
			continue // a zone in a URL is written in another way
		}
		t.Run("http "+host, func(t *testing.T) {
			t.Parallel()
			endpoint := fmt.Sprintf("http://%s:4318/otlp", host)
			assert.Equal(t, []stacks.Problem{{
				endpointKey, endpoint, "leads back to the Collector itself, in whose container it is resolved; " +
					"a receiver on the machine that runs Docker is http://host.docker.internal:4318",
			}}, problemsOf(t, merged(network, httpExporter(t, endpoint))))
		})
	}
	assert.Equal(t, endpointKey, problemsOf(t, httpExporter(t, "http://localhost"))[0].Field, "without a port")
}

// Where the derived subnet is, the Collector's address is refused as well.
func TestExporter_LeadsBackToTheDerivedAddress(t *testing.T) {
	t.Parallel()

	stack, err := stacks.New("kubetracing", "dev", nil)
	require.NoError(t, err)
	problems := problemsOf(t, grpcExporter(t, stack.Subnet.Collector()+":4317"))
	require.Len(t, problems, 1)
	assert.Equal(t, endpointKey, problems[0].Field)
}

// On Docker Desktop, the host's own ports are reached from containers.
func TestExporter_LeadsBackThroughThePublishedPort(t *testing.T) {
	t.Parallel()

	for _, host := range []string{"host.docker.internal", "Host.Docker.Internal.", "gateway.docker.internal", "10.112.4.1"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			config := map[string]string{
				"kubetracing:network": `{"subnet": "10.112.4.0/22"}`,
				"kubetracing:collector": fmt.Sprintf(`{"otlpGrpcPort": 14317, "otlpHttpPort": 14318, "exporters": [
					{"name": "a", "protocol": "grpc", "endpoint": "%[1]s:14317"},
					{"name": "b", "protocol": "http", "endpoint": "http://%[1]s:14318"},
					{"name": "c", "protocol": "grpc", "endpoint": "%[1]s:4317"}]}`, host),
			}
			rule := "leads back to the Collector itself: the port is that of kubetracing:collector."
			assert.Equal(t, []stacks.Problem{
				{endpointKey, host + ":14317", rule + "otlpGrpcPort"},
				{"kubetracing:collector.exporters[1].endpoint", "http://" + host + ":14318", rule + "otlpHttpPort"},
			}, problemsOf(t, config))
		})
	}
}

func TestExporter_OtherDestinations(t *testing.T) {
	t.Parallel()

	for _, endpoint := range []string{
		"host.docker.internal:4317", "tempo:4317", "collector:4317", "otel-collector.example:4317", "192.0.2.7:4317", "[2001:db8::1]:4317",
	} {
		settingsOf(t, grpcExporter(t, endpoint))
	}
	for _, endpoint := range []string{
		"http://host.docker.internal:4318", "https://otlp.test", "HTTPS://otlp.test/otlp/", "https://otlp.test/v1/tracesets",
		"https://otlp.test/@team/otlp",
	} {
		settingsOf(t, httpExporter(t, endpoint))
	}
}

func TestExporter_SignalPath(t *testing.T) {
	t.Parallel()

	for endpoint, instead := range map[string]string{
		"https://otlp.test/v1/traces":        "https://otlp.test",
		"https://otlp.test/v1/traces/":       "https://otlp.test",
		"https://otlp.test/v1/traces//":      "https://otlp.test",
		"https://otlp.test/V1/Traces":        "https://otlp.test",
		"https://otlp.test/otlp/v1%2Ftraces": "https://otlp.test/otlp",
		"http://tempo:4318/otlp//v1/traces":  "http://tempo:4318/otlp",
		"https://otlp.test/v1/logs":          "https://otlp.test",
	} {
		t.Run(endpoint, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, []stacks.Problem{{
				endpointKey, endpoint, "must not end in /v1/traces, which the Collector appends: write " + instead,
			}}, problemsOf(t, httpExporter(t, endpoint)))
		})
	}
	for _, endpoint := range []string{
		"https://otlp.test/v1/traces?key=hunter2", "https://otlp.test?key=hunter2", "https://otlp.test/?", "https://otlp.test/#hunter2",
	} {
		t.Run(endpoint, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, []stacks.Problem{{
				Field: endpointKey,
				Rule:  "must not have a query or a fragment: the Collector appends /v1/traces to it; send keys in headers",
			}}, problemsOf(t, httpExporter(t, endpoint)))
		})
	}
}

func TestExporter_InsecureContradictsScheme(t *testing.T) {
	t.Parallel()

	for _, endpoint := range []string{"https://otlp.test", "HTTPS://otlp.test"} {
		assert.Equal(t, []stacks.Problem{{
			insecureKey, "true", "contradicts the https endpoint: remove it, or write http:// for no TLS",
		}}, problemsOf(t, exporter(t, map[string]any{
			"name": "vendor", "protocol": "http", "endpoint": endpoint, "insecure": true,
		})), endpoint)
	}
	settingsOf(t, exporter(t, map[string]any{
		"name": "vendor", "protocol": "http", "endpoint": "http://tempo:4318", "insecure": true,
	}))
}

// Some programs read these as 127.0.0.1, others look them up.
func TestExporter_NumericHost(t *testing.T) {
	t.Parallel()

	for _, host := range []string{"127.1", "2130706433", "0x7f000001", "0x7f.1", "127.0.0.1."} {
		assert.Equal(t, []stacks.Problem{{endpointKey, host + ":4317", ruleGRPC}}, problemsOf(t, grpcExporter(t, host+":4317")))
		assert.Equal(t, []stacks.Problem{{endpointKey, "http://" + host, ruleHTTP}}, problemsOf(t, httpExporter(t, "http://"+host)))
	}
}

// A URL with a password is refused without being printed, whatever else is wrong.
func TestCredentialsInURLs(t *testing.T) {
	t.Parallel()

	digest := "9d68969855fbf676cdb8ed758e420fb048d61f984f61de3e53eddfebe484d168"
	bundle := func(key, url string) map[string]string {
		return section("runtime", fmt.Sprintf(`{"runtimeClasses": ["crun"], %s}`, fmt.Sprintf(key, fmt.Sprintf(`{"url": %q, "sha256": %q}`, url, digest))))
	}
	header := "must not contain a user or a password: send them in a header, with " +
		"`pulumi config set --secret --path 'kubetracing:collector.exporters[0].headers.authorization'`"
	archive := "must not contain a user or a password, which plans and previews would show: " +
		"download the archive and give the folder with its files, or serve it without a password; its checksum is checked"
	image := "must be an image reference without user and password: Docker has those of `docker login`"
	tests := map[string]struct {
		config map[string]string
		want   stacks.Problem
	}{
		"an exporter's URL":              {httpExporter(t, "https://me:hunter2@otlp.test"), stacks.Problem{Field: endpointKey, Rule: header}},
		"an exporter's URL with a token": {httpExporter(t, "https://hunter2@otlp.test"), stacks.Problem{Field: endpointKey, Rule: header}},
		"an exporter's URL with a slash in the password": {
			httpExporter(t, "https://me:hunter2/3@otlp.test"), stacks.Problem{Field: endpointKey, Rule: header},
		},
		"an exporter's host": {grpcExporter(t, "me:hunter2@otlp.test:4317"), stacks.Problem{Field: endpointKey, Rule: header}},
		"a bundle": {
			bundle(`"bundle": %s`, "https://me:hunter2@mirror.test/c.tar.gz"),
			stacks.Problem{Field: "kubetracing:runtime.bundle.url", Rule: archive},
		},
		"a bundle's URL of another scheme": {
			bundle(`"bundle": %s`, "ftp://me:hunter2@mirror.test/c.tar.gz"),
			stacks.Problem{Field: "kubetracing:runtime.bundle.url", Rule: archive},
		},
		"an OCI runtime's bundle": {
			bundle(`"ociBundles": {"crun": %s}`, "https://me:hunter2@mirror.test/c.tar.gz"),
			stacks.Problem{Field: "kubetracing:runtime.ociBundles.crun.url", Rule: archive},
		},
		"a monitor": {
			crio36(`"monitor": {"version": "0.7.2", "url": "https://me:hunter2@mirror.test/c.tar.gz", "sha256": "` + digest + `"}`),
			stacks.Problem{Field: "kubetracing:runtime.monitor.url", Rule: archive},
		},
		"a bundle from two places": {
			section("runtime", `{"bundle": {"directory": "b", "url": "https://me:hunter2@mirror.test/c.tar.gz", "sha256": "`+digest+`"}}`),
			stacks.Problem{Field: "kubetracing:runtime.bundle", Rule: "must have either directory or url"},
		},
		"an image": {
			section("cluster", `{"image": "me:hunter2@mirror.test/k3s:v1.37.1-k3s1"}`), stacks.Problem{Field: "kubetracing:cluster.image", Rule: image},
		},
		"an image's URL with a digest": {
			section("collector", `{"image": "https://me:hunter2@mirror.test/c@sha256:`+digest+`"}`),
			stacks.Problem{Field: "kubetracing:collector.image", Rule: image},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := problemsOf(t, test.config)
			assert.Contains(t, problems, test.want)
			assert.NotContains(t, stacks.Problems(problems).Error(), "hunter2")
		})
	}
}
