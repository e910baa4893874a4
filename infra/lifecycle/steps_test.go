package lifecycle_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/steps"
)

func TestManager_CreateCluster_Steps(t *testing.T) {
	inBubble(t, "are recorded in their order", func(t *testing.T, h *host) {
		ctx, recorder := steps.New(t.Context())
		require.NoError(t, h.manager().CreateCluster(ctx, document(), state))
		var names []string
		for _, span := range recorder.Traces().ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			names = append(names, span.Name())
		}
		assert.Equal(t, []string{
			"k3d cluster create", "wait until the nodes are registered", "check that the nodes trace", "wait until the nodes are ready",
		}, names)
	})
}
