package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/infra/docker"
)

// cachePrefix begins the line that lists the build cache of an image.
const cachePrefix = "cache "

// ImagePresent describes an image that was just built and must be in the Docker daemon:
// in the first line its id, and in the second, after cachePrefix, what its build left in
// the cache, if that is known. The image's removal removes that, too.
func (m *Manager) ImagePresent(ctx context.Context, reference string) (string, error) {
	image, err := m.docker.InspectImage(ctx, reference)
	if errors.Is(err, docker.ErrNotFound) {
		return "", fmt.Errorf("image %s is not in the Docker daemon after its build: %w", reference, err)
	}
	if err != nil {
		return "", err
	}
	records, err := m.docker.BuildCache(ctx)
	if err != nil {
		// An update need not fail for that.
		m.log.printf("what the build of %s leaves in the cache stays there: %v", reference, err)
	}
	if ids := lastBuild(records); len(ids) > 0 {
		return image.ID + "\n" + cachePrefix + strings.Join(ids, "|"), nil
	}
	return image.ID, nil
}

// cacheMarker is in the commands of the node image's Dockerfile, and in those of no
// other.
const cacheMarker = "/opt/kubetracing"

// BuildKit gives all records of a build back when the build ends, and so calls them used
// within some milliseconds. The build's context is sent before the first command runs.
//
// Source: github.com/moby/buildkit solver/jobs.go (Job.Discard).
const (
	cacheTogether = time.Second
	cacheContext  = time.Minute
)

// lastBuild returns the ids of the records that the last build of a node image made:
// those that were used last when it ended, and are no older than it.
func lastBuild(records []docker.CacheRecord) []string {
	var ended time.Time
	isMarker := func(record docker.CacheRecord) bool { return strings.Contains(record.Description, cacheMarker) }
	for _, record := range records {
		if isMarker(record) && record.Used.After(ended) {
			ended = record.Used
		}
	}
	ofLast := func(record docker.CacheRecord) bool { return record.Used.Sub(ended).Abs() <= cacheTogether }
	began := ended
	for _, record := range records {
		if isMarker(record) && ofLast(record) && record.Created.Before(began) {
			began = record.Created
		}
	}
	var ids []string
	for _, record := range records {
		if ofLast(record) && !record.Created.Before(began.Add(-cacheContext)) {
			ids = append(ids, record.ID)
		}
	}
	slices.Sort(ids)
	return ids
}
