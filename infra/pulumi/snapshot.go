package pulumi

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/stacks"
)

// Snapshot is what Docker has of a stack: everything with the stack's label, whoever
// created it, and all containers of the cluster of its name.
type Snapshot struct {
	Containers []docker.Container
	Nodes      []docker.Container
	Networks   []docker.Network
	Volumes    []docker.Volume
	Images     []docker.Image
}

// TakeSnapshot asks Docker what it has of a stack.
func TakeSnapshot(ctx context.Context, client *docker.Client, names stacks.Names) (Snapshot, error) {
	var s Snapshot
	group, ctx := errgroup.WithContext(ctx)
	label := docker.Filter{Label: spec.StackLabel, Value: names.Owner}
	group.Go(func() (err error) { s.Containers, err = client.Containers(ctx, label); return err })
	group.Go(func() (err error) {
		s.Nodes, err = client.Containers(ctx, docker.OfCluster(names.Cluster))
		return err
	})
	group.Go(func() (err error) { s.Networks, err = client.Networks(ctx, label); return err })
	group.Go(func() (err error) { s.Volumes, err = client.Volumes(ctx, label); return err })
	group.Go(func() (err error) { s.Images, err = client.Images(ctx, label); return err })
	return s, group.Wait()
}

// container returns the container with an id.
func (s Snapshot) container(id string) (docker.Container, bool) {
	i := slices.IndexFunc(s.Containers, func(c docker.Container) bool { return c.ID == id })
	if i < 0 {
		return docker.Container{}, false
	}
	return s.Containers[i], true
}
