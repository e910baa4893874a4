package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"
	core "k8s.io/api/core/v1"
)

func TestPauseImage(t *testing.T) {
	t.Parallel()
	node := func(names ...string) core.Node {
		return core.Node{Status: core.NodeStatus{Images: []core.ContainerImage{{Names: []string{"docker.io/library/pauses:1"}}, {Names: names}}}}
	}
	for name, want := range map[string]string{
		"docker.io/rancher/mirrored-pause:3.6": "docker.io/rancher/mirrored-pause:3.6",
		"registry.k8s.io/pause:3.10":           "registry.k8s.io/pause:3.10",
		"pause:3":                              "pause:3",
	} {
		image, err := pauseImage([]core.Node{node(), node("docker.io/rancher/mirrored-pause@sha256:7", name)})
		require.NoError(t, err)
		assert.Equal(t, want, image)
	}
	_, err := pauseImage([]core.Node{node("docker.io/rancher/mirrored-pause@sha256:7")})
	require.EqualError(t, err, "no node has a pause image with a tag: name an image with -image")
}

func TestWatched_Values(t *testing.T) {
	t.Parallel()
	w := watched{use{took: 1e9, spans: 10, refused: 2, lost: 3, cpu: map[string]float64{}}, map[string]float64{"collector": 7, "jaeger": 8}}
	values := w.values(&meter{runtime: "containerd"})
	assert.Equal(t, []benchfmt.Value{
		{Value: 10, Unit: "spans/sec"},
		{Value: 7, Unit: "collector-B"},
		{Value: 8, Unit: "jaeger-B"},
		{Value: 2, Unit: "refused-spans"},
		{Value: 3, Unit: "lost-spans"},
	}, values[4:])
}
