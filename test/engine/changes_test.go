package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Changes that come together. A component's own line shows the settings; the rest
// are the resources that follow from them.
var (
	nodesRestarted = []string{
		"update cluster", "update node-config-files", "update cluster-k3d", "update verification-services",
	}
	clusterReplaced = []string{
		"replace cluster-k3d", "replace cluster-kubeconfig", "replace cluster-kubernetes",
		"replace workloads-namespace", "replace workloads-echo",
		"update workloads-echo-started", "update verification-services", "update verification-echo",
	}
	nodeImageRebuilt  = []string{"update node-image-build", "replace node-image-present"}
	collectorReplaced = []string{
		"update collector", "replace collector-container", "update collector-healthy", "update verification-services",
	}
	jaegerReplaced = []string{
		"update jaeger", "replace jaeger-container", "update jaeger-healthy", "update verification-services",
	}
)

func union(parts ...[]string) []string {
	all := slices.Concat(parts...)
	slices.Sort(all)
	return slices.Compact(all)
}

func TestStack_Changes(t *testing.T) {
	t.Parallel()
	base := newHost(t)
	base.stack(t, "dev", nil).mustUp(t)

	tests := map[string]struct {
		config map[string]string
		want   []string
		// order are operations that must follow one another.
		order []string
	}{
		"kube-apiserver's rate restarts the nodes in place": {
			map[string]string{"kubetracing:sampling": `{"apiserver":10}`},
			nodesRestarted,
			[]string{"update node-config-files", "update cluster-k3d", "update verification-services"},
		},
		"kubelet's rate does too, and a single pod's trace is no longer certain": {
			map[string]string{"kubetracing:sampling": `{"kubelet":10}`},
			union(nodesRestarted, []string{"update verification-echo"}), nil,
		},
		"containerd's rate does too": {
			map[string]string{"kubetracing:sampling": `{"runtime":0}`},
			union(nodesRestarted, []string{"update verification-echo"}), nil,
		},
		"etcd's rate does too": {
			map[string]string{"kubetracing:sampling": `{"etcd":10}`},
			nodesRestarted, nil,
		},
		"an etcd rate of 0 replaces the cluster with one without etcd": {
			map[string]string{"kubetracing:sampling": `{"etcd":0}`},
			union(clusterReplaced, []string{"update cluster", "update node-config-files"}), nil,
		},
		"the Collector's rate replaces the Collector alone": {
			map[string]string{"kubetracing:sampling": `{"collector":10}`},
			union(collectorReplaced, []string{"update verification-echo"}),
			[]string{"delete collector-container", "create collector-container", "update collector-healthy", "update verification-services"},
		},
		"the Collector's configuration replaces the Collector alone": {
			map[string]string{"kubetracing:collector": `{"debug":true}`},
			collectorReplaced,
			[]string{"delete collector-container", "create collector-container", "update collector-healthy", "update verification-services"},
		},
		"the Collector's image replaces the Collector alone": {
			map[string]string{"kubetracing:collector": `{"image":"otel/opentelemetry-collector:0.160.0"}`},
			union(collectorReplaced, []string{"replace collector-image"}),
			[]string{"create collector-image", "create collector-container"},
		},
		"Jaeger's image replaces Jaeger alone": {
			map[string]string{"kubetracing:jaeger": `{"image":"jaegertracing/jaeger:2.19.0"}`},
			union(jaegerReplaced, []string{"replace jaeger-image"}),
			[]string{
				"create jaeger-image", "delete jaeger-container", "create jaeger-container", "update jaeger-healthy", "update verification-services",
			},
		},
		"Jaeger's port replaces Jaeger alone": {
			map[string]string{"kubetracing:jaeger": `{"uiPort":26686}`},
			union(jaegerReplaced, []string{"update verification-echo"}),
			[]string{"delete jaeger-container", "create jaeger-container"},
		},
		"OpenSearch storage adds a server, an index cleaner and queues on disk": {
			map[string]string{"kubetracing:jaeger": `{"storage":"opensearch","server":{"password":"Tr4ces!!"}}`},
			union(jaegerReplaced, collectorReplaced, []string{
				// The containers in which a cause is looked for.
				"update verification-echo",
				"create server", "create server-image", "create server-volume", "create server-volume-owner", "create server-container",
				"create server-healthy",
				"create index-cleaner", "create index-cleaner-image", "create index-cleaner-container",
				"replace collector-image", "create collector-volume", "create collector-volume-owner",
			}),
			[]string{
				"create server-volume-owner", "create server-container", "create server-healthy",
				"create jaeger-container", "update jaeger-healthy", "create collector-container",
			},
		},
		"an existing Elasticsearch adds an index cleaner and queues on disk": {
			map[string]string{"kubetracing:jaeger": `{"storage":"elasticsearch","server":{"url":"http://search.test:9200"}}`},
			union(jaegerReplaced, collectorReplaced, []string{
				"create index-cleaner", "create index-cleaner-image", "create index-cleaner-container",
				"replace collector-image", "create collector-volume", "create collector-volume-owner",
				// A server must not be asked for what is older than the retention.
				"update verification-echo",
			}), nil,
		},
		"a different Kubernetes version replaces the cluster": {
			map[string]string{"kubetracing:cluster": `{"kubernetes":"1.36"}`},
			union(clusterReplaced, nodeImageRebuilt, []string{"update cluster", "update node-image"}),
			[]string{
				"create node-image-present", "delete cluster-k3d", "create cluster-k3d", "create cluster-kubeconfig",
				"create workloads-namespace", "create workloads-echo", "update workloads-echo-started", "update verification-echo", "delete node-image-present",
			},
		},
		"a different k3s image of the same version replaces the cluster": {
			map[string]string{"kubetracing:cluster": `{"image":"registry.example/k3s:v1.37.1-k3s1"}`},
			union(clusterReplaced, nodeImageRebuilt, []string{"update node-image"}),
			[]string{"create node-image-present", "delete cluster-k3d", "create cluster-k3d", "delete node-image-present"},
		},
		"a different containerd replaces the cluster": {
			map[string]string{"kubetracing:runtime": `{"bundle":{"url":"https://mirror.example/containerd.tar.gz","sha256":"` + strings.Repeat("a", 64) + `"}}`},
			union(clusterReplaced, nodeImageRebuilt), nil,
		},
		"an additional node replaces the cluster": {
			map[string]string{"kubetracing:cluster": `{"agents":1}`},
			union(clusterReplaced, []string{"update cluster", "update node-config-files"}),
			[]string{"delete cluster-k3d", "create cluster-k3d"},
		},
		"a different port of the Kubernetes API replaces the cluster": {
			map[string]string{"kubetracing:cluster": `{"apiPort":6551}`},
			clusterReplaced, nil,
		},
		"removing a workload removes only that": {
			map[string]string{"kubetracing:workloads": `[]`},
			[]string{"delete workloads-echo", "delete workloads-echo-started", "delete verification-echo", "update workloads"},
			nil,
		},
		"adding a workload leaves the others alone": {
			map[string]string{"kubetracing:workloads": `["echo", "crashloop"]`},
			[]string{"create workloads-crashloop", "create workloads-crashloop-started", "create verification-crashloop", "update workloads"},
			nil,
		},
		"disabling verification removes only that": {
			map[string]string{"kubetracing:verify": `{"enabled":false}`},
			[]string{"delete verification", "delete verification-services", "delete verification-echo"},
			nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := base.clone(t)
			s := h.stack(t, "dev", test.config)
			want := union(test.want)
			preview := s.preview(t)
			require.NoError(t, preview.err)
			assert.Equal(t, want, preview.changes, "the preview")
			assert.Equal(t, want, s.mustUp(t).changes, "the update")
			h.journal.drain().assertOrder(t, test.order...)
		})
	}
}

