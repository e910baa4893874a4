package gather_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/timeline/gather"
)

func TestPhases(t *testing.T) {
	t.Parallel()
	jaeger := verify.Client{BaseURL: serveJaeger(t, "1.36")}
	// Every phase that an expectation can bound is one of a recorded pod.
	for _, phase := range verify.Phases() {
		pods := map[string]string{"imagePull": "shop/imagepull", "noticed": "shop/late", "scheduling": "shop/claim"}[phase]
		if pods == "" {
			pods = "shop/late"
		}
		found, err := gather.Phases(t.Context(), jaeger, phase, pods, time.Time{})
		require.NoError(t, err)
		require.NotEmpty(t, found, phase)
		assert.Equal(t, pods, found[0].Pod)
		assert.Equal(t, phase, found[0].Name)
		assert.Positive(t, found[0].Length)
		assert.NotEmpty(t, found[0].TraceID)
	}

	found, err := gather.Phases(t.Context(), jaeger, "scheduling", "shop/claim", time.Time{})
	require.NoError(t, err)
	assert.InDelta(t, 5.02, found[0].Length.Seconds(), 0.01)
	found, err = gather.Phases(t.Context(), jaeger, "volumes", "shop/late", time.Time{})
	require.NoError(t, err)
	assert.InDelta(t, 32.1, found[0].Length.Seconds(), 0.01)

	found, err = gather.Phases(t.Context(), jaeger, "start", "shop/web-*", time.Time{})
	require.NoError(t, err)
	assert.Len(t, found, 3)
	found, err = gather.Phases(t.Context(), jaeger, "start", "shop/twin", time.Time{})
	require.NoError(t, err)
	require.Len(t, found, 2, "two pods of one name")
	assert.NotEqual(t, found[0].UID, found[1].UID)
	found, err = gather.Phases(t.Context(), jaeger, "start", "other/*", time.Time{})
	require.NoError(t, err)
	assert.Empty(t, found)

	_, err = gather.Phases(t.Context(), verify.Client{BaseURL: unreachable(t)}, "start", "*/*", time.Time{})
	require.ErrorContains(t, err, "query Jaeger: ")
}
