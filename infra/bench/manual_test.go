package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/stacks"
)

func openTestStack(t *testing.T, config map[string]string) stacks.Stack {
	t.Helper()
	stack, err := stacks.New("kubetracing", "bench", config)
	require.NoError(t, err)
	return stack
}

func TestManual_ImagesOfTheStack(t *testing.T) {
	t.Parallel()
	stack := openTestStack(t, map[string]string{
		"kubetracing:cluster":   `{"kubernetes": "1.36", "image": "mirror.example/k3s:v1.36.4-k3s1-amd64"}`,
		"kubetracing:jaeger":    `{"image": "mirror.example/jaeger:2.21.0"}`,
		"kubetracing:collector": `{"image": "mirror.example/opentelemetry-collector:0.162.0"}`,
	})
	var m manual
	require.NoError(t, m.complete(stack))
	assert.Equal(t, "mirror.example/k3s:v1.36.4-k3s1-amd64", m.k3s)
	assert.Equal(t, "mirror.example/jaeger:2.21.0", m.jaeger)
	assert.Equal(t, "mirror.example/opentelemetry-collector:0.162.0", m.collector)
	assert.Equal(t, stack.Release.Rules, m.rules)
}

func TestManual_ImagesOfTheDefaults(t *testing.T) {
	t.Parallel()
	stack := openTestStack(t, nil)
	var m manual
	require.NoError(t, m.complete(stack))
	assert.Equal(t, stack.Release.Image, m.k3s)
	assert.Equal(t, stacks.CoreCollectorImage, m.collector)
}

func TestManual_ChosenImage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ image, minor, err string }{
		"a release of another minor":      {"rancher/k3s:v1.33.4-k3s1", "1.33", ""},
		"a tag with something behind it":  {"registry:5000/k3s:v1.25.4-k3s1-cache", "1.25", ""},
		"a tag with a digest behind it":   {"rancher/k3s:v1.37.1-k3s1@sha256:" + strings.Repeat("a", 64), "1.37", ""},
		"no tag":                          {"rancher/k3s", "", `-k3s "rancher/k3s" names no k3s release: its tag must begin as v1.37.1-k3s1 does`},
		"a tag that is no release":        {"rancher/k3s:latest", "", `-k3s "rancher/k3s:latest" names no k3s release: its tag must begin as v1.37.1-k3s1 does`},
		"a release that is not supported": {"rancher/k3s:v1.24.4-k3s1", "", `-k3s "rancher/k3s:v1.24.4-k3s1": Kubernetes version "v1.24.4-k3s1" is not supported; supported: ` + tracing.SupportedRange()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := manual{k3s: test.image}
			err := m.complete(openTestStack(t, nil))
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.image, m.k3s)
			rules, err := tracing.ResolveRelease(test.minor)
			require.NoError(t, err)
			assert.Equal(t, rules.Rules.APIServerTracingVersion, m.rules.APIServerTracingVersion)
			assert.Equal(t, rules.Rules.RefusesCgroupV1, m.rules.RefusesCgroupV1)
		})
	}
}

func TestManual_Files(t *testing.T) {
	t.Parallel()
	for _, minor := range tracing.Minors() {
		t.Run(minor, func(t *testing.T) {
			t.Parallel()
			release, err := tracing.ResolveRelease(minor)
			require.NoError(t, err)
			files, err := (&manual{rules: release.Rules}).files()
			require.NoError(t, err)
			require.Len(t, files, 3)

			decode := func(name string) map[string]any {
				var file map[string]any
				require.NoError(t, yaml.UnmarshalStrict(files[name], &file))
				return file
			}
			endpoint, rate := "host.k3d.internal:"+manualOTLPPort, float64(tracing.SamplingRateMax)
			assert.Equal(t, map[string]any{
				"apiVersion": release.Rules.APIServerTracingVersion, "kind": "TracingConfiguration",
				"endpoint": endpoint, "samplingRatePerMillion": rate,
			}, decode("apiserver-tracing.yaml"))
			kubelet := map[string]any{
				"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
				"tracing": map[string]any{"endpoint": endpoint, "samplingRatePerMillion": rate},
			}
			if release.Rules.RefusesCgroupV1 {
				kubelet["failCgroupV1"] = false
			}
			assert.Equal(t, kubelet, decode("kubelet-tracing.yaml"))
			assert.Contains(t, decode("collector.yaml"), "exporters")
		})
	}
}

func TestManual_Commands(t *testing.T) {
	t.Parallel()
	newest, err := tracing.ResolveRelease(tracing.NewestMinor())
	require.NoError(t, err)
	m := manual{jaeger: "J", collector: "C", k3s: "K", folder: "/tmp/manual-7", rules: newest.Rules}
	assert.Equal(t, []string{
		"docker network create manual-7",
		"docker run --detach --name manual-7-jaeger --network manual-7 --network-alias jaeger --publish 16990:16686 --restart unless-stopped J",
		"docker run --detach --name manual-7-collector --network manual-7 --publish 4317:4317 --volume /tmp/manual-7/collector.yaml:/collector.yaml C --config /collector.yaml",
		"k3d cluster create manual-7 --image K --no-lb --kubeconfig-update-default=false --api-port 127.0.0.1:6990 --volume /tmp/manual-7:/etc/kube-tracing@server:*" +
			" --k3s-arg --kube-apiserver-arg=tracing-config-file=/etc/kube-tracing/apiserver-tracing.yaml@server:*" +
			" --k3s-arg --kubelet-arg=config=/etc/kube-tracing/kubelet-tracing.yaml@server:*" +
			" --k3s-arg --disable=metrics-server,servicelb,traefik@server:*",
		"k3d kubeconfig write manual-7 --output /tmp/manual-7/kubeconfig",
	}, joined(m.commands()))
}

func TestManual_ArgumentsOfOldReleases(t *testing.T) {
	t.Parallel()
	arguments := func(minor string, etcd bool) string {
		release, err := tracing.ResolveRelease(minor)
		require.NoError(t, err)
		return strings.Join((&manual{rules: release.Rules, etcd: etcd}).k3sArguments(), " ")
	}
	gates := "--k3s-arg --kube-apiserver-arg=feature-gates=APIServerTracing=true@server:* --k3s-arg --kubelet-arg=feature-gates=KubeletTracing=true@server:*"
	cure := "--k3s-arg --kube-apiserver-arg=egress-selector-config-file=@server:*"
	assert.Contains(t, arguments("1.25", false), gates+" "+cure)
	assert.Contains(t, arguments("1.26", false), gates)
	assert.NotContains(t, arguments("1.26", false), cure)
	assert.NotContains(t, arguments("1.27", false), "feature-gates")
	assert.NotContains(t, arguments("1.27", false), "cluster-init")
	assert.Contains(t, arguments("1.27", true), "--k3s-arg --cluster-init@server:0")
}

func joined(commands [][]string) []string {
	lines := make([]string, len(commands))
	for i, command := range commands {
		lines[i] = strings.Join(command, " ")
	}
	return lines
}
