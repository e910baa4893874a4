package stacks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/stacks"
)

func TestStack_BaseImage(t *testing.T) {
	t.Parallel()

	stack, err := stacks.New("kubetracing", "dev", section("cluster", `{"kubernetes": "v1.36.2+k3s1"}`))
	require.NoError(t, err)
	assert.Equal(t, "v1.36.2+k3s1", stack.Release.Kubernetes)
	assert.Equal(t, "rancher/k3s:v1.36.2-k3s1", stack.BaseImage())

	stack, err = stacks.New("kubetracing", "dev",
		section("cluster", `{"kubernetes": "v1.36.2+k3s1", "image": "registry.test/k3s:v1.36.2-k3s1"}`))
	require.NoError(t, err)
	assert.Equal(t, "registry.test/k3s:v1.36.2-k3s1", stack.BaseImage())
	assert.Equal(t, "v1.36.2+k3s1", stack.Release.Kubernetes, "the rules follow the version, not the image")
}

// Jaeger refuses a key that it does not know, and from 2.21 on can keep a promise that
// earlier releases cannot.
func TestStack_JaegerSpec_Synchronous(t *testing.T) {
	t.Parallel()

	const digest = "@sha256:3d0ac795ff98aa04d1be04311d2dac6c25b4bfc8322dc02e53bc5b170c5018c3"
	for image, synchronous := range map[string]bool{
		stacks.DefaultJaegerImage:                     true,
		"jaegertracing/jaeger:2.21.0":                 true,
		"jaegertracing/jaeger:v2.22.1":                true,
		"jaegertracing/jaeger:3.0.0":                  true,
		"mirror.test:5000/own/jaeger:2.21":            true,
		"jaegertracing/jaeger:latest":                 true,
		"jaegertracing/jaeger" + digest:               true,
		"mirror.test/traces:1.0.0":                    true,
		"jaegertracing/jaeger:2.20.0":                 false,
		"jaegertracing/jaeger:2.21.0-rc1":             false,
		"jaegertracing/jaeger:2.20.0" + digest:        false,
		"quay.io/jaegertracing/jaeger:v2.3.0":         false,
		"mirror.test:5000/own/jaeger:2.20.1" + digest: false,
	} {
		for _, server := range []map[string]any{{"password": "Hunter2-and-more"}, {"url": "https://search.test"}} {
			config := jaegerServer(t, "opensearch", server)
			config["kubetracing:jaeger"] = strings.Replace(config["kubetracing:jaeger"], "{", fmt.Sprintf(`{"image": %q, `, image), 1)
			stack, err := stacks.New("kubetracing", "dev", config)
			require.NoError(t, err, image)
			assert.Equal(t, synchronous, stack.JaegerSpec().Server.Synchronous, image)
		}
	}
}

func TestStack_ClusterSpec(t *testing.T) {
	t.Parallel()

	stack, err := stacks.New("kubetracing", "sampled", map[string]string{
		"kubetracing:cluster":  `{"kubernetes": "1.31", "servers": 3, "agents": 2, "apiPort": 7550}`,
		"kubetracing:network":  `{"subnet": "172.30.8.0/22"}`,
		"kubetracing:sampling": `{"apiserver": 1, "etcd": 2, "kubelet": 3, "runtime": 4, "collector": 5}`,
		"kubetracing:runtime": `{"name": "crio", "oci": "crun", "runtimeClasses": ["runc", "youki"],
			"bundle": {"directory": "bundle"}, "version": "1.34.0"}`,
	})
	require.NoError(t, err)
	release, err := tracing.ResolveRelease("1.31")
	require.NoError(t, err)
	subnet, err := tracing.ParseSubnet("172.30.8.0/22")
	require.NoError(t, err)
	assert.Equal(t, tracing.ClusterSpec{
		Name:    "kubetracing-sampled",
		Release: release,
		Runtime: tracing.Runtime{
			Name: tracing.RuntimeCRIO, CRIO: tracing.CRIORelease{Version: "1.34.0", ConmonRs: "0.8.0"},
			Default: tracing.OCICrun, Classes: []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCIYouki},
		},
		Servers:      3,
		Agents:       2,
		Network:      "kubetracing-sampled",
		Subnet:       subnet,
		Receiver:     tracing.CollectorAlias,
		ConfigVolume: "kubetracing-sampled-tracing",
		APIPort:      7550,
		OwnerLabel:   "kubetracing.stack=kubetracing/sampled",
		Sampling:     tracing.Sampling{APIServer: 1, Etcd: 2, Kubelet: 3, Runtime: 4, Collector: 5},
	}, stack.ClusterSpec())
}

