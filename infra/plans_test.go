package main

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/workloads/catalog"
	"github.com/kubetracing/kubetracing/infra/plan"
	"github.com/kubetracing/kubetracing/stacks"
)

var update = flag.Bool("update", false, "rewrite the golden plans")

// goldenFolder holds a plan per shipped stack, so that a change of what a stack
// creates is a change that someone reads.
const goldenFolder = "../test/plans"

// shippedStacks returns the names of the stacks whose files are in the project.
func shippedStacks(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../Pulumi.*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml"))
	}
	return names
}

func TestPlan_ShippedStacks(t *testing.T) {
	t.Parallel()
	shipped := shippedStacks(t)
	for _, name := range shipped {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := plan.Render("..", name, composeOffline)
			require.NoError(t, err)
			golden := filepath.Join(goldenFolder, name+".yaml")
			if *update {
				require.NoError(t, os.WriteFile(golden, got, 0o644)) //nolint:gosec // it is for everyone to read
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err, "no golden plan: make plans")
			assert.Equal(t, string(want), string(got), "if this is meant: make plans")
		})
	}
	golden, err := filepath.Glob(filepath.Join(goldenFolder, "*.yaml"))
	require.NoError(t, err)
	for _, file := range golden {
		assert.Contains(t, shipped, strings.TrimSuffix(filepath.Base(file), ".yaml"), "a golden plan without a stack")
	}
}

func TestPlan_Deterministic(t *testing.T) {
	t.Parallel()
	for _, name := range shippedStacks(t) {
		first, err := plan.Render("..", name, composeOffline)
		require.NoError(t, err)
		for range 19 {
			again, err := plan.Render("..", name, composeOffline)
			require.NoError(t, err)
			require.Equal(t, string(first), string(again))
		}
		// A machine's path would make it another plan elsewhere.
		here, err := filepath.Abs("..")
		require.NoError(t, err)
		assert.NotContains(t, string(first), here)
	}
}

func TestPlan_Root(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "bundle", "bin"), 0o755))
	for _, name := range []string{"containerd", "containerd-shim-runc-v2"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "bundle", "bin", name), nil, 0o755)) //nolint:gosec // a program
	}
	project, err := os.ReadFile("../Pulumi.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "Pulumi.yaml"), project, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(root, "Pulumi.dev.yaml"),
		[]byte("config:\n  kubetracing:runtime: {bundle: {directory: bundle}}\n"), 0o600))
	text, err := plan.Render(root, "dev", composeOffline)
	require.NoError(t, err, "a relative directory is below --root, not below the current folder")
	assert.Contains(t, string(text), "context: ../bundle\n")
	assert.NotContains(t, string(text), root)
}

// newStack returns a stack with every default, changed by further configuration.
func newStack(t *testing.T, config map[string]string) stacks.Stack {
	t.Helper()
	stack, err := stacks.New("kubetracing", "test", config)
	require.NoError(t, err)
	return stack
}

func TestPlan_Files(t *testing.T) {
	t.Parallel()
	planned, err := plan.New("test", newStack(t, map[string]string{
		"kubetracing:cluster":   `{"kubernetes":"1.37","servers":2,"agents":2,"apiPort":6551}`,
		"kubetracing:collector": `{"otlpGrpcPort":24317,"otlpHttpPort":24318}`,
		"kubetracing:jaeger":    `{"image":"jaegertracing/jaeger:2.20.0"}`,
	}), composeOffline)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{
		"kubetracing:cluster.apiPort":        "127.0.0.1:6551",
		"kubetracing:jaeger.uiPort":          "127.0.0.1:16686",
		"kubetracing:collector.otlpGrpcPort": "127.0.0.1:24317",
		"kubetracing:collector.otlpHttpPort": "127.0.0.1:24318",
	}, planned.Ports)
	assert.Equal(t, []string{
		"nodes:/etc/kubetracing/apiserver-tracing.yaml",
		"nodes:/etc/kubetracing/containerd.env",
		"nodes:/etc/kubetracing/containerd.sh",
		"nodes:/etc/kubetracing/k3s-agent.yaml",
		"nodes:/etc/kubetracing/k3s-server.yaml",
		"nodes:/etc/kubetracing/k3s.sh",
		"nodes:/etc/kubetracing/kubelet.yaml",
		"traced-cluster-k3d (standard input)",
		"traced-collector-container:/etc/otelcol/config.yaml",
		"traced-collector-healthy (standard input)",
		"traced-identity (standard input)",
		"traced-jaeger-container:/etc/jaeger/config.yaml",
		"traced-jaeger-container:/etc/jaeger/ui.json",
		"traced-jaeger-healthy (standard input)",
		"traced-node-config-files (standard input)",
		"traced-verification-echo (standard input)",
		"traced-verification-services (standard input)",
		"traced-workloads-echo-started (standard input)",
	}, slices.Sorted(maps.Keys(planned.Files)))
	k3d := planned.Files["traced-cluster-k3d (standard input)"]
	assert.Contains(t, k3d, "  servers: 2\n")
	assert.Contains(t, k3d, "  agents: 2\n")
	for _, node := range []string{"server-0", "server-1", "agent-0", "agent-1"} {
		assert.Contains(t, k3d, "k8s.node.name=k3d-kubetracing-test-"+node)
	}
}

