package stacks_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

func TestImages_ContradictSettings(t *testing.T) {
	t.Parallel()

	cluster := func(kubernetes, image string) map[string]string {
		return section("cluster", fmt.Sprintf(`{"kubernetes": %q, "image": %q}`, kubernetes, image))
	}
	collector := func(image string) map[string]string { return section("collector", fmt.Sprintf(`{"image": %q}`, image)) }
	const (
		jaegerV1  = "is Jaeger v1, which does not read the configuration: must be a jaegertracing/jaeger 2.x"
		oldNames  = "must be 0.144.0 or newer: earlier releases do not know the exporters otlp_grpc and otlp_http"
		oldFilter = "must be 0.146.0 or newer with conmon-rs: earlier releases cannot drop the spans of its exporter"
		minimal   = "must be a core or contrib distribution: this one lacks memory_limiter and health_check"
		digest    = "@sha256:b6d2b9a85b1029d05b5ad913150c1f014eed4ae99be81a1813ca5ade4a191913"
	)
	tests := map[string]struct {
		config map[string]string
		want   stacks.Problem
	}{
		"k3s of another minor": {
			cluster("1.37", "rancher/k3s:v1.30.14-k3s2"),
			stacks.Problem{"kubetracing:cluster.image", "rancher/k3s:v1.30.14-k3s2", `has k3s v1.30.14+k3s2, but kubetracing:cluster.kubernetes is 1.37: set it to "v1.30.14+k3s2"`},
		},
		"k3s of another minor, by digest, from a mirror, for one architecture": {
			cluster("v1.36.4+k3s1", "mirror.test:5000/own/nodes:v1.35.8-k3s1-arm64"+digest),
			stacks.Problem{"kubetracing:cluster.image", "mirror.test:5000/own/nodes:v1.35.8-k3s1-arm64" + digest, `has k3s v1.35.8+k3s1, but kubetracing:cluster.kubernetes is v1.36.4+k3s1: set it to "v1.35.8+k3s1"`},
		},
		"k3s of a patch release with another etcd": {
			cluster("1.28", "rancher/k3s:v1.28.10-k3s1"),
			stacks.Problem{"kubetracing:cluster.image", "rancher/k3s:v1.28.10-k3s1", `has k3s v1.28.10+k3s1, but kubetracing:cluster.kubernetes is 1.28: set it to "v1.28.10+k3s1"`},
		},
		"k3s of a release that is not supported": {
			cluster("1.25", "rancher/k3s:v1.24.17-k3s1"),
			stacks.Problem{"kubetracing:cluster.image", "rancher/k3s:v1.24.17-k3s1", "has k3s v1.24.17+k3s1, but kubetracing:cluster.kubernetes is 1.25: choose an image of that release"},
		},
		"Jaeger v1 all-in-one": {
			section("jaeger", `{"image": "jaegertracing/all-in-one:1.57"}`),
			stacks.Problem{Field: "kubetracing:jaeger.image", Value: "jaegertracing/all-in-one:1.57", Rule: jaegerV1},
		},
		"Jaeger v1 all-in-one without a tag": {
			section("jaeger", `{"image": "mirror.test/all-in-one"}`),
			stacks.Problem{Field: "kubetracing:jaeger.image", Value: "mirror.test/all-in-one", Rule: jaegerV1},
		},
		"Jaeger by a tag of v1": {
			section("jaeger", `{"image": "jaegertracing/jaeger:1.76.0"}`),
			stacks.Problem{Field: "kubetracing:jaeger.image", Value: "jaegertracing/jaeger:1.76.0", Rule: jaegerV1},
		},
		"OpenSearch for Elasticsearch": {
			jaegerServer(t, "elasticsearch", map[string]any{"password": "hunter2", "image": "opensearchproject/opensearch:3.7.0"}),
			stacks.Problem{"kubetracing:jaeger.server.image", "opensearchproject/opensearch:3.7.0", "is opensearch, but kubetracing:jaeger.storage is elasticsearch"},
		},
		"a Collector with the earlier names of exporters": {
			collector("otel/opentelemetry-collector-contrib:0.143.1"),
			stacks.Problem{Field: "kubetracing:collector.image", Value: "otel/opentelemetry-collector-contrib:0.143.1", Rule: oldNames},
		},
		"a core Collector with the earlier names, from another registry": {
			collector("ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector:0.120.0"),
			stacks.Problem{
				"kubetracing:collector.image",
				"ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector:0.120.0", oldNames,
			},
		},
		"a Collector without trace_conditions for conmon-rs": {
			merged(crio36(`"monitor": {"crio": "1.31.13"}`), collector("otel/opentelemetry-collector:0.145.0")),
			stacks.Problem{Field: "kubetracing:collector.image", Value: "otel/opentelemetry-collector:0.145.0", Rule: oldFilter},
		},
		"the distribution that only forwards": {
			collector("otel/opentelemetry-collector-otlp:0.161.0"),
			stacks.Problem{Field: "kubetracing:collector.image", Value: "otel/opentelemetry-collector-otlp:0.161.0", Rule: minimal},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, []stacks.Problem{test.want}, problemsOf(t, test.config))
		})
	}
}

func TestImages_Accepted(t *testing.T) {
	t.Parallel()

	for name, config := range map[string]map[string]string{
		"k3s of the minor":                              section("cluster", `{"kubernetes": "1.37", "image": "rancher/k3s:v1.37.1-k3s1"}`),
		"k3s with another build number":                 section("cluster", `{"kubernetes": "v1.37.1+k3s1", "image": "rancher/k3s:v1.37.1-k3s2"}`),
		"a tag without a version":                       section("cluster", `{"kubernetes": "1.30", "image": "mirror.test/k3s:latest"}`),
		"a custom version":                              section("cluster", `{"kubernetes": "1.30", "image": "mirror.test/nodes:1.2.3"}`),
		"k3s by digest alone":                           section("cluster", `{"image": "rancher/k3s@sha256:7534b63e02277917f77c584ed5532b31562c760d6bb8fe88059002e9bdeee033"}`),
		"an earlier Jaeger v2":                          section("jaeger", `{"image": "jaegertracing/jaeger:2.0.0"}`),
		"the first Collector with the exporters' names": section("collector", `{"image": "otel/opentelemetry-collector:0.144.0"}`),
		"a custom distribution":                         section("collector", `{"image": "mirror.test/collector:0.9", "queue": "disk"}`),
		"the distribution for Kubernetes":               section("collector", `{"image": "otel/opentelemetry-collector-k8s:0.161.0", "queue": "disk"}`),
		"an earlier Collector for a silent conmon-rs": merged(
			section("cluster", `{"kubernetes": "1.27"}`), section("runtime", `{"name": "crio"}`),
			section("collector", `{"image": "otel/opentelemetry-collector:0.145.0"}`)),
		"a Collector by a moving tag": section("collector", `{"image": "otel/opentelemetry-collector:latest"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := stacks.New("kubetracing", "dev", config)
			require.NoError(t, err)
		})
	}
}
