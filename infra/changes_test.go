package main

import (
	"strings"
	"testing"

	"github.com/pmezard/go-difflib/difflib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/plan"
)

// planLines returns the lines of the plan of a stack.
func planLines(t *testing.T, config map[string]string) []string {
	t.Helper()
	planned, err := plan.New("test", newStack(t, config), composeOffline)
	require.NoError(t, err)
	text, err := planned.YAML()
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// changedLines returns the lines that a change of the configuration removes and adds,
// without their indentation.
func changedLines(t *testing.T, config map[string]string) (removed, added []string) {
	t.Helper()
	before, after := planLines(t, nil), planLines(t, config)
	for _, change := range difflib.NewMatcherWithJunk(before, after, false, nil).GetOpCodes() {
		if change.Tag == 'e' {
			continue
		}
		for _, line := range before[change.I1:change.I2] {
			removed = append(removed, strings.TrimSpace(line))
		}
		for _, line := range after[change.J1:change.J2] {
			added = append(added, strings.TrimSpace(line))
		}
	}
	return removed, added
}

// A reviewer reads a plan's difference on a phone: one setting changes the lines
// that say so, and no others.
func TestPlan_ChangedLines(t *testing.T) {
	t.Parallel()
	// What is expected of the echo pod's trace.
	echo := []string{
		"expectations:",
		"- hint: docker exec k3d-kubetracing-test-server-0 kubectl --namespace kubetracing", "describe pod echo",
		"name: echo", "spans:",
		"- operation: runtime.v1.RuntimeService/RunPodSandbox", "service: kubelet",
		"- operation: runtime.v1.RuntimeService/RunPodSandbox", "service: containerd",
		"- attributes:", "k8s.pod: kubetracing/echo", "operation: syncPod", "service: kubelet",
	}
	tests := map[string]struct {
		config         map[string]string
		removed, added []string
	}{
		"a component's rate: its component and its file": {
			map[string]string{"kubetracing:sampling": `{"apiserver":10000}`},
			[]string{"samplingRatePerMillion: 1000000", "apiserver: 1000000"},
			[]string{"samplingRatePerMillion: 10000", "apiserver: 10000"},
		},
		"the kubelet's rate: a single pod's trace is not certain any more": {
			map[string]string{"kubetracing:sampling": `{"kubelet":10000}`},
			append([]string{"samplingRatePerMillion: 1000000", "kubelet: 1000000"}, echo...),
			[]string{"samplingRatePerMillion: 10000", "kubelet: 10000", "expectations: []"},
		},
		"the Collector's rate: nor is it then": {
			map[string]string{"kubetracing:sampling": `{"collector":10000}`},
			append([]string{"samplingRatePerMillion: 1000000"}, echo...),
			[]string{
				"probabilistic_sampler:", "hash_seed: 22", "sampling_percentage: 1", "- probabilistic_sampler",
				"expectations: []", "samplingRatePerMillion: 10000",
			},
		},
		"Jaeger's image: where it is used": {
			map[string]string{"kubetracing:jaeger": `{"image":"registry.example/jaeger:2.21.0"}`},
			[]string{
				"- jaegertracing/jaeger:2.21.0@sha256:3d0ac795ff98aa04d1be04311d2dac6c25b4bfc8322dc02e53bc5b170c5018c3",
				"image: jaegertracing/jaeger:2.21.0@sha256:3d0ac795ff98aa04d1be04311d2dac6c25b4bfc8322dc02e53bc5b170c5018c3",
				"image: jaegertracing/jaeger:2.21.0@sha256:3d0ac795ff98aa04d1be04311d2dac6c25b4bfc8322dc02e53bc5b170c5018c3",
				"name: jaegertracing/jaeger:2.21.0@sha256:3d0ac795ff98aa04d1be04311d2dac6c25b4bfc8322dc02e53bc5b170c5018c3",
			},
			[]string{
				"- registry.example/jaeger:2.21.0", "image: registry.example/jaeger:2.21.0", "image: registry.example/jaeger:2.21.0",
				"name: registry.example/jaeger:2.21.0",
			},
		},
		"a port": {
			map[string]string{"kubetracing:jaeger": `{"uiPort":26686}`},
			[]string{"kubetracing:jaeger.uiPort: 127.0.0.1:16686", "uiPort: 16686", "- external: 16686", "KUBETRACING_JAEGER_URL: http://127.0.0.1:16686", "KUBETRACING_JAEGER_URL: http://127.0.0.1:16686"},
			[]string{"kubetracing:jaeger.uiPort: 127.0.0.1:26686", "uiPort: 26686", "- external: 26686", "KUBETRACING_JAEGER_URL: http://127.0.0.1:26686", "KUBETRACING_JAEGER_URL: http://127.0.0.1:26686"},
		},
		"how long to wait for spans": {
			map[string]string{"kubetracing:verify": `{"timeout":"30s"}`},
			[]string{"timeout: 2m0s", "timeout: 2m0s", "timeout: 2m0s"},
			[]string{"timeout: 30s", "timeout: 30s", "timeout: 30s"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			removed, added := changedLines(t, test.config)
			assert.ElementsMatch(t, test.removed, removed)
			assert.ElementsMatch(t, test.added, added)
		})
	}
}

// What replaces the cluster may take more lines, of which the first to read are
// those that were changed.
func TestPlan_ReplacedCluster(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config map[string]string
		lines  []string
	}{
		"the Kubernetes version": {
			map[string]string{"kubetracing:cluster": `{"kubernetes":"1.36"}`},
			[]string{"kubernetes: v1.36.4+k3s1"},
		},
		"a node more": {
			map[string]string{"kubetracing:cluster": `{"agents":1}`},
			[]string{"agents: 1", "- agent:0"},
		},
		"no etcd": {map[string]string{"kubetracing:sampling": `{"etcd":0}`}, []string{"etcd: 0"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			removed, added := changedLines(t, test.config)
			for _, line := range test.lines {
				assert.Contains(t, added, line)
			}
			assert.LessOrEqual(t, len(removed)+len(added), 60, "%q\n%q", removed, added)
		})
	}
}