func TestPlan_WithoutVerification(t *testing.T) {
	t.Parallel()
	planned, err := plan.New("test", newStack(t, map[string]string{"kubetracing:verify": `{"enabled":false}`}), composeOffline)
	require.NoError(t, err)
	for _, r := range planned.Resources {
		assert.NotContains(t, r.Name, "verification")
	}
	assert.Contains(t, planned.Files, "traced-cluster-k3d (standard input)")
}

func TestPlan_WithoutCollector(t *testing.T) {
	t.Parallel()
	planned, err := plan.New("test", newStack(t, map[string]string{"kubetracing:collector": `{"enabled":false}`}), composeOffline)
	require.NoError(t, err)
	for name, want := range map[string]string{
		"apiserver-tracing.yaml": "endpoint: jaeger:4317\n",
		"containerd.env":         "OTEL_EXPORTER_OTLP_ENDPOINT=http://jaeger:4318\n",
		"k3s-server.yaml":        "distributed-tracing-address=jaeger:4317\n",
		"kubelet.yaml":           "endpoint: jaeger:4317\n",
	} {
		assert.Contains(t, planned.Files["nodes:/etc/kubetracing/"+name], want)
	}
	for name, file := range planned.Files {
		assert.NotContains(t, file, "otel-collector", name)
	}
}

func TestPlan_Workloads(t *testing.T) {
	t.Parallel()
	for _, name := range catalog.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			planned, err := plan.New("test", newStack(t, map[string]string{"kubetracing:workloads": `["` + name + `"]`}), composeOffline)
			require.NoError(t, err)
			assert.True(t, slices.ContainsFunc(planned.Resources, func(r plan.Resource) bool {
				return strings.HasPrefix(r.Name, "traced-workloads-"+name)
			}), "the workload is part of the plan")
		})
	}
}

func TestPlan_WorkloadCredentials(t *testing.T) {
	t.Parallel()
	planned, err := plan.New("test", newStack(t, map[string]string{"kubetracing:workloads": `["traced-operator"]`}), composeOffline)
	require.NoError(t, err)
	var secrets []map[string]any
	for _, r := range planned.Resources {
		if r.Type == "kubernetes:core/v1:Secret" {
			secrets = append(secrets, r.Inputs)
		}
	}
	require.Len(t, secrets, 1)
	assert.Equal(t, "[secret]", secrets[0]["data"])
}

func TestPlan_OwnExpectations(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(file, []byte("- name: mine\n  spans: [{service: shop}]\n"), 0o600))
	planned, err := plan.New("test", newStack(t, map[string]string{
		"kubetracing:verify": `{"expectations":"` + file + `"}`,
	}), composeOffline)
	require.NoError(t, err)
	assert.Contains(t, planned.Files["traced-verification-own (standard input)"], "- name: mine\n")
	out, err := planned.YAML()
	require.NoError(t, err)
	assert.NotContains(t, string(out), file, "the place of the file is no part of the plan")
}

func TestPlan_Secrets(t *testing.T) {
	t.Parallel()
	planned, err := plan.New("test", newStack(t, map[string]string{
		"kubetracing:jaeger": `{"storage":"opensearch","server":{"password":"Tr4ces!!"}}`,
	}), composeOffline)
	require.NoError(t, err)
	assert.Contains(t, planned.Images, stacks.OpenSearchImage)
	assert.Contains(t, planned.Images, stacks.DefaultCleanerImage)
	assert.Contains(t, planned.Files["traced-jaeger-container:/etc/jaeger/config.yaml"], "- http://opensearch:9200\n")
	assert.Contains(t, planned.Files, "traced-server-container:/usr/share/opensearch/config/opensearch-security/roles_mapping.yml")
	out, err := planned.YAML()
	require.NoError(t, err)
	assert.NotContains(t, string(out), "Tr4ces")

	planned, err = plan.New("test", newStack(t, nil), composeOffline)
	require.NoError(t, err)
	var providers int
	for _, r := range planned.Resources {
		if r.Type == "pulumi:providers:kubernetes" {
			providers++
			assert.Equal(t, "[secret]", r.Inputs["kubeconfig"])
		}
	}
	assert.Equal(t, 1, providers)
	encoded, err := json.Marshal(planned.Resources)
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(encoded), "[secret]"), "nothing else is secret")
}
