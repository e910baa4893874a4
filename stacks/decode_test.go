package stacks_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/stacks"
)

func TestNew_EveryKey(t *testing.T) {
	t.Parallel()

	grpc, http := 14317, 14318
	digest := "9d68969855fbf676cdb8ed758e420fb048d61f984f61de3e53eddfebe484d168"
	settings := settingsOf(t, map[string]string{
		"kubetracing:cluster": `{"kubernetes": "v1.30.14+k3s2", "image": "registry.test/k3s:v1.30.14-k3s2",
			"servers": 3, "agents": 2, "apiPort": 7550}`,
		"kubetracing:runtime": `{"name": "crio", "oci": "crun", "runtimeClasses": ["youki", "crun"], "version": "1.34.0",
			"bundle": {"url": "https://mirror.test/cri-o.tar.gz", "sha256": "` + digest + `"},
			"ociBundles": {"crun": {"directory": "oci"}, "youki": {"directory": "oci"}}}`,
		"kubetracing:sampling": `{"apiserver": 1, "etcd": 2, "kubelet": 3, "runtime": 4, "collector": 1000000}`,
		"kubetracing:jaeger":   `{"image": "registry.test/jaeger:2", "uiPort": 17686, "storage": "badger", "retention": "48h", "maxTraces": 5}`,
		"kubetracing:collector": `{"image": "registry.test/collector:0.1", "otlpGrpcPort": 14317, "otlpHttpPort": 14318,
			"debug": true, "queue": "memory",
			"tailSampling": {"slowerThan": "1s", "ratePerMillion": 6, "wait": "20s"}, "exporters": [
				{"name": "tempo", "protocol": "grpc", "endpoint": "tempo:4317", "insecure": true,
					"headers": {"x-tenant": "one", "authorization": "Bearer two"}},
				{"name": "vendor", "protocol": "http", "endpoint": "https://otlp.test/v1"}]}`,
		"kubetracing:workloads": `["echo"]`,
		"kubetracing:verify":    `{"enabled": false, "timeout": "3m30s"}`,
	})

	assert.Equal(t, stacks.Settings{
		Cluster: stacks.ClusterSettings{
			Kubernetes: "v1.30.14+k3s2", Image: "registry.test/k3s:v1.30.14-k3s2", Servers: 3, Agents: 2, APIPort: 7550,
		},
		Runtime: stacks.RuntimeSettings{
			Name: "crio", OCI: "crun", RuntimeClasses: []tracing.OCIRuntime{"youki", "crun"}, Version: "1.34.0",
			Bundle: &stacks.BundleSettings{URL: "https://mirror.test/cri-o.tar.gz", SHA256: digest},
			OCIBundles: stacks.OCIBundleSettings{
				Crun: &stacks.BundleSettings{Directory: "oci"}, Youki: &stacks.BundleSettings{Directory: "oci"},
			},
		},
		Sampling: stacks.SamplingSettings{APIServer: 1, Etcd: 2, Kubelet: 3, Runtime: 4, Collector: 1_000_000},
		Jaeger:   stacks.JaegerSettings{Image: "registry.test/jaeger:2", UIPort: 17686, Storage: "badger", Retention: 48 * time.Hour, MaxTraces: 5},
		Collector: stacks.CollectorSettings{
			Enabled: true, Image: "registry.test/collector:0.1", OTLPGRPCPort: &grpc, OTLPHTTPPort: &http, Debug: true, Queue: "memory",
			TailSampling: &stacks.TailSamplingSettings{SlowerThan: time.Second, Rate: 6, Wait: 20 * time.Second},
			Exporters: []stacks.ExporterSettings{
				{
					Name: "tempo", Protocol: "grpc", Endpoint: "tempo:4317", Insecure: true,
					Headers: map[string]stacks.Secret{"x-tenant": "one", "authorization": "Bearer two"},
				},
				{Name: "vendor", Protocol: "http", Endpoint: "https://otlp.test/v1"},
			},
		},
		Workloads: []stacks.Workload{"echo"},
		Verify:    stacks.VerifySettings{Enabled: false, Timeout: 3*time.Minute + 30*time.Second},
	}, settings)
}

