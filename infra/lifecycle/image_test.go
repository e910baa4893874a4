package lifecycle_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

var listCache = dockertest.Command("docker system df --verbose --format " + dockertest.Rest)

// cacheOf prints build cache as docker does.
func cacheOf(t *testing.T, records ...docker.CacheRecord) dockertest.Answer {
	t.Helper()
	listed := []map[string]string{}
	for _, record := range records {
		listed = append(listed, map[string]string{
			"ID": record.ID, "Description": record.Description, "CreatedAt": record.Created.String(), "LastUsedAt": record.Used.String(),
		})
	}
	text, err := json.Marshal(listed)
	require.NoError(t, err)
	return dockertest.Print(string(text))
}

func TestManager_ImagePresent(t *testing.T) {
	began := time.Date(2026, 11, 25, 9, 34, 13, 600_000_000, time.UTC)
	at := func(second float64) time.Time { return began.Add(time.Duration(second * float64(time.Second))) }
	const (
		ours = "mount / from exec /bin/sh -c mkdir -p /rootfs/opt/kubetracing"
		late = "mount / from exec /bin/sh -c set -eu;     installed=/rootfs/opt/kubetracing; "
	)
	record := func(id, description string, created, used float64) docker.CacheRecord {
		return docker.CacheRecord{ID: id, Description: description, Created: at(created), Used: at(used)}
	}
	for name, test := range map[string]struct {
		cache dockertest.Answer
		want  string
		said  string
	}{
		"with what its build left in the cache": {cacheOf(t,
			record("tools", "from local ", -3600, 90.02),
			record("context", "http url http://build-context-5q7invv30llrxjhu338bizczg", -20, 90.01),
			record("marker", ours, 0.5, 90.005), record("layer", "fileop target", 85, 90.023), record("runtime", late, 60, 90.021),
			record("stranger", "mount / from exec /bin/sh -c make", 30, 45), record("later", "fileop target", 30, 95),
			record("before", ours, -500, -400), record("unused", "fileop target", -500, -499),
		), "sha256:1\ncache context|layer|marker|runtime", ""},
		"in a cache without builds of node images": {cacheOf(t, record("stranger", "fileop target", 1, 2)), "sha256:1", ""},
		"in an empty cache":                        {dockertest.Print("[]"), "sha256:1", ""},
		"of a daemon that does not list its cache": {
			dockertest.Fail("the verbose and the format options conflict"), "sha256:1",
			"kubetracing: what the build of traced-node:1 leaves in the cache stays there: list the build cache: docker system df --verbose " +
				"--format {{json .BuildCache}}: exit status 1: the verbose and the format options conflict\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.world.SetImages(docker.Image{ID: "sha256:1", Tags: []string{"traced-node:1"}})
			h.On(listCache, test.cache)
			got, err := h.manager().ImagePresent(t.Context(), "traced-node:1")
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.said, h.stderr.String())
		})
	}
	t.Run("absent", func(t *testing.T) {
		_, err := newHost(t).manager().ImagePresent(t.Context(), "traced-node:2")
		require.ErrorContains(t, err, "image traced-node:2 is not in the Docker daemon after its build: ")
		require.ErrorContains(t, err, "No such image: traced-node:2")
	})
}
