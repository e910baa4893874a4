package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStack_FirstPreview(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	s := h.stack(t, "dev", nil)
	preview := s.preview(t)
	require.NoError(t, preview.err)
	assert.Empty(t, h.journal.drain(), "a preview does nothing")

	update := s.mustUp(t)
	assert.Equal(t, update.changes, preview.changes)
	for _, change := range update.changes {
		assert.True(t, strings.HasPrefix(change, "create "), change)
	}
	for _, r := range s.resources(t) {
		if r.URN.Type() != "pulumi:providers:docker" && r.URN.Type() != "pulumi:providers:command" {
			assert.Contains(t, preview.changes, "create "+resourceName(r.URN))
		}
	}
}

func TestStack_NoChange(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	s := h.stack(t, "dev", nil)
	s.mustUp(t)
	require.NotEmpty(t, h.journal.drain())

	first, second := s.preview(t), s.preview(t)
	require.NoError(t, first.err)
	assert.Empty(t, first.changes)
	assert.Equal(t, first.text, second.text)
	assert.Empty(t, s.mustUp(t).changes)
	assert.Equal(t, first.text, s.preview(t).text, "after an update that changed nothing")
	assert.Empty(t, h.journal.drain())
}

func TestStack_Destroy(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	s := h.stack(t, "dev", nil)
	s.mustUp(t)
	h.journal.drain()
	before := s.resources(t)

	require.NoError(t, s.destroy(t).err)
	assert.Empty(t, s.resources(t))

	deleted := h.journal.drain().resources("delete")
	inCluster := []string{"workloads-namespace", "workloads-echo"}
	for _, r := range before {
		name, position := resourceName(r.URN), slices.Index(deleted, resourceName(r.URN))
		switch {
		case !r.Custom || strings.HasPrefix(string(r.Type), "pulumi:providers:"):
			continue
		case slices.Contains(inCluster, name):
			assert.Negative(t, position, "%s is deleted with its cluster", name)
			continue
		}
		if !assert.GreaterOrEqual(t, position, 0, "%s is deleted", name) {
			continue
		}
		for _, needed := range r.Dependencies {
			if later := slices.Index(deleted, resourceName(needed)); later >= 0 {
				assert.Less(t, position, later, "%s needs %s", name, resourceName(needed))
			}
		}
	}
	assertDependsOn(t, before, "cluster-k3d", "network-bridge")
	assertDependsOn(t, before, "collector-container", "jaeger-healthy")
	assertDependsOn(t, before, "jaeger-healthy", "jaeger-container")
	assertDependsOn(t, before, "cluster-k3d", "node-config-files")
	assertDependsOn(t, before, "node-config-files", "node-config-volume")
}

// assertDependsOn checks that one resource is known to need another.
func assertDependsOn(t *testing.T, resources []apitype.ResourceV3, name, needed string) {
	t.Helper()
	for _, r := range resources {
		if resourceName(r.URN) != name {
			continue
		}
		var dependencies []string
		for _, dependency := range r.Dependencies {
			dependencies = append(dependencies, resourceName(dependency))
		}
		assert.Contains(t, dependencies, needed, name)
		return
	}
	assert.Fail(t, "no such resource", name)
}

func TestStack_FailedOperation(t *testing.T) {
	t.Parallel()
	const reason = "the node k3d-kubetracing-dev-server-0 does not become ready"
	base := newHost(t)
	base.stack(t, "dev", nil).mustUp(t)

	lowRate := map[string]string{"kubetracing:sampling": `{"apiserver":10}`}
	otherVersion := map[string]string{"kubetracing:cluster": `{"kubernetes":"1.36"}`}
	tests := map[string]struct {
		fresh          bool
		config         map[string]string
		verb, resource string
		// repeated is the operation of the next update on the failed resource, untouched
		// a resource that the failed update has finished.
		repeated, untouched string
		// later are resources that must not be created before what has failed.
		later []string
	}{
		"first cluster does not come up": {
			true, nil, "create", "cluster-k3d", "create cluster-k3d", "network-bridge", []string{"workloads-echo"},
		},
		// A workload that ran without a receiver of its spans would leave no trace.
		"first Jaeger does not start": {
			true, nil, "create", "jaeger-healthy", "create jaeger-healthy", "network-bridge",
			[]string{"collector-container", "workloads-echo", "verification-services", "verification-echo"},
		},
		"first Collector does not start": {
			true, nil, "create", "collector-healthy", "create collector-healthy", "jaeger-container",
			[]string{"workloads-echo", "verification-services", "verification-echo"},
		},
		// What its events say is the only verdict.
		"pod of a workload does not start": {
			true, nil, "create", "workloads-echo-started", "create workloads-echo-started", "workloads-echo",
			[]string{"verification-services", "verification-echo"},
		},
		"node does not come back from its restart": {
			false, lowRate, "update", "cluster-k3d", "update cluster-k3d", "node-config-files", nil,
		},
		"old cluster cannot be removed": {
			false, otherVersion, "delete", "cluster-k3d", "delete cluster-k3d", "node-image-build", nil,
		},
		"new cluster does not come up after the old one is deleted": {
			false, otherVersion, "create", "cluster-k3d", "create cluster-k3d", "node-image-build", nil,
		},
		"expected spans are not seen": {
			false, lowRate, "update", "verification-services", "update verification-services", "cluster-k3d", nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h *host
			if test.fresh {
				h = newHost(t)
			} else {
				h = base.clone(t)
			}
			s := h.stack(t, "dev", test.config)
			h.journal.failOnce(test.verb, test.resource, reason)
			failed := s.up(t)
			require.Error(t, failed.err)
			assert.Contains(t, failed.text+failed.log, reason)
			created := h.journal.drain().resources("create")
			for _, later := range test.later {
				assert.NotContains(t, created, later)
			}

			s.mustUp(t)
			done := h.journal.drain()
			assert.Contains(t, done.operations(), test.repeated)
			for _, verb := range []string{"create", "update", "delete"} {
				assert.NotContains(t, done.resources(verb), test.untouched)
			}
			preview := s.preview(t)
			require.NoError(t, preview.err)
			assert.Empty(t, preview.changes)
		})
	}

	t.Run("destroy cannot remove the cluster", func(t *testing.T) {
		t.Parallel()
		h := base.clone(t)
		s := h.stack(t, "dev", nil)
		h.journal.failOnce("delete", "cluster-k3d", reason)
		failed := s.destroy(t)
		require.Error(t, failed.err)
		assert.Contains(t, failed.text+failed.log, reason)
		assert.NotContains(t, h.journal.drain().resources("delete"), "network-bridge", "the cluster still needs it")

		require.NoError(t, s.destroy(t).err)
		assert.Empty(t, s.resources(t))
		h.journal.drain().assertOrder(t, "delete cluster-k3d", "delete network-bridge")
	})
}