func TestStack_CollectorSpec(t *testing.T) {
	t.Parallel()

	stack, err := stacks.New("kubetracing", "dev", map[string]string{
		"kubetracing:sampling": `{"collector": 250000}`,
		"kubetracing:collector": `{"debug": true, "exporters": [
			{"name": "tempo", "protocol": "grpc", "endpoint": "tempo:4317", "insecure": true}]}`,
	})
	require.NoError(t, err)
	assert.Equal(t, tracing.CollectorSpec{
		SamplingRate: 250_000,
		Debug:        true,
		Exporters:    []tracing.OTLPExporter{{Name: "tempo", Protocol: "grpc", Endpoint: "tempo:4317", Insecure: true}},
	}, stack.CollectorSpec())
}

func TestStack_JaegerSpec_Version(t *testing.T) {
	t.Parallel()

	assert.NotEmpty(t, jaegerVersionOf(t, stacks.DefaultJaegerImage))
	for image, version := range map[string]string{
		"jaegertracing/jaeger:2.22.0":                                   "2.22.0",
		"registry.example.com/mirror/jaeger:2.21":                       "2.21.0",
		"jaegertracing/jaeger:v2.21.0-rc1":                              "2.21.0-rc1",
		"jaegertracing/jaeger:2.20.0@sha256:" + strings.Repeat("a", 64): "2.20.0",
		"jaegertracing/jaeger@sha256:" + strings.Repeat("a", 64):        "",
		"jaegertracing/jaeger:latest":                                   "",
		"example.com/our-jaeger:2.21.0":                                 "",
	} {
		assert.Equal(t, version, jaegerVersionOf(t, image), image)
	}
}

// jaegerVersionOf returns the release of Jaeger for which the files of a stack with an
// image are rendered.
func jaegerVersionOf(t *testing.T, image string) string {
	t.Helper()
	stack, err := stacks.New("kubetracing", "dev", section("jaeger", `{"image": "`+image+`"}`))
	require.NoError(t, err)
	return stack.JaegerSpec().Version
}

func TestOpen_Expectations(t *testing.T) {
	t.Parallel()

	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "mine.yaml"), []byte("- {name: mine, spans: [{service: shop}]}"), 0o600))
	want := []verify.Expectation{{Name: "mine", Spans: []verify.SpanMatch{{Service: "shop"}}}}
	for _, file := range []string{"mine.yaml", filepath.Join(root, "mine.yaml")} {
		stack, err := stacks.Open(root, "kubetracing", "dev", section("verify", `{"expectations": "`+file+`"}`))
		require.NoError(t, err)
		assert.Equal(t, want, stack.Expectations)
	}
	stack, err := stacks.Open(root, "kubetracing", "dev", nil)
	require.NoError(t, err)
	assert.Empty(t, stack.Expectations)
}

func TestOpen_PhaseExpectations(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "mine.yaml"), []byte("- {name: pulls, phase: imagePull, maxDuration: 5s}"), 0o600))
	open := func(kubernetes string) error {
		_, err := stacks.Open(root, "kubetracing", "dev", map[string]string{
			"kubetracing:verify": `{"expectations": "mine.yaml"}`, "kubetracing:cluster": `{"kubernetes": "` + kubernetes + `"}`,
		})
		return err
	}
	require.NoError(t, open("1.27"))
	require.ErrorContains(t, open("1.26"),
		`kubetracing:verify.expectations: mine.yaml: "pulls" bounds a phase of pods, which kubelets name in their spans from Kubernetes 1.27 on`)
}

func TestOpen_InvalidExpectations(t *testing.T) {
	t.Parallel()

	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "mine.yaml"), []byte("- {name: mine}"), 0o600))
	_, err := stacks.Open(root, "kubetracing", "dev", map[string]string{
		"kubetracing:verify": `{"expectations": "mine.yaml"}`, "kubetracing:cluster": `{"servers": 0}`,
	})
	require.EqualError(t, err, "the stack configuration has 2 mistakes:\n"+
		"  - kubetracing:cluster.servers: 0: must be at least 1\n"+
		"  - kubetracing:verify.expectations: mine.yaml: read expectations: [0].spans: must name at least one span")

	_, err = stacks.Open(root, "kubetracing", "dev", section("verify", `{"expectations": "none.yaml"}`))
	require.ErrorContains(t, err, "kubetracing:verify.expectations: none.yaml: must be a file; relative paths are below the project's root")
	_, err = stacks.Open(root, "kubetracing", "dev", section("verify", `{"expectations": "."}`))
	require.ErrorContains(t, err, "kubetracing:verify.expectations: .: must be readable: ")
}

