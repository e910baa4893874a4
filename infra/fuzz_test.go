package main

import (
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/infra/plan"
	"github.com/kubetracing/kubetracing/stacks"
)

// FuzzConfiguration configures a stack with any text as one of its sections: either
// the mistakes are reported, or everything that the stack consists of can be rendered.
func FuzzConfiguration(f *testing.F) {
	for section, value := range map[string]string{
		"cluster":   `{"kubernetes":"v1.30.14+k3s2","image":"k3s:1","servers":3,"agents":2,"apiPort":7550}`,
		"runtime":   `{"name":"containerd","oci":"runc","bundle":{"url":"https://mirror.test:8443/c.tar.gz","sha256":"` + strings.Repeat("a", 64) + `"}}`,
		"sampling":  `{"apiserver":1,"etcd":0,"kubelet":3,"runtime":4,"collector":1000000}`,
		"jaeger":    `{"image":"jaeger:2","uiPort":17686,"storage":"memory"}`,
		"collector": `{"otlpGrpcPort":4317,"debug":true,"exporters":[{"name":"a","protocol":"grpc","endpoint":"[::1]:4317"}]}`,
		"workloads": `["echo"]`,
		"verify":    `{"enabled":false,"timeout":"1m30s"}`,
	} {
		f.Add(section, value)
	}
	f.Fuzz(func(t *testing.T, section, value string) {
		stack, err := stacks.New("kubetracing", "fuzz", map[string]string{"kubetracing:" + section: value})
		if err != nil {
			var problems stacks.Problems
			require.ErrorAs(t, err, &problems)
			require.NotEmpty(t, problems)
			for _, problem := range problems {
				assert.True(t, strings.HasPrefix(problem.Field, "kubetracing:"), "no field: %v", problem)
				assert.NotEmpty(t, problem.Rule, "no rule: %v", problem)
			}
			return
		}
		planned, err := plan.New("fuzz", stack, composeOffline)
		require.NoError(t, err, "accepted, but cannot be composed")
		for file, text := range planned.Files {
			if strings.HasSuffix(file, ".yaml") || strings.HasSuffix(file, "(standard input)") {
				var document any
				require.NoError(t, yaml.Unmarshal([]byte(text), &document), file)
			}
		}
		for _, exporter := range stack.Settings.Collector.Exporters {
			assertDialable(t, exporter)
		}
	})
}

// assertDialable asserts that the Collector can dial an accepted destination.
func assertDialable(t *testing.T, exporter stacks.ExporterSettings) {
	t.Helper()
	address := exporter.Endpoint
	if exporter.Protocol == "http" {
		target, err := url.Parse(exporter.Endpoint)
		require.NoError(t, err)
		address = net.JoinHostPort(target.Hostname(), target.Port())
		if target.Port() == "" {
			address += "80"
		}
	}
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	assert.NotEmpty(t, host)
	assert.NotContains(t, host, " ")
	_, err = net.DefaultResolver.LookupPort(t.Context(), "tcp", port)
	assert.NoError(t, err)
}