func TestStack_RateRestored(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	s := h.stack(t, "dev", nil)
	s.mustUp(t)
	before := h.journal.drain().only(t, "create", "node-config-files").inputs

	s.configure(t, map[string]string{"kubetracing:sampling": `{"apiserver":10}`})
	there := s.mustUp(t)
	changed := h.journal.drain().only(t, "update", "node-config-files").inputs
	assert.NotEqual(t, before.AsMap(), changed.AsMap())

	s.configure(t, nil)
	assert.Equal(t, there.changes, s.mustUp(t).changes)
	back := h.journal.drain().only(t, "update", "node-config-files").inputs
	assert.Equal(t, before.AsMap(), back.AsMap())
}

func TestStack_OpenSearchToElasticsearch(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	s := h.stack(t, "dev", map[string]string{"kubetracing:jaeger": `{"storage":"opensearch","server":{"password":"Tr4ces!!"}}`})
	s.mustUp(t)
	h.journal.drain()

	s.configure(t, map[string]string{"kubetracing:jaeger": `{"storage":"elasticsearch","server":{"password":"Tr4ces!!"}}`})
	want := union(jaegerReplaced, []string{
		"update server", "replace server-image", "replace server-container", "update server-healthy",
		"replace server-volume", "replace server-volume-owner",
		"update index-cleaner", "replace index-cleaner-container", "update verification-echo",
	})
	preview := s.preview(t)
	require.NoError(t, preview.err)
	assert.Equal(t, want, preview.changes, "the preview")
	assert.Equal(t, want, s.mustUp(t).changes, "the update")
	h.journal.drain().assertOrder(t,
		"delete server-container", "delete server-volume", "create server-volume", "create server-volume-owner",
		"create server-container", "update server-healthy", "create jaeger-container")
}
