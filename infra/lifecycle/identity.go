package lifecycle

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

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
	have, err := m.docker.Inventory(ctx)
	if err != nil {
		return fmt.Errorf("look for what has a name of stack %s: %w", names.Stack, err)
	}
	return errors.Join(docker.Strangers(names, have, docker.Owner{Stack: names.Stack, State: state}.Owns)...)
}
