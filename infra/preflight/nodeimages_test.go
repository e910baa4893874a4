package preflight_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
	"github.com/kubetracing/kubetracing/infra/preflight"
	"github.com/kubetracing/kubetracing/stacks"
)

func TestLocalImages(t *testing.T) {
	t.Parallel()
	stack, err := stacks.New("kubetracing", "test", map[string]string{"kubetracing:cluster": `{"image":"k3s:mine"}`})
	require.NoError(t, err)
	runner := dockertest.New(t)
	world := dockertest.NewWorld(runner)
	local, err := preflight.LocalImages(t.Context(), runner.Client(), stack)
	require.NoError(t, err)
	assert.Equal(t, spec.LocalImages{}, local, "a daemon that has nothing")

	labelled := func(stack, base string) map[string]string {
		return map[string]string{"kubetracing.stack": stack, "kubetracing.state": "A", "kubetracing.base": base}
	}
	world.SetImages(
		docker.Image{ID: "sha256:1", Tags: []string{"k3s:mine"}},
		docker.Image{ID: "sha256:2", Tags: []string{"kubetracing-test-node:old"}, Labels: labelled("kubetracing/test", "sha256:0"), Created: time.Unix(1, 0)},
		docker.Image{ID: "sha256:3", Tags: []string{"kubetracing-test-node:new", "mine:1"}, Labels: labelled("kubetracing/test", ""), Created: time.Unix(2, 0)},
		docker.Image{ID: "sha256:4", Tags: []string{"kubetracing-other-node:1"}, Labels: labelled("kubetracing/other", "sha256:1")},
	)
	local, err = preflight.LocalImages(t.Context(), runner.Client(), stack)
	require.NoError(t, err)
	assert.Equal(t, spec.LocalImages{Base: "sha256:1", Nodes: []spec.LocalNodeImage{
		{Reference: "kubetracing-test-node:new"}, {Reference: "kubetracing-test-node:old", Base: "sha256:0"},
	}}, local)

	runner.On(dockertest.Command("docker image inspect "+dockertest.Rest), dockertest.Fail("disk on fire"))
	_, err = preflight.LocalImages(t.Context(), runner.Client(), stack)
	require.ErrorContains(t, err, "disk on fire")
}