func TestNew_Defaults(t *testing.T) {
	t.Parallel()

	changed := func(change func(*stacks.Settings)) stacks.Settings {
		settings := stacks.Defaults()
		change(&settings)
		return settings
	}
	tests := map[string]struct {
		config map[string]string
		want   stacks.Settings
	}{
		"nothing configured is the defaults": {
			config: nil,
			want:   stacks.Defaults(),
		},
		"an empty section is its defaults": {
			config: section("sampling", `{}`),
			want:   stacks.Defaults(),
		},
		"sections with nothing below are their defaults": {
			config: map[string]string{"kubetracing:cluster": "", "kubetracing:workloads": "", "kubetracing:jaeger": ""},
			want:   stacks.Defaults(),
		},
		"a null keeps the default": {
			config: section("cluster", `{"apiPort": null}`),
			want:   stacks.Defaults(),
		},
		"one key leaves its neighbours at their defaults": {
			config: section("cluster", `{"agents": 2}`),
			want:   changed(func(s *stacks.Settings) { s.Cluster.Agents = 2 }),
		},
		"an unquoted version keeps its digits": {
			config: section("cluster", `{"kubernetes": 1.36}`),
			want:   changed(func(s *stacks.Settings) { s.Cluster.Kubernetes = "1.36" }),
		},
		"an empty workload list replaces the default": {
			config: section("workloads", `[]`),
			want:   changed(func(s *stacks.Settings) { s.Workloads = []stacks.Workload{} }),
		},
		"a directory is a bundle of its own": {
			config: section("runtime", `{"bundle": {"directory": "bundles/containerd"}}`),
			want: changed(func(s *stacks.Settings) {
				s.Runtime.Bundle = &stacks.BundleSettings{Directory: "bundles/containerd"}
			}),
		},
		"switched off is not the same as absent": {
			config: section("verify", `{"enabled": false}`),
			want:   changed(func(s *stacks.Settings) { s.Verify.Enabled = false }),
		},
		"keys of other namespaces are ignored": {
			config: map[string]string{
				"pulumi:disable-default-providers": `["kubernetes"]`,
				"docker:host":                      "tcp://127.0.0.1:2375",
				"kubernetes:sampling":              `{"kubelet": "high"}`,
				"sampling":                         "high",
			},
			want: stacks.Defaults(),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, settingsOf(t, test.config))
		})
	}
}

// A rate of 0 means "off". A decoder that takes the zero value for "not set"
// would sample everything instead.
func TestNew_RateZero(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		key  string
		rate func(*stacks.SamplingSettings) *int
	}{
		"of kube-apiserver":        {"apiserver", func(s *stacks.SamplingSettings) *int { return &s.APIServer }},
		"of etcd":                  {"etcd", func(s *stacks.SamplingSettings) *int { return &s.Etcd }},
		"of the kubelet":           {"kubelet", func(s *stacks.SamplingSettings) *int { return &s.Kubelet }},
		"of the container runtime": {"runtime", func(s *stacks.SamplingSettings) *int { return &s.Runtime }},
		"of the Collector":         {"collector", func(s *stacks.SamplingSettings) *int { return &s.Collector }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := stacks.Defaults()
			*test.rate(&want.Sampling) = 0
			require.NotEqual(t, want, stacks.Defaults(), "the default must not be 0 already")
			assert.Equal(t, want, settingsOf(t, section("sampling", fmt.Sprintf(`{%q: 0}`, test.key))))
		})
	}
}

