package stacks_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

const (
	ruleRate      = "must be an integer from 0 to 1000000 (spans per million)"
	rulePort      = "must be a port from 1 to 65535"
	ruleSupported = "is not supported; supported: 1.25 to 1.37"
	ruleSHA256    = "must be the 64 lower case hexadecimal digits of the archive's SHA-256"
	ruleGRPC      = "must be host:port for protocol grpc"
	ruleHTTP      = "must be an http or https URL for protocol http"
	withConmonRs  = "1.28.4, 1.29.2, 1.30.13, 1.31.13, 1.32.13, 1.33.12, 1.34.11, 1.35.6, 1.36.3"
	ruleMonitor   = "must be a CRI-O release with a published checksum: " + withConmonRs
	ruleYouki     = "is in no official bundle: give runtime.ociBundles.youki or, with crio, a runtime.bundle that has bin/youki"
	ruleCollector = "needs a Collector, but collector.enabled is false"
	ruleTimeout   = "must be above 0 and at most 1h0m0s"
	ruleImage     = "must be an image reference: invalid reference format"
)

func TestNew_Invalid(t *testing.T) {
	t.Parallel()

	exporters := func(list string) map[string]string { return section("collector", `{"exporters": [`+list+`]}`) }
	tests := map[string]struct {
		config map[string]string
		want   []stacks.Problem
	}{
		"a rate below 0": {
			config: section("sampling", `{"kubelet": -1}`),
			want:   []stacks.Problem{{"kubetracing:sampling.kubelet", "-1", ruleRate}},
		},
		"a rate above one million": {
			config: section("sampling", `{"etcd": 1000001}`),
			want:   []stacks.Problem{{"kubetracing:sampling.etcd", "1000001", ruleRate}},
		},
		"an invalid subnet": {
			config: section("network", `{"subnet": "10.112.4.7/22"}`),
			want:   []stacks.Problem{{"kubetracing:network.subnet", "10.112.4.7/22", "must begin with its first address: 10.112.4.0/22"}},
		},
		"a subnet without room for the nodes": {
			config: map[string]string{
				"kubetracing:network": `{"subnet": "192.0.2.0/26"}`,
				"kubetracing:cluster": `{"servers": 3, "agents": 14}`,
			},
			want: []stacks.Problem{{"kubetracing:network.subnet", "192.0.2.0/26", "has room for 16 nodes, but there are 17"}},
		},
		"each of the five rates": {
			config: section("sampling", `{"apiserver": -1, "etcd": -2, "kubelet": -3, "runtime": -4, "collector": -5}`),
			want: []stacks.Problem{
				{"kubetracing:sampling.apiserver", "-1", ruleRate},
				{"kubetracing:sampling.etcd", "-2", ruleRate},
				{"kubetracing:sampling.kubelet", "-3", ruleRate},
				{"kubetracing:sampling.runtime", "-4", ruleRate},
				{"kubetracing:sampling.collector", "-5", ruleRate},
			},
		},

		"a share of etcd's requests where etcd cannot sample": {
			config: map[string]string{
				"kubetracing:cluster":  `{"kubernetes": "v1.28.10+k3s1"}`,
				"kubetracing:sampling": `{"etcd": 10}`,
			},
			want: []stacks.Problem{{
				"kubetracing:sampling.etcd", "10", "must be 0 or 1000000 with v1.28.10+k3s1: its etcd 3.5.9 has no sampling rate",
			}},
		},
		"a checksum for a directory": {
			config: section("runtime", `{"bundle": {"directory": "containerd", "sha256": "00"}}`),
			want:   []stacks.Problem{{"kubetracing:runtime.bundle.sha256", "00", "is only valid together with url: a directory is not checked"}},
		},
		"a URL of another scheme for HTTP": {
			config: exporters(`{"name": "tempo", "protocol": "http", "endpoint": "ftp://tempo"}`),
			want: []stacks.Problem{{
				"kubetracing:collector.exporters[0].endpoint", "ftp://tempo", "must be an http or https URL for protocol http",
			}},
		},
		"a port without a host for gRPC": {
			config: exporters(`{"name": "tempo", "protocol": "grpc", "endpoint": ":4317"}`),
			want: []stacks.Problem{{
				"kubetracing:collector.exporters[0].endpoint", ":4317", "must be host:port for protocol grpc",
			}},
		},
		"an endpoint that the Collector would expand": {
			config: exporters(`{"name": "tempo", "protocol": "grpc", "endpoint": "$HOST:4317"}`),
			want: []stacks.Problem{{
				"kubetracing:collector.exporters[0].endpoint", "$HOST:4317", "must not contain '$': the Collector would expand it",
			}},
		},

		"port 0 of the API": {
			config: section("cluster", `{"apiPort": 0}`),
			want:   []stacks.Problem{{"kubetracing:cluster.apiPort", "0", rulePort}},
		},
		"a port above 65535 of the UI": {
			config: section("jaeger", `{"uiPort": 65536}`),
			want:   []stacks.Problem{{"kubetracing:jaeger.uiPort", "65536", rulePort}},
		},
		"port 0 of the OTLP receivers, which are unpublished by absence": {
			config: section("collector", `{"otlpGrpcPort": 0, "otlpHttpPort": 0}`),
			want: []stacks.Problem{
				{"kubetracing:collector.otlpGrpcPort", "0", rulePort},
				{"kubetracing:collector.otlpHttpPort", "0", rulePort},
			},
		},
		"one port for API and UI": {
			config: merged(section("cluster", `{"apiPort": 7000}`), section("jaeger", `{"uiPort": 7000}`)),
			want: []stacks.Problem{
				{"kubetracing:jaeger.uiPort", "7000", "is already the port of kubetracing:cluster.apiPort"},
			},
		},
		"one port for both OTLP receivers": {
			config: section("collector", `{"otlpGrpcPort": 4317, "otlpHttpPort": 4317}`),
			want: []stacks.Problem{
				{"kubetracing:collector.otlpHttpPort", "4317", "is already the port of kubetracing:collector.otlpGrpcPort"},
			},
		},
		"a receiver on the default port of another key": {
			config: section("collector", `{"otlpGrpcPort": 16686, "otlpHttpPort": 6550}`),
			want: []stacks.Problem{
				{"kubetracing:collector.otlpGrpcPort", "16686", "is already the port of kubetracing:jaeger.uiPort"},
				{"kubetracing:collector.otlpHttpPort", "6550", "is already the port of kubetracing:cluster.apiPort"},
			},
		},

		"a Kubernetes below the supported range": {
			config: section("cluster", `{"kubernetes": "1.24"}`),
			want:   []stacks.Problem{{"kubetracing:cluster.kubernetes", "1.24", ruleSupported}},
		},
		"a Kubernetes above the supported range": {
			config: section("cluster", `{"kubernetes": "1.99"}`),
			want:   []stacks.Problem{{"kubetracing:cluster.kubernetes", "1.99", ruleSupported}},
		},
		"another major version of Kubernetes": {
			config: section("cluster", `{"kubernetes": "2.30"}`),
			want:   []stacks.Problem{{"kubetracing:cluster.kubernetes", "2.30", ruleSupported}},
		},
		"an unquoted 2.0": {
			config: section("cluster", `{"kubernetes": 2.0}`),
			want:   []stacks.Problem{{"kubetracing:cluster.kubernetes", "2.0", ruleSupported}},
		},
		"a Kubernetes by name": {
			config: section("cluster", `{"kubernetes": "latest"}`),
			want: []stacks.Problem{{
				"kubetracing:cluster.kubernetes", "latest", "must be a minor (as 1.37) or a k3s release (as v1.37.1+k3s1)",
			}},
		},
		"an unquoted 1.30, with what happened to it": {
			config: section("cluster", `{"kubernetes": 1.3}`),
			want: []stacks.Problem{{
				"kubetracing:cluster.kubernetes", "1.3",
				ruleSupported + ` (YAML reads an unquoted 1.30 as 1.3: write "1.30")`,
			}},
		},
		"a cluster without servers": {
			config: section("cluster", `{"servers": 0}`),
			want:   []stacks.Problem{{"kubetracing:cluster.servers", "0", "must be at least 1"}},
		},
		"a negative number of agents": {
			config: section("cluster", `{"agents": -1}`),
			want:   []stacks.Problem{{"kubetracing:cluster.agents", "-1", "must be at least 0"}},
		},

		"an unknown runtime": {
			config: section("runtime", `{"name": "docker"}`),
			want:   []stacks.Problem{{"kubetracing:runtime.name", "docker", "must be one of: containerd, crio"}},
		},
		"an unknown OCI runtime": {
			config: section("runtime", `{"oci": "kata"}`),
			want:   []stacks.Problem{{"kubetracing:runtime.oci", "kata", "must be one of: runc, crun, youki"}},
		},
		"an unknown storage": {
			config: section("jaeger", `{"storage": "cassandra"}`),
			want:   []stacks.Problem{{"kubetracing:jaeger.storage", "cassandra", "must be one of: memory, badger, opensearch, elasticsearch"}},
		},
		"an unknown workload": {
			config: section("workloads", `["echo", "ping"]`),
			want:   []stacks.Problem{{"kubetracing:workloads[1]", "ping", "must be one of: echo, crashloop, imagepull, churn, traced-app, traced-operator"}},
		},
		"a workload that is listed twice": {
			config: section("workloads", `["echo", "echo"]`),
			want:   []stacks.Problem{{"kubetracing:workloads[1]", "echo", "is listed twice"}},
		},

		"a RuntimeClass that is listed twice, and one that does not exist": {
			config: section("runtime", `{"runtimeClasses": ["crun", "kata", "crun"]}`),
			want: []stacks.Problem{
				{"kubetracing:runtime.runtimeClasses[1]", "kata", "must be one of: runc, crun, youki"},
				{"kubetracing:runtime.runtimeClasses[2]", "crun", "is listed twice"},
			},
		},
		"CRI-O for a Kubernetes that has no official bundle": {
			config: section("runtime", `{"name": "crio"}`),
			want: []stacks.Problem{{
				"kubetracing:runtime.name", "crio",
				"has no official bundle with a published checksum for Kubernetes 1.37: " +
					"give runtime.bundle and runtime.version, or choose a Kubernetes from 1.25 to 1.36",
			}},
		},
		"a bundle of an unknown CRI-O": {
			config: section("runtime", `{"name": "crio", "bundle": {"directory": "bundle"}}`),
			want: []stacks.Problem{{
				"kubetracing:runtime.version", `""`,
				"must say which CRI-O release runtime.bundle holds: none is known for Kubernetes 1.37",
			}},
		},
		"a release that CRI-O does not have": {
			config: merged(section("cluster", `{"kubernetes": "1.36"}`),
				section("runtime", `{"name": "crio", "bundle": {"directory": "bundle"}, "version": "v1.36"}`)),
			want: []stacks.Problem{{"kubetracing:runtime.version", "v1.36", "must be a CRI-O release from 1.25 on, as 1.34.0"}},
		},
		"another release of the official bundle": {
			config: merged(section("cluster", `{"kubernetes": "1.36"}`), section("runtime", `{"name": "crio", "version": "1.36.0"}`)),
			want: []stacks.Problem{{
				"kubetracing:runtime.version", "1.36.0",
				"is only valid together with runtime.bundle: it says which CRI-O release the bundle holds",
			}},
		},
		"a release of CRI-O for containerd": {
			config: section("runtime", `{"version": "1.36.0"}`),
			want: []stacks.Problem{{
				"kubetracing:runtime.version", "1.36.0",
				"is only valid with runtime.name crio: the release of containerd follows from that of Kubernetes",
			}},
		},
		"a conmon-rs for containerd": {
			config: section("runtime", `{"monitor": {"crio": "1.31.13"}}`),
			want: []stacks.Problem{{
				"kubetracing:runtime.monitor", `""`,
				"is only valid with runtime.name crio: containerd has no monitor of its own",
			}},
		},
		"a conmon-rs from a bundle without a published checksum": {
			config: crio36(`"monitor": {"crio": "1.31.1"}`),
			want:   []stacks.Problem{{"kubetracing:runtime.monitor.crio", "1.31.1", ruleMonitor}},
		},
		"a conmon-rs from a bundle that has none": {
			config: crio36(`"monitor": {"crio": "1.27.4"}`),
			want: []stacks.Problem{{
				"kubetracing:runtime.monitor.crio", "1.27.4",
				"has no conmon-rs; these have: " + withConmonRs,
			}},
		},
		"a conmon-rs from two places": {
			config: crio36(`"monitor": {"crio": "1.31.13", "version": "0.7.2"}`),
			want: []stacks.Problem{{
				"kubetracing:runtime.monitor", `crio "1.31.13", url "", version "0.7.2"`,
				"must have either crio, or version with url and sha256, or version alone",
			}},
		},
		"a conmon-rs of an unknown release, from a URL without a checksum": {
			config: crio36(`"monitor": {"url": "https://mirror.test/c.tar.gz"}`),
			want: []stacks.Problem{
				{"kubetracing:runtime.monitor.version", `""`, "must be the conmon-rs release, as 0.7.2"},
				{"kubetracing:runtime.monitor.sha256", `""`, ruleSHA256},
			},
		},
		"a conmon-rs from nowhere": {
			config: crio36(`"monitor": {"version": "0.7.2", "sha256": "00"}`),
			want: []stacks.Problem{
				{"kubetracing:runtime.monitor.sha256", "00", "is only valid together with url"},
			},
		},
		"a release of conmon-rs that nothing brings": {
			config: crio36(`"monitor": {"version": "0.7.2"}`),
			want: []stacks.Problem{{
				"kubetracing:runtime.monitor.url", `""`,
				"must be given with version, unless runtime.bundle holds that conmon-rs",
			}},
		},
		"a conmon-rs that is too new for CRI-O": {
			config: crio36(`"bundle": {"directory": "bundle"}, "monitor": {"version": "1.0.1"}`),
			want: []stacks.Problem{{
				"kubetracing:runtime.monitor.version", "1.0.1",
				"must be below 1.0.0: CRI-O before 1.37 passes arguments that conmon-rs 1.0 does not know",
			}},
		},
		"youki where no bundle has it": {
			config: merged(section("cluster", `{"kubernetes": "1.36"}`),
				section("runtime", `{"name": "crio", "oci": "youki", "runtimeClasses": ["runc", "youki"]}`)),
			want: []stacks.Problem{
				{"kubetracing:runtime.oci", "youki", ruleYouki},
				{"kubetracing:runtime.runtimeClasses[1]", "youki", ruleYouki},
			},
		},
		"youki from a bundle of containerd": {
			config: section("runtime", `{"oci": "youki", "bundle": {"directory": "bundle"}}`),
			want:   []stacks.Problem{{"kubetracing:runtime.oci", "youki", ruleYouki}},
		},
		"bundles of OCI runtimes that are malformed, or of no use": {
			config: section("runtime", `{"runtimeClasses": ["youki"], "ociBundles": {
				"crun": {"directory": "oci"}, "youki": {"url": "youki.tar.gz", "sha256": "0"}}}`),
			want: []stacks.Problem{
				{"kubetracing:runtime.ociBundles.crun", "crun", "is not used: neither runtime.oci nor runtime.runtimeClasses names it"},
				{"kubetracing:runtime.ociBundles.youki.url", "youki.tar.gz", "must be an http or https URL"},
				{"kubetracing:runtime.ociBundles.youki.sha256", "0", ruleSHA256},
			},
		},
		"bundles from two directories": {
			config: section("runtime", `{"oci": "crun", "bundle": {"directory": "one"}, "ociBundles": {"crun": {"directory": "two"}}}`),
			want: []stacks.Problem{{
				"kubetracing:runtime.ociBundles.crun.directory", "two",
				"must be that of kubetracing:runtime.bundle (one): an image is built from one directory, so put all binaries into its bin",
			}},
		},

		"a node image with a space": {
			config: section("cluster", `{"image": "rancher/k3s latest"}`),
			want:   []stacks.Problem{{"kubetracing:cluster.image", "rancher/k3s latest", ruleImage}},
		},
		"a Jaeger image with upper case letters": {
			config: section("jaeger", `{"image": "Jaeger"}`),
			want: []stacks.Problem{{
				"kubetracing:jaeger.image", "Jaeger", ruleImage + ": repository name (library/Jaeger) must be lowercase",
			}},
		},
		"a Collector image with half a digest": {
			config: section("collector", `{"image": "otel/collector@sha256:b6d2"}`),
			want:   []stacks.Problem{{"kubetracing:collector.image", "otel/collector@sha256:b6d2", ruleImage}},
		},
		"an empty Jaeger image": {
			config: section("jaeger", `{"image": ""}`),
			want:   []stacks.Problem{{"kubetracing:jaeger.image", `""`, ruleImage}},
		},

		"a bundle from two places": {
			config: section("runtime",
				`{"bundle": {"directory": "bundle", "url": "https://mirror.test/c.tar.gz", "sha256": "`+strings.Repeat("a", 64)+`"}}`),
			want: []stacks.Problem{{
				"kubetracing:runtime.bundle", `directory "bundle", url "https://mirror.test/c.tar.gz"`,
				"must have either directory or url",
			}},
		},
		"a bundle from nowhere": {
			config: section("runtime", `{"bundle": {}}`),
			want: []stacks.Problem{{
				"kubetracing:runtime.bundle", `directory "", url ""`, "must have either directory or url",
			}},
		},
		"a bundle's URL without a checksum": {
			config: section("runtime", `{"bundle": {"url": "https://mirror.test/c.tar.gz"}}`),
			want:   []stacks.Problem{{"kubetracing:runtime.bundle.sha256", `""`, ruleSHA256}},
		},
		"a bundle's checksum in upper case": {
			config: section("runtime",
				`{"bundle": {"url": "https://mirror.test/c.tar.gz", "sha256": "`+strings.Repeat("A", 64)+`"}}`),
			want: []stacks.Problem{{"kubetracing:runtime.bundle.sha256", strings.Repeat("A", 64), ruleSHA256}},
		},
		"a bundle's checksum of 63 digits": {
			config: section("runtime",
				`{"bundle": {"url": "https://mirror.test/c.tar.gz", "sha256": "`+strings.Repeat("a", 63)+`"}}`),
			want: []stacks.Problem{{"kubetracing:runtime.bundle.sha256", strings.Repeat("a", 63), ruleSHA256}},
		},
		"a bundle's URL that is a path": {
			config: section("runtime", `{"bundle": {"url": "bundles/c.tar.gz", "sha256": "`+strings.Repeat("a", 64)+`"}}`),
			want:   []stacks.Problem{{"kubetracing:runtime.bundle.url", "bundles/c.tar.gz", "must be an http or https URL"}},
		},
		"a bundle's URL of another scheme": {
			config: section("runtime", `{"bundle": {"url": "ftp://mirror.test/c.tar.gz", "sha256": "`+strings.Repeat("a", 64)+`"}}`),
			want: []stacks.Problem{{
				"kubetracing:runtime.bundle.url", "ftp://mirror.test/c.tar.gz", "must be an http or https URL",
			}},
		},

		"an exporter whose name is not a label": {
			config: exporters(`{"name": "my_tempo", "protocol": "grpc", "endpoint": "tempo:4317"}`),
			want:   []stacks.Problem{{"kubetracing:collector.exporters[0].name", "my_tempo", "must be an RFC 1123 label"}},
		},
		"two exporters of one name": {
			config: exporters(`{"name": "tempo", "protocol": "grpc", "endpoint": "a:4317"},
				{"name": "tempo", "protocol": "http", "endpoint": "http://b:4318"}`),
			want: []stacks.Problem{{
				"kubetracing:collector.exporters[1].name", "tempo", "is used twice or is the name of the exporter to Jaeger",
			}},
		},
		"an exporter with the name of the one to Jaeger": {
			config: exporters(`{"name": "jaeger", "protocol": "grpc", "endpoint": "a:4317"}`),
			want: []stacks.Problem{{
				"kubetracing:collector.exporters[0].name", "jaeger", "is used twice or is the name of the exporter to Jaeger",
			}},
		},
		"an exporter of an unknown protocol": {
			config: exporters(`{"name": "zipkin", "protocol": "zipkin", "endpoint": "a:9411"}`),
			want:   []stacks.Problem{{"kubetracing:collector.exporters[0].protocol", "zipkin", "must be one of: grpc, http"}},
		},
		"an exporter without a protocol": {
			config: exporters(`{"name": "tempo", "endpoint": "a:4317"}`),
			want:   []stacks.Problem{{"kubetracing:collector.exporters[0].protocol", `""`, "must be one of: grpc, http"}},
		},
		"a URL for gRPC": {
			config: exporters(`{"name": "tempo", "protocol": "grpc", "endpoint": "http://tempo:4317"}`),
			want:   []stacks.Problem{{"kubetracing:collector.exporters[0].endpoint", "http://tempo:4317", ruleGRPC}},
		},
		"a host without a port for gRPC": {
			config: exporters(`{"name": "tempo", "protocol": "grpc", "endpoint": "tempo"}`),
			want:   []stacks.Problem{{"kubetracing:collector.exporters[0].endpoint", "tempo", ruleGRPC}},
		},
		"a host and port for HTTP": {
			config: exporters(`{"name": "tempo", "protocol": "http", "endpoint": "tempo:4318"}`),
			want:   []stacks.Problem{{"kubetracing:collector.exporters[0].endpoint", "tempo:4318", ruleHTTP}},
		},
		"an exporter without an endpoint": {
			config: exporters(`{"name": "a", "protocol": "grpc"}, {"name": "b", "protocol": "http"}`),
			want: []stacks.Problem{
				{"kubetracing:collector.exporters[0].endpoint", `""`, ruleGRPC},
				{"kubetracing:collector.exporters[1].endpoint", `""`, ruleHTTP},
			},
		},

		"what only a Collector could do, without one": {
			config: merged(
				section("sampling", `{"collector": 5}`),
				section("collector", `{"enabled": false, "image": "collector:1", "otlpGrpcPort": 4317, "otlpHttpPort": 4318,
					"debug": true, "queue": "disk", "tailSampling": {},
					"exporters": [{"name": "tempo", "protocol": "grpc", "endpoint": "tempo:4317"}]}`),
			),
			want: []stacks.Problem{
				{"kubetracing:sampling.collector", "5", ruleCollector},
				{"kubetracing:collector.image", "collector:1", ruleCollector},
				{"kubetracing:collector.otlpGrpcPort", "4317", ruleCollector},
				{"kubetracing:collector.otlpHttpPort", "4318", ruleCollector},
				{"kubetracing:collector.exporters[0]", "tempo", ruleCollector},
				{"kubetracing:collector.queue", "disk", ruleCollector},
				{"kubetracing:collector.tailSampling", "chosen", ruleCollector},
				{"kubetracing:collector.debug", "true", ruleCollector},
			},
		},

		"a timeout of zero": {
			config: section("verify", `{"timeout": "0s"}`),
			want:   []stacks.Problem{{"kubetracing:verify.timeout", "0s", ruleTimeout}},
		},
		"a timeout above an hour": {
			config: section("verify", `{"timeout": "2h"}`),
			want:   []stacks.Problem{{"kubetracing:verify.timeout", "2h0m0s", ruleTimeout}},
		},
		"a negative timeout": {
			config: section("verify", `{"timeout": "-5s"}`),
			want:   []stacks.Problem{{"kubetracing:verify.timeout", "-5s", ruleTimeout}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, problemsOf(t, test.config))
		})
	}
}

