package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What changes together. A component's own line is where a preview says what was
// chosen; the rest is what is done about it.
var (
	restart = []string{
		"update cluster", "update node-config-files", "update cluster-k3d", "update verification-services",
	}
	otherCluster = []string{
		"replace cluster-k3d", "replace cluster-kubeconfig", "replace cluster-kubernetes",
		"replace workloads-namespace", "replace workloads-echo",
		"update verification-services", "update verification-echo",
	}
	otherNodeImage = []string{"update node-image-build", "replace node-image-present"}
	otherCollector = []string{
		"update collector", "replace collector-container", "update collector-healthy", "update verification-services",
	}
	otherJaeger = []string{
		"update jaeger", "replace jaeger-container", "update jaeger-healthy", "update verification-services",
	}
)

func together(parts ...[]string) []string {
	all := slices.Concat(parts...)
	slices.Sort(all)
	return slices.Compact(all)
}

func TestAChangeTouchesExactlyWhatItMustAndThePreviewSaysSo(t *testing.T) {
	t.Parallel()
	base := newWorld(t)
	base.stack(t, "dev", nil).mustUp(t)

	tests := map[string]struct {
		config map[string]string
		want   []string
		// order are operations that must follow one another.
		order []string
	}{
		"kube-apiserver's rate restarts the nodes in place": {
			map[string]string{"kubetracing:sampling": `{"apiserver":10}`},
			restart,
			[]string{"update node-config-files", "update cluster-k3d", "update verification-services"},
		},
		"kubelet's rate does too, and a single pod's trace is no longer certain": {
			map[string]string{"kubetracing:sampling": `{"kubelet":10}`},
			together(restart, []string{"update verification-echo"}), nil,
		},
		"containerd's rate does too": {
			map[string]string{"kubetracing:sampling": `{"runtime":0}`},
			together(restart, []string{"update verification-echo"}), nil,
		},
		"etcd's rate does too": {
			map[string]string{"kubetracing:sampling": `{"etcd":10}`},
			restart, nil,
		},
		"etcd's rate to 0 is a cluster without etcd": {
			map[string]string{"kubetracing:sampling": `{"etcd":0}`},
			together(otherCluster, []string{"update cluster", "update node-config-files"}), nil,
		},
		"the Collector's rate replaces the Collector alone": {
			map[string]string{"kubetracing:sampling": `{"collector":10}`},
			together(otherCollector, []string{"update verification-echo"}),
			[]string{"delete collector-container", "create collector-container", "update collector-healthy", "update verification-services"},
		},
		"the Collector's configuration replaces the Collector alone": {
			map[string]string{"kubetracing:collector": `{"debug":true}`},
			otherCollector,
			[]string{"delete collector-container", "create collector-container", "update collector-healthy", "update verification-services"},
		},
		"the Collector's image replaces the Collector alone": {
			map[string]string{"kubetracing:collector": `{"image":"otel/opentelemetry-collector:0.160.0"}`},
			together(otherCollector, []string{"replace collector-image"}),
			[]string{"create collector-image", "create collector-container"},
		},
		"Jaeger's image replaces Jaeger alone": {
			map[string]string{"kubetracing:jaeger": `{"image":"jaegertracing/jaeger:2.19.0"}`},
			together(otherJaeger, []string{"replace jaeger-image"}),
			[]string{
				"create jaeger-image", "delete jaeger-container", "create jaeger-container", "update jaeger-healthy", "update verification-services",
			},
		},
		"Jaeger's port replaces Jaeger alone": {
			map[string]string{"kubetracing:jaeger": `{"uiPort":26686}`},
			together(otherJaeger, []string{"update verification-echo"}),
			[]string{"delete jaeger-container", "create jaeger-container"},
		},
		"traces in OpenSearch are a server, what deletes in it, and queues on disk": {
			map[string]string{"kubetracing:jaeger": `{"storage":"opensearch","server":{"password":"Tr4ces!!"}}`},
			together(otherJaeger, otherCollector, []string{
				// Which containers a cause is looked for in; what was seen stays seen.
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
		"traces in an Elasticsearch that exists are what deletes in it, and queues on disk": {
			map[string]string{"kubetracing:jaeger": `{"storage":"elasticsearch","server":{"url":"http://search.test:9200"}}`},
			together(otherJaeger, otherCollector, []string{
				"create index-cleaner", "create index-cleaner-image", "create index-cleaner-container",
				"replace collector-image", "create collector-volume", "create collector-volume-owner",
			}), nil,
		},
		"another Kubernetes version is another cluster": {
			map[string]string{"kubetracing:cluster": `{"kubernetes":"1.36"}`},
			together(otherCluster, otherNodeImage, []string{"update cluster", "update node-image"}),
			[]string{
				"create node-image-present", "delete cluster-k3d", "create cluster-k3d", "create cluster-kubeconfig",
				"create workloads-namespace", "create workloads-echo", "update verification-echo", "delete node-image-present",
			},
		},
		"another k3s image of the same version is another cluster": {
			map[string]string{"kubetracing:cluster": `{"image":"registry.example/k3s:v1.37.1-k3s1"}`},
			together(otherCluster, otherNodeImage, []string{"update node-image"}),
			[]string{"create node-image-present", "delete cluster-k3d", "create cluster-k3d", "delete node-image-present"},
		},
		"another containerd is another cluster": {
			map[string]string{"kubetracing:runtime": `{"bundle":{"url":"https://mirror.example/containerd.tar.gz","sha256":"` + strings.Repeat("a", 64) + `"}}`},
			together(otherCluster, otherNodeImage), nil,
		},
		"another node is another cluster": {
			map[string]string{"kubetracing:cluster": `{"agents":1}`},
			together(otherCluster, []string{"update cluster", "update node-config-files"}),
			[]string{"delete cluster-k3d", "create cluster-k3d"},
		},
		"another port of the Kubernetes API is another cluster": {
			map[string]string{"kubetracing:cluster": `{"apiPort":6551}`},
			otherCluster, nil,
		},
		"a workload less takes only that away": {
			map[string]string{"kubetracing:workloads": `[]`},
			[]string{"delete workloads-echo", "delete verification-echo", "update workloads"}, nil,
		},
		"a workload more leaves the others alone": {
			map[string]string{"kubetracing:workloads": `["echo", "crashloop"]`},
			[]string{"create workloads-crashloop", "create verification-crashloop", "update workloads"}, nil,
		},
		"without verification only that goes": {
			map[string]string{"kubetracing:verify": `{"enabled":false}`},
			[]string{"delete verification", "delete verification-services", "delete verification-echo"}, nil,
		},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			w := base.another(t)
			s := w.stack(t, "dev", test.config)
			want := together(test.want)
			preview := s.preview(t)
			require.NoError(t, preview.err)
			assert.Equal(t, want, preview.changes, "what the preview says")
			assert.Equal(t, want, s.mustUp(t).changes, "what the update does")
			w.journal.take().assertOrder(t, test.order...)
		})
	}
}

func TestARateGoesBackAsItCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.stack(t, "dev", nil)
	s.mustUp(t)
	before := w.journal.take().one(t, "create", "node-config-files").inputs

	s.configure(t, map[string]string{"kubetracing:sampling": `{"apiserver":10}`})
	there := s.mustUp(t)
	changed := w.journal.take().one(t, "update", "node-config-files").inputs
	assert.NotEqual(t, before.AsMap(), changed.AsMap())

	s.configure(t, nil)
	assert.Equal(t, there.changes, s.mustUp(t).changes)
	back := w.journal.take().one(t, "update", "node-config-files").inputs
	assert.Equal(t, before.AsMap(), back.AsMap())
}

func TestElasticsearchGetsAVolumeOfItsOwnAfterOpenSearch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.stack(t, "dev", map[string]string{"kubetracing:jaeger": `{"storage":"opensearch","server":{"password":"Tr4ces!!"}}`})
	s.mustUp(t)
	w.journal.take()

	s.configure(t, map[string]string{"kubetracing:jaeger": `{"storage":"elasticsearch","server":{"password":"Tr4ces!!"}}`})
	want := together(otherJaeger, []string{
		"update server", "replace server-image", "replace server-container", "update server-healthy",
		"replace server-volume", "replace server-volume-owner",
		"update index-cleaner", "replace index-cleaner-container", "update verification-echo",
	})
	preview := s.preview(t)
	require.NoError(t, preview.err)
	assert.Equal(t, want, preview.changes, "what the preview says")
	assert.Equal(t, want, s.mustUp(t).changes, "what the update does")
	w.journal.take().assertOrder(t,
		"delete server-container", "delete server-volume", "create server-volume", "create server-volume-owner",
		"create server-container", "update server-healthy", "create jaeger-container")
}
