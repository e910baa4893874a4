package stacks_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

const (
	ruleNotSecret = "must not be encrypted: it would be shown in the clear; only jaeger.server.password, headers and endpoints " +
		"of collector.exporters, URLs of cluster.proxy and passwords of cluster.registries stay secret"
	ruleWholeSection = "must not be encrypted as a whole: encrypt single values with " +
		"`pulumi config set --secret --path`; jaeger.server.password, headers and endpoints of collector.exporters, " +
		"URLs of cluster.proxy and passwords of cluster.registries stay secret"
)

// Where nothing can decrypt it, an encrypted value reads as [secret].
func TestNew_BlindedValues(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		config map[string]string
		want   []stacks.Problem
	}{
		"a version": {
			section("cluster", `{"kubernetes": "[secret]"}`),
			[]stacks.Problem{{Field: "kubetracing:cluster.kubernetes", Rule: ruleNotSecret}},
		},
		"numbers, in the order of their keys": {
			section("cluster", `{"servers": "[secret]", "apiPort": "[secret]", "agents": 1}`),
			[]stacks.Problem{
				{Field: "kubetracing:cluster.apiPort", Rule: ruleNotSecret}, {Field: "kubetracing:cluster.servers", Rule: ruleNotSecret},
			},
		},
		"an entry of a list": {
			section("workloads", `["echo", "[secret]"]`),
			[]stacks.Problem{{Field: "kubetracing:workloads[1]", Rule: ruleNotSecret}},
		},
		"an object inside a section": {
			section("collector", `{"tailSampling": "[secret]"}`),
			[]stacks.Problem{{Field: "kubetracing:collector.tailSampling", Rule: ruleNotSecret}},
		},
		"the URL of a bundle": {
			section("runtime", `{"bundle": {"url": "[secret]", "sha256": "00"}}`),
			[]stacks.Problem{{Field: "kubetracing:runtime.bundle.url", Rule: ruleNotSecret}},
		},
		"a whole section": {
			section("cluster", "[secret]"),
			[]stacks.Problem{{Field: "kubetracing:cluster", Rule: ruleWholeSection}},
		},
		"a whole section that may have secrets": {
			section("collector", "[secret]"),
			[]stacks.Problem{{Field: "kubetracing:collector", Rule: ruleWholeSection}},
		},
		"an unknown key": {
			section("cluster", `{"server": "[secret]"}`),
			[]stacks.Problem{{Field: "kubetracing:cluster.server", Rule: "unknown key; the nearest valid one is kubetracing:cluster.servers"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := problemsOf(t, test.config)
			for _, want := range test.want {
				assert.Contains(t, problems, want)
			}
			for _, problem := range problems {
				assert.Empty(t, problem.Value)
			}
		})
	}
	assert.Equal(t, []stacks.Problem{{Field: "kubetracing:cluster.kubernetes", Rule: ruleNotSecret}},
		problemsOf(t, section("cluster", `{"kubernetes": "[secret]"}`)), "and nothing else")
}

// An endpoint that is encrypted stays out of the Collector's configuration, where it
// can be read as well as where it cannot.
func TestExporter_SecretEndpoint(t *testing.T) {
	t.Parallel()

	config := exporter(t, map[string]any{
		"name": "vendor", "protocol": "grpc", "endpoint": "[secret]", "insecure": true, "headers": map[string]any{"authorization": "[secret]"},
	})
	offline, err := stacks.New("kubetracing", "dev", config)
	require.NoError(t, err)
	online, err := stacks.OpenConfig(".", "kubetracing", "dev", stacks.Config{
		Values: exporter(t, map[string]any{
			"name": "vendor", "protocol": "grpc", "endpoint": "vendor.test:4317", "insecure": true, "headers": map[string]any{"authorization": "hunter2"},
		}),
		Secret: []string{"kubetracing:collector"},
	})
	require.NoError(t, err)
	assert.True(t, offline.CollectorSpec().Exporters[0].SecretEndpoint)
	assert.True(t, online.CollectorSpec().Exporters[0].SecretEndpoint)
	assert.Equal(t, map[string]string{
		"OTLP_ENDPOINT_VENDOR": "vendor.test:4317", "OTLP_HEADER_VENDOR__AUTHORIZATION": "hunter2",
	}, online.CollectorSecrets())

	plain, err := stacks.New("kubetracing", "dev", grpcExporter(t, "vendor.test:4317"))
	require.NoError(t, err)
	assert.False(t, plain.CollectorSpec().Exporters[0].SecretEndpoint)
	assert.Empty(t, plain.CollectorSecrets())
}

// With the values at hand every rule holds, and no message shows one.
func TestOpenConfig_SecretSections(t *testing.T) {
	t.Parallel()

	open := func(config map[string]string, secret ...string) error {
		_, err := stacks.OpenConfig(".", "kubetracing", "dev", stacks.Config{Values: config, Secret: secret})
		return err
	}
	tests := map[string]struct {
		config map[string]string
		secret string
		want   string
	}{
		"an endpoint without a port": {
			exporter(t, map[string]any{"name": "vendor", "protocol": "grpc", "endpoint": "hunter2.test"}), "collector",
			"kubetracing:collector.exporters[0].endpoint: must be host:port for protocol grpc",
		},
		"an endpoint with the path that is appended": {
			exporter(t, map[string]any{"name": "vendor", "protocol": "http", "endpoint": "https://hunter2.test/v1/traces"}), "collector",
			"kubetracing:collector.exporters[0].endpoint: must not end in /v1/traces, which the Collector appends",
		},
		"a value of the wrong type beside a secret": {
			section("jaeger", `{"storage": "opensearch", "server": {"password": "Tr4ces!!"}, "uiPort": "hunter2"}`), "jaeger",
			"kubetracing:jaeger.uiPort: must be an integer",
		},
		"an image beside a secret": {
			section("jaeger", `{"storage": "opensearch", "server": {"password": "Tr4ces!!"}, "image": "Hunter2"}`), "jaeger",
			"kubetracing:jaeger.image: must be an image reference",
		},
		"a section of which nothing stays secret": {
			section("cluster", `{"image": "Hunter2", "servers": 0}`), "cluster",
			"kubetracing:cluster: " + ruleWholeSection,
		},
		"a section of which nothing that is chosen stays secret": {
			section("jaeger", `{"image": "Hunter2"}`), "jaeger",
			"kubetracing:jaeger: " + ruleWholeSection,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := open(test.config, "kubetracing:"+test.secret)
			require.EqualError(t, err, "the stack configuration has 1 mistake:\n  - "+test.want)
			assert.NotContains(t, err.Error(), "unter2")
			require.NotContains(t, err.Error(), "Tr4ces")
		})
	}
	require.NoError(t, open(jaegerServer(t, "opensearch", map[string]any{"password": "Tr4ces!!"}), "kubetracing:jaeger"))
	require.NoError(t, open(nil, "docker:registryAuth"), "secrets of other namespaces")
}

func TestSecretKeys(t *testing.T) {
	for text, want := range map[string][]string{
		"":                          nil,
		`["kubetracing:collector"]`: {"kubetracing:collector"},
	} {
		t.Setenv("PULUMI_CONFIG_SECRET_KEYS", text)
		keys, err := stacks.SecretKeys()
		require.NoError(t, err)
		assert.Equal(t, want, keys)
	}
	t.Setenv("PULUMI_CONFIG_SECRET_KEYS", "[")
	_, err := stacks.SecretKeys()
	require.EqualError(t, err, "read PULUMI_CONFIG_SECRET_KEYS: unexpected end of JSON input")
}
