package lifecycle

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
)

// CreateIdentity returns a random identity for a new state. A new state owns nothing
// yet, so everything that has one of its names already is a stranger's, and an error.
func (m *Manager) CreateIdentity(ctx context.Context, names spec.Names) (string, error) {
	if err := m.CheckNames(ctx, names, ""); err != nil {
		return "", err
	}
	return rand.Text(), nil
}

// CheckNames returns an error for everything in Docker that has one of the names and was
// not created by a state.
func (m *Manager) CheckNames(ctx context.Context, names spec.Names, state string) error {
	owner := docker.Owner{Stack: names.Stack, State: state}
	var containers []docker.Container
	var networks []docker.Network
	var volumes []docker.Volume
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { containers, err = m.docker.Containers(ctx); return err })
	group.Go(func() (err error) { networks, err = m.docker.Networks(ctx); return err })
	group.Go(func() (err error) { volumes, err = m.docker.Volumes(ctx); return err })
	if err := group.Wait(); err != nil {
		return fmt.Errorf("look for what has a name of stack %s: %w", names.Stack, err)
	}
	var strangers []error
	var nodes []docker.Container
	for _, c := range containers {
		switch {
		case c.Cluster() == names.Cluster:
			nodes = append(nodes, c)
		case slices.Contains(names.Containers, c.Name) && !owner.Owns(c.Labels):
			strangers = append(strangers, stranger(c.Title(), c, names.Stack, "docker rm --force "+c.Name))
		}
	}
	if owner.Cluster(nodes) == docker.Foreign {
		// The nodes say most of whom they belong to.
		slices.SortStableFunc(nodes, func(a, b docker.Container) int { return rank(a) - rank(b) })
		cluster := stranger(fmt.Sprintf("k3d cluster %q", names.Cluster), nodes[0], names.Stack, "k3d cluster delete "+names.Cluster)
		strangers = append([]error{cluster}, strangers...)
	}
	for _, n := range networks {
		if slices.Contains(names.Networks, n.Name) && !owner.Owns(n.Labels) {
			strangers = append(strangers, stranger(n.Title(), n, names.Stack, "docker network rm "+n.Name))
		}
	}
	for _, v := range volumes {
		if slices.Contains(names.Volumes, v.Name) && !owner.Owns(v.Labels) {
			strangers = append(strangers, stranger(v.Title(), v, names.Stack, "docker volume rm "+v.Name))
		}
	}
	return errors.Join(strangers...)
}

// stranger is the error about an object whose name the stack needs.
func stranger(title string, object docker.Labelled, stack, remove string) error {
	return fmt.Errorf("%s exists already and does not belong to this state of stack %s: it seems to belong to %s. "+
		"Destroy it where it was created, rename this stack, or, if nobody needs it any more, remove it with `%s`",
		title, stack, docker.Whose(object), remove)
}
