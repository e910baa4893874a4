package pulumi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/lifecycle"
)

// Strangers returns what carries the stack's label and was created by another state,
// as the titles of the objects by the identity of that state: another checkout's, or
// a lost one's.
func (s Snapshot) Strangers(owner docker.Owner) map[string][]string {
	strangers := map[string][]string{}
	add := func(object docker.Labelled) {
		identity := object.LabelMap()[spec.StateLabel]
		strangers[identity] = append(strangers[identity], object.Title())
	}
	addAll(owner, s.Containers, add)
	addAll(owner, s.Networks, add)
	addAll(owner, s.Volumes, add)
	addAll(owner, s.Images, add)
	return strangers
}

func addAll[T docker.Labelled](owner docker.Owner, all []T, add func(docker.Labelled)) {
	_, strangers := docker.Split(owner, all)
	for _, object := range strangers {
		add(object)
	}
}

// DescribeStrangers describes what [Snapshot.Strangers] returned, with the command
// that removes it.
func DescribeStrangers(strangers map[string][]string, stack string) []string {
	const shown = 3
	var messages []string
	for _, identity := range slices.Sorted(maps.Keys(strangers)) {
		titles := strangers[identity]
		what := strings.Join(titles[:min(shown, len(titles))], ", ")
		if len(titles) > shown {
			what += fmt.Sprintf(" and %d more", len(titles)-shown)
		}
		if identity == "" {
			messages = append(messages, fmt.Sprintf("%s: created by an earlier version of kubetracing for a stack of this name; "+
				"destroy that stack with the version and the checkout that created it, or remove it with docker", what))
			continue
		}
		messages = append(messages, fmt.Sprintf("%s: created for a stack of this name by another state (%s): that of another checkout, "+
			"or one that is lost. If it is lost, remove what it created: ./kubetracing destroy --stack %s --orphans %s",
			what, identity, stack, identity))
	}
	return messages
}

// RemoveOrphans removes everything in Docker that carries an identity, and returns
// how many objects that were. Progress goes to w.
func RemoveOrphans(ctx context.Context, client *docker.Client, identity string, w io.Writer) (int, error) {
	owner := docker.Owner{State: identity}
	orphans, err := find(ctx, client, owner.Filter())
	if err != nil {
		return 0, err
	}
	count := len(orphans.containers) + len(orphans.networks) + len(orphans.volumes) + len(orphans.images)
	for _, cluster := range clusters(orphans.containers) {
		// With it go the load balancer and k3d's volume, which carry no identity. Its
		// network has the cluster's name.
		if err := lifecycle.New(client, w).DeleteCluster(ctx, cluster, cluster, owner); err != nil {
			return 0, fmt.Errorf("remove cluster %s: %w", cluster, err)
		}
		orphans.containers = slices.DeleteFunc(orphans.containers, func(c docker.Container) bool { return c.Cluster() == cluster })
	}
	err = orphans.remove(ctx, client, func(string, ...string) bool { return true })
	if err != nil && !errors.Is(err, docker.ErrNotFound) {
		return 0, fmt.Errorf("remove what state %s created: %w", identity, err)
	}
	return count, nil
}

// clusters returns the names of the clusters that containers belong to.
func clusters(containers []docker.Container) []string {
	var names []string
	for _, c := range containers {
		if name := c.Cluster(); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