func TestNew_DecodingMistakes(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		config map[string]string
		want   []stacks.Problem
	}{
		"an unknown section": {
			config: section("samplng", `{"kubelet": 0}`),
			want: []stacks.Problem{{
				Field: "kubetracing:samplng", Rule: "unknown key; the nearest valid one is kubetracing:sampling",
			}},
		},
		"a key at the top that belongs into a section": {
			config: section("kubelet", `5`),
			want: []stacks.Problem{{
				Field: "kubetracing:kubelet", Rule: "unknown key; the nearest valid one is kubetracing:sampling.kubelet",
			}},
		},
		"an unknown key of a section": {
			config: section("sampling", `{"kublet": 0}`),
			want: []stacks.Problem{{
				Field: "kubetracing:sampling.kublet", Rule: "unknown key; the nearest valid one is kubetracing:sampling.kubelet",
			}},
		},
		"a key in another case": {
			config: section("cluster", `{"apiport": 7000}`),
			want: []stacks.Problem{{
				Field: "kubetracing:cluster.apiport", Rule: "unknown key; the nearest valid one is kubetracing:cluster.apiPort",
			}},
		},
		"an unknown key of a bundle": {
			config: section("runtime", `{"bundle": {"directory": "bundle", "sha265": ""}}`),
			want: []stacks.Problem{{
				Field: "kubetracing:runtime.bundle.sha265", Rule: "unknown key; the nearest valid one is kubetracing:runtime.bundle.sha256",
			}},
		},
		"an unknown key of an exporter": {
			config: section("collector",
				`{"exporters": [{"name": "tempo", "protocol": "grpc", "endpoint": "tempo:4317", "insecur": true}]}`),
			want: []stacks.Problem{{
				Field: "kubetracing:collector.exporters[0].insecur",
				Rule:  "unknown key; the nearest valid one is kubetracing:collector.exporters.insecure",
			}},
		},
		"unknown keys in alphabetical order": {
			config: merged(section("verify", `{"timeut": "1m"}`), section("cluster", `{"server": 1}`)),
			want: []stacks.Problem{
				{Field: "kubetracing:cluster.server", Rule: "unknown key; the nearest valid one is kubetracing:cluster.servers"},
				{Field: "kubetracing:verify.timeut", Rule: "unknown key; the nearest valid one is kubetracing:verify.timeout"},
			},
		},
		"a fraction where an integer belongs": {
			config: section("sampling", `{"kubelet": 0.5}`),
			want:   []stacks.Problem{{"kubetracing:sampling.kubelet", "0.5", "must be an integer"}},
		},
		"an exponent where an integer belongs": {
			config: section("sampling", `{"kubelet": 1e6}`),
			want:   []stacks.Problem{{"kubetracing:sampling.kubelet", "1e6", "must be an integer"}},
		},
		"a word where an integer belongs": {
			config: section("sampling", `{"kubelet": "high"}`),
			want:   []stacks.Problem{{"kubetracing:sampling.kubelet", "high", "must be an integer"}},
		},
		"a number in quotes where an integer belongs": {
			config: section("cluster", `{"servers": "3"}`),
			want:   []stacks.Problem{{"kubetracing:cluster.servers", "3", "must be an integer"}},
		},
		"a number that does not fit into an integer": {
			config: section("sampling", `{"etcd": 99999999999999999999}`),
			want:   []stacks.Problem{{"kubetracing:sampling.etcd", "99999999999999999999", "must be an integer"}},
		},
		"a word where a boolean belongs": {
			config: section("collector", `{"debug": "yes"}`),
			want:   []stacks.Problem{{"kubetracing:collector.debug", "yes", "must be true or false"}},
		},
		"a boolean where a string belongs": {
			config: section("jaeger", `{"image": true}`),
			want:   []stacks.Problem{{"kubetracing:jaeger.image", "true", "must be a string"}},
		},
		"a boolean where a duration belongs": {
			config: section("verify", `{"timeout": true}`),
			want:   []stacks.Problem{{"kubetracing:verify.timeout", "true", "must be a duration, such as 120s"}},
		},
		"a duration without a unit": {
			config: section("verify", `{"timeout": "2"}`),
			want:   []stacks.Problem{{"kubetracing:verify.timeout", "2", "must be a duration, such as 120s"}},
		},
		"an unknown key beside a value of the wrong type": {
			config: section("sampling", `{"kubelet": "high", "kublet": 1}`),
			want: []stacks.Problem{
				{Field: "kubetracing:sampling.kublet", Rule: "unknown key; the nearest valid one is kubetracing:sampling.kubelet"},
				{Field: "kubetracing:sampling.kubelet", Value: "high", Rule: "must be an integer"},
			},
		},
		"what stands below an unknown key only once": {
			config: section("colector", `{"debug": true, "exporters": []}`),
			want: []stacks.Problem{{
				Field: "kubetracing:colector", Rule: "unknown key; the nearest valid one is kubetracing:collector",
			}},
		},
		"a text where a section belongs": {
			config: section("network", `dev`),
			want:   []stacks.Problem{{"kubetracing:network", "dev", "must be an object"}},
		},
		"a list where a section belongs": {
			config: section("runtime", `{"bundle": [1]}`),
			want:   []stacks.Problem{{"kubetracing:runtime.bundle", "[1]", "must be an object"}},
		},
		"a text where a list belongs": {
			config: section("workloads", `echo`),
			want:   []stacks.Problem{{"kubetracing:workloads", "echo", "must be a list"}},
		},
		"a number where a duration belongs": {
			config: section("verify", `{"timeout": 120}`),
			want:   []stacks.Problem{{"kubetracing:verify.timeout", "120", "must be a duration, such as 120s"}},
		},
		"two values": {
			config: section("cluster", `{"servers": 1} {"servers": 2}`),
			want: []stacks.Problem{{
				Field: "kubetracing:cluster", Rule: "must be an object or a list: something follows its JSON at character 16",
			}},
		},
		"an element of the wrong type, by the type of an element": {
			config: section("workloads", `[true]`),
			want:   []stacks.Problem{{"kubetracing:workloads[0]", "true", "must be a string"}},
		},
		"a path that is a key of its own": {
			config: map[string]string{
				"kubetracing:cluster.kubernetes": "1.36", "kubetracing:collector.exporters[0].headers.authorization": "hunter2",
			},
			want: []stacks.Problem{
				{Field: "kubetracing:cluster.kubernetes", Rule: "is a path, but was set as a key of its own: remove it and write " +
					"`pulumi config set --path 'kubetracing:cluster.kubernetes' VALUE`"},
				{Field: "kubetracing:collector.exporters[0].headers.authorization", Rule: "is a path, but was set as a key of its own: " +
					"remove it and write `pulumi config set --path 'kubetracing:collector.exporters[0].headers.authorization' VALUE`"},
			},
		},
		"a misspelled path that is a key of its own": {
			config: map[string]string{"kubetracing:cluster.kubernets": "1.36"},
			want: []stacks.Problem{{Field: "kubetracing:cluster.kubernets", Rule: "unknown key; the nearest valid one is " +
				"kubetracing:cluster.kubernetes, which `pulumi config set` sets with --path"}},
		},
		"a section that does not exist, with nothing below": {
			config: section("samplng", ""),
			want:   []stacks.Problem{{Field: "kubetracing:samplng", Rule: "unknown key; the nearest valid one is kubetracing:sampling"}},
		},
		"JSON with a mistake, which may hold a password": {
			config: section("jaeger", `{"server": {"password": "hunter2}}`),
			want:   []stacks.Problem{{Field: "kubetracing:jaeger", Rule: "must be an object or a list: its JSON ends too early"}},
		},
		"JSON with a mistake in the middle": {
			config: section("jaeger", `{"server": {"password": hunter2}}`),
			want:   []stacks.Problem{{Field: "kubetracing:jaeger", Rule: "must be an object or a list: its JSON is malformed at character 25"}},
		},
		"a text that is not JSON": {
			config: section("cluster", `{"servers": 1`),
			want:   []stacks.Problem{{Field: "kubetracing:cluster", Rule: "must be an object or a list: its JSON ends too early"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, problemsOf(t, test.config))
		})
	}
}

