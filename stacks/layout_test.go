package stacks_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/components/workloads/catalog"
	"github.com/kubetracing/kubetracing/stacks"
)

// names returns the names of expectations.
func names(expectations []verify.Expectation) []string {
	var names []string
	for _, expectation := range expectations {
		names = append(names, expectation.Name)
	}
	return names
}

func TestStack_Layout(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "mine.yaml"), []byte("- {name: mine, spans: [{service: shop}]}"), 0o600))
	stack, err := stacks.Open(root, "kubetracing", "dev", map[string]string{
		"kubetracing:cluster":   `{"servers":2,"agents":1}`,
		"kubetracing:jaeger":    `{"uiPort":26686,"storage":"opensearch","server":{"password":"Tr4ces!!"}}`,
		"kubetracing:workloads": `["echo","traced-app"]`,
		"kubetracing:verify":    `{"expectations":"mine.yaml"}`,
	})
	require.NoError(t, err)
	layout := stack.Layout()
	assert.Equal(t, stack.ClusterSpec(), layout.Cluster)
	assert.Equal(t, root, stack.Root)
	nodes := []string{"k3d-kubetracing-dev-server-0", "k3d-kubetracing-dev-server-1", "k3d-kubetracing-dev-agent-0"}
	assert.Equal(t, nodes, layout.Nodes)
	assert.Equal(t, append([]string{"kubetracing-dev-opensearch", "kubetracing-dev-jaeger", "kubetracing-dev-collector"}, nodes...), layout.Containers)
	assert.Equal(t, "http://127.0.0.1:26686", layout.JaegerURL)
	assert.Equal(t, catalog.Target{
		Cluster: stack.ClusterSpec(), CollectorRate: tracing.SamplingRateMax, OTLPAddress: stack.Subnet.Collector(),
	}, layout.Workloads)
	assert.Equal(t, []string{"apiserver", "etcd with apiserver", "kubelet", "containerd"}, names(layout.Expected.Services))
	assert.Equal(t, []string{"echo", "traced-app"}, names(layout.Expected.Workloads))
	assert.Equal(t, []string{"mine"}, names(layout.Expected.Own))
	assert.Equal(t, []string{"apiserver", "etcd with apiserver", "kubelet", "containerd", "echo", "traced-app", "mine"}, names(layout.Expected.All()))
}

func TestStack_Layout_Changes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config              map[string]string
		containers          []string
		services, workloads []string
	}{
		"without a Collector": {
			section("collector", `{"enabled":false}`),
			[]string{"kubetracing-dev-jaeger", "k3d-kubetracing-dev-server-0"},
			[]string{"apiserver", "etcd with apiserver", "kubelet", "containerd"},
			[]string{"echo"},
		},
		"without workloads, with the kubelet alone": {
			merged(section("workloads", `[]`), section("sampling", `{"apiserver":0,"etcd":0,"runtime":0}`)),
			[]string{"kubetracing-dev-jaeger", "kubetracing-dev-collector", "k3d-kubetracing-dev-server-0"},
			[]string{"kubelet"},
			nil,
		},
		"with a Collector that drops everything": {
			section("sampling", `{"collector":0}`),
			[]string{"kubetracing-dev-jaeger", "kubetracing-dev-collector", "k3d-kubetracing-dev-server-0"},
			nil, nil,
		},
		"with tail sampling": {
			section("collector", `{"tailSampling":{"ratePerMillion":0}}`),
			[]string{"kubetracing-dev-jaeger", "kubetracing-dev-collector", "k3d-kubetracing-dev-server-0"},
			nil, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stack, err := stacks.New("kubetracing", "dev", test.config)
			require.NoError(t, err)
			layout := stack.Layout()
			assert.Equal(t, test.containers, layout.Containers)
			assert.Equal(t, test.services, names(layout.Expected.Services))
			assert.Equal(t, test.workloads, names(layout.Expected.Workloads))
		})
	}
	stack, err := stacks.New("kubetracing", "dev", section("collector", `{"enabled":false}`))
	require.NoError(t, err)
	assert.Equal(t, stack.Subnet.Jaeger(), stack.Layout().Workloads.OTLPAddress)
}

func TestStack_Named(t *testing.T) {
	t.Parallel()
	stack, err := stacks.New("kubetracing", "dev", nil)
	require.NoError(t, err)
	two, err := stack.Named("two")
	require.NoError(t, err)
	assert.Equal(t, "kubetracing-dev-two", two.Names.Cluster)
	assert.Equal(t, "kubetracing/dev", two.Names.Owner, "it is still the same stack")
	assert.NotEqual(t, stack.Subnet, two.Subnet)
	assert.Equal(t, []string{"k3d-kubetracing-dev-two-server-0"}, two.Layout().Nodes)
	three, err := stack.Named("three")
	require.NoError(t, err)
	assert.NotEqual(t, two.Subnet, three.Subnet)
	assert.Equal(t, "kubetracing-dev", stack.Names.Cluster, "the first one is unchanged")

	chosen, err := stacks.New("kubetracing", "dev", section("network", `{"subnet":"172.30.8.0/22"}`))
	require.NoError(t, err)
	two, err = chosen.Named("two")
	require.NoError(t, err)
	assert.Equal(t, "172.30.8.0/22", two.Subnet.String(), "a chosen one is kept")

	for _, suffix := range []string{"Two", "-", strings.Repeat("a", 20)} {
		_, err := stack.Named(suffix)
		var problems stacks.Problems
		require.ErrorAs(t, err, &problems, suffix)
		assert.Equal(t, "kubetracing-dev-"+suffix, problems[0].Value)
	}
}

func TestNames_Docker(t *testing.T) {
	t.Parallel()
	data := []string{"kubetracing-dev-jaeger", "kubetracing-dev-collector", "kubetracing-dev-opensearch", "kubetracing-dev-elasticsearch"}
	assert.Equal(t, spec.Names{
		Stack: "kubetracing/dev", Cluster: "kubetracing-dev",
		Networks:   []string{"kubetracing-dev"},
		Volumes:    append([]string{"kubetracing-dev-tracing"}, data...),
		Containers: append([]string{"kubetracing-dev-cleaner"}, data...),
	}, stacks.NewNames("kubetracing", "dev").Docker())
}

func TestWorkloads_AreThoseOfTheCatalog(t *testing.T) {
	t.Parallel()
	all := `["` + strings.Join(catalog.Names(), `","`) + `"]`
	stack, err := stacks.New("kubetracing", "dev", section("workloads", all))
	require.NoError(t, err)
	assert.Len(t, stack.Settings.Workloads, len(catalog.All()))
	assert.Equal(t, []stacks.Problem{{
		Field: "kubetracing:workloads[0]", Value: "ecco", Rule: "must be one of: " + strings.Join(catalog.Names(), ", "),
	}}, problemsOf(t, section("workloads", `["ecco"]`)))

	project, err := os.ReadFile("../Pulumi.yaml")
	require.NoError(t, err)
	words := strings.Join(strings.Fields(string(project)), " ")
	for _, workload := range catalog.All() {
		assert.Contains(t, words, workload.Name+" ("+workload.Summary+")", "the documentation of the setting")
	}
}
