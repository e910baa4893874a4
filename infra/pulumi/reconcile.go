package pulumi

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/lifecycle"
	"github.com/kubetracing/kubetracing/stacks"
)

// reclaim removes what a killed update left of the Docker objects that it was
// creating: Pulumi does not know them, and could neither create nor remove them. Only
// what carries the state's identity is touched.
func reclaim(ctx context.Context, client *docker.Client, state State) error {
	creating := map[string]map[string]bool{}
	for _, r := range state.Creating {
		kind := string(r.Type)
		if creating[kind] == nil {
			creating[kind] = map[string]bool{}
		}
		creating[kind][r.dockerName()] = true
	}
	if len(creating) == 0 || state.Identity() == "" {
		return nil
	}
	owned, err := find(ctx, client, docker.Owner{State: state.Identity()}.Filter())
	if err != nil {
		return err
	}
	return owned.remove(ctx, client, func(kind string, names ...string) bool {
		for _, name := range names {
			if creating[kind][name] {
				return true
			}
		}
		return false
	})
}

// RemoveUnknownCluster removes a cluster that the state's updates created and the
// state does not know: an update ended while it created it. Another update would do
// so itself. Progress goes to w.
func RemoveUnknownCluster(ctx context.Context, client *docker.Client, state State, names stacks.Names, w io.Writer) error {
	identity := state.Identity()
	if state.HasCluster() || identity == "" {
		return nil
	}
	owner := docker.Owner{Stack: names.Owner, State: identity}
	if err := lifecycle.New(client, w).DeleteCluster(ctx, names.Cluster, names.Network(), owner); err != nil {
		return fmt.Errorf("remove what an interrupted update left of cluster %s: %w", names.Cluster, err)
	}
	return nil
}

// objects are objects in Docker.
type objects struct {
	containers []docker.Container
	networks   []docker.Network
	volumes    []docker.Volume
	images     []docker.Image
}

// find lists the objects that a filter selects.
func find(ctx context.Context, client *docker.Client, filter docker.Filter) (objects, error) {
	var found objects
	var errs [4]error
	found.containers, errs[0] = client.Containers(ctx, filter)
	found.networks, errs[1] = client.Networks(ctx, filter)
	found.volumes, errs[2] = client.Volumes(ctx, filter)
	found.images, errs[3] = client.Images(ctx, filter)
	return found, errors.Join(errs[:]...)
}

// remove removes the objects that are chosen by type and name, in the order in which
// they depend on one another.
func (o objects) remove(ctx context.Context, client *docker.Client, chosen func(kind string, names ...string) bool) error {
	var problems []error
	for _, c := range o.containers {
		if chosen(containerType, c.Name) {
			problems = append(problems, client.RemoveContainers(ctx, c.ID))
		}
	}
	for _, n := range o.networks {
		if chosen(networkType, n.Name) {
			problems = append(problems, client.RemoveNetworks(ctx, n.ID))
		}
	}
	for _, v := range o.volumes {
		if chosen(volumeType, v.Name) {
			problems = append(problems, client.RemoveVolumes(ctx, v.Name))
		}
	}
	for _, i := range o.images {
		if chosen(imageType, i.Tags...) {
			problems = append(problems, client.RemoveImages(ctx, append(i.Tags, i.ID)[0]))
		}
	}
	return errors.Join(problems...)
}