func TestStack_Runtime(t *testing.T) {
	t.Parallel()

	for minor, version := range map[string]string{"1.25": "1.25.4", "1.30": "1.30.13", "1.36": "1.36.3"} {
		stack, err := stacks.New("kubetracing", "crio", map[string]string{
			"kubetracing:cluster": `{"kubernetes": "` + minor + `"}`,
			"kubetracing:runtime": `{"name": "crio"}`,
		})
		require.NoError(t, err)
		assert.Equal(t, version, stack.Runtime().CRIO.Version, "CRI-O for Kubernetes %s", minor)
	}
	stack, err := stacks.New("kubetracing", "dev", nil)
	require.NoError(t, err)
	assert.Equal(t, tracing.Runtime{Name: tracing.RuntimeContainerd, Default: tracing.OCIRunc}, stack.Runtime())
}

func TestStack_Notes(t *testing.T) {
	t.Parallel()

	bundle := `"bundle": {"directory": "bundle"}, `
	tests := map[string]struct {
		kubernetes, runtime string
		want                []string
	}{
		"containerd promises nothing that it does not keep": {"1.37", `{"name": "containerd", "runtimeClasses": ["runc", "crun"]}`, nil},
		"a conmon-rs that joins CRI-O's traces":             {"1.31", `{"name": "crio"}`, nil},
		"a conmon-rs that joins CRI-O's traces, from another bundle": {
			"1.36", `{"name": "crio", "monitor": {"crio": "1.31.13"}}`, nil,
		},
		"a conmon-rs with traces of its own": {"1.36", `{"name": "crio"}`, []string{
			"conmon-rs 0.8.0 sends its spans in traces of its own, not in those of CRI-O: runtime.monitor.crio 1.31.13 chooses one that joins them.",
		}},
		"a conmon-rs that a custom bundle declares": {
			"1.36", `{"name": "crio", ` + bundle + `"monitor": {"version": "0.6.6"}}`, nil,
		},
		"a bundle without conmon-rs": {"1.27", `{"name": "crio"}`, []string{
			"The bundle of CRI-O 1.27.4 has no conmon-rs: conmon, which knows no tracing, watches the containers.",
		}},
		"a conmon-rs without tracing": {"1.37", `{"name": "crio", ` + bundle + `"version": "1.37.0"}`, []string{
			"conmon-rs 1.0.1, which comes with CRI-O 1.37.0, is compiled without tracing: it sends no spans.",
		}},
		"an OCI runtime that conmon-rs cannot run": {"1.31", `{"name": "crio", ` + bundle + `"oci": "youki"}`, []string{
			"youki does not run under conmon-rs: conmon, which knows no tracing, watches its containers.",
		}},
		"an old bundle for a new Kubernetes": {"1.37", `{"name": "crio", ` + bundle + `"version": "1.31.0"}`, nil},
		"a kubelet that names no pods": {"1.26", `{"name": "containerd", "runtimeClasses": ["runc", "crun"]}`, []string{
			"The kubelet of v1.26.15+k3s1 names no pod in its spans: the traces of the RuntimeClasses cannot be told apart.",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stack, err := stacks.New("kubetracing", "dev", map[string]string{
				"kubetracing:cluster": `{"kubernetes": "` + test.kubernetes + `"}`,
				"kubetracing:runtime": test.runtime,
			})
			require.NoError(t, err)
			assert.Equal(t, test.want, stack.Notes())
		})
	}
}

// A majority of two is two.
func TestStack_Notes_TwoServers(t *testing.T) {
	t.Parallel()

	note := "Two servers tolerate the loss of neither: etcd needs a majority of its members. Three tolerate the loss of one."
	for servers, want := range map[string][]string{"1": nil, "2": {note}, "3": nil} {
		stack, err := stacks.New("kubetracing", "dev", section("cluster", `{"servers": `+servers+`}`))
		require.NoError(t, err)
		assert.Equal(t, want, stack.Notes(), servers)
	}
}