// A project made from the template has a name of its own, and with it another
// namespace. Its author's first stack file is often a copy of ours.
func TestNew_ProjectNamespace(t *testing.T) {
	t.Parallel()

	stack, err := stacks.New("lab", "dev", map[string]string{"lab:sampling": `{"kubelet": 7}`})
	require.NoError(t, err)
	assert.Equal(t, 7, stack.Settings.Sampling.Kubelet)
	assert.Equal(t, "lab", stack.Project)

	_, err = stacks.New("lab", "dev", map[string]string{
		"kubetracing:sampling": `{"kubelet": 7}`,
		"lab:sampling":         `{"kublet": 7}`,
	})
	var problems stacks.Problems
	require.ErrorAs(t, err, &problems)
	assert.Equal(t, stacks.Problems{
		{
			Field: "kubetracing:sampling",
			Rule:  "belongs to a project named kubetracing, but this one is named lab: write lab:sampling",
		},
		{
			Field: "lab:sampling.kublet",
			Rule:  "unknown key; the nearest valid one is lab:sampling.kubelet",
		},
	}, problems)
}

func FuzzNew(f *testing.F) {
	for _, seed := range [][3]string{
		{"dev", "sampling", `{"kubelet": 0}`},
		{"dev", "sampling", `{"kubelet": "high", "unknown": [null]}`},
		{"dev", "cluster", `{"kubernetes": 1.3, "servers": -1, "image": "::"}`},
		{"dev", "cluster", `{"kubernetes": "v1.36.2-k3s1"}`},
		{"UP_per", "workloads", `["echo", "echo", 1, null, {}]`},
		{"dev", "workloads", `echo`},
		{"dev", "collector", `{"exporters": [{"name": "jaeger", "protocol": "http", "endpoint": "%"}, [], 1]}`},
		{"dev", "runtime", `{"bundle": {"url": "://", "sha256": 1}}`},
		{"dev", "verify", `{"timeout": "0s"}`},
		{"dev", "verify", `{"timeout": 120}`},
		{"dev", "verify", `[`},
		{"", "", ``},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, name, key, value string) {
		stack, err := stacks.New("kubetracing", name, section(key, value))
		if err == nil {
			assert.Equal(t, "kubetracing-"+name, stack.Names.Cluster)
			assert.NotEmpty(t, stack.Release.Kubernetes)
			assert.NotEmpty(t, stack.BaseImage())
			return
		}
		var problems stacks.Problems
		if !errors.As(err, &problems) {
			t.Fatalf("%T is not Problems: %v", err, err)
		}
		require.NotEmpty(t, problems)
		for _, problem := range problems {
			assert.NotEmpty(t, problem.Field, "field of %+v", problem)
			assert.NotEmpty(t, problem.Rule, "rule of %+v", problem)
		}
	})
}