// The ends of every range are inside it.
func TestNew_Limits(t *testing.T) {
	t.Parallel()

	tests := map[string]map[string]string{
		"the lowest rate":       section("sampling", `{"kubelet": 0}`),
		"the highest rate":      section("sampling", `{"kubelet": 1000000}`),
		"the lowest port":       section("cluster", `{"apiPort": 1}`),
		"the highest port":      section("jaeger", `{"uiPort": 65535}`),
		"the oldest Kubernetes": section("cluster", `{"kubernetes": "1.25"}`),
		"the newest Kubernetes": section("cluster", `{"kubernetes": "1.37"}`),
		"one server":            section("cluster", `{"servers": 1, "agents": 0}`),
		"the longest timeout":   section("verify", `{"timeout": "1h"}`),
		"the shortest timeout":  section("verify", `{"timeout": "1ns"}`),
	}
	for name, config := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := stacks.New("kubetracing", "dev", config)
			assert.NoError(t, err)
		})
	}
}

func TestNew_EveryMistake(t *testing.T) {
	t.Parallel()

	_, err := stacks.New("kubetracing", "Dev", map[string]string{
		"kubetracing:cluster":  `{"kubernetes": "1.24", "servers": 0}`,
		"kubetracing:sampling": `{"kubelet": -1, "kublet": 1}`,
		"kubetracing:verify":   `{"timeout": "2h"}`,
	})
	require.EqualError(t, err, strings.Join([]string{
		"the stack configuration has 6 mistakes:",
		"  - project and stack name: kubetracing-Dev: together they name the cluster, so they must be an RFC 1123 label: " +
			"lower case letters, digits and '-', beginning and ending with a letter or digit",
		"  - kubetracing:sampling.kublet: unknown key; the nearest valid one is kubetracing:sampling.kubelet",
		"  - kubetracing:cluster.kubernetes: 1.24: is not supported; supported: 1.25 to 1.37",
		"  - kubetracing:cluster.servers: 0: must be at least 1",
		"  - kubetracing:sampling.kubelet: -1: must be an integer from 0 to 1000000 (spans per million)",
		"  - kubetracing:verify.timeout: 2h0m0s: must be above 0 and at most 1h0m0s",
	}, "\n"))

	_, err = stacks.New("kubetracing", "dev", section("cluster", `{"servers": 0}`))
	require.EqualError(t, err,
		"the stack configuration has 1 mistake:\n  - kubetracing:cluster.servers: 0: must be at least 1")
}
