// Package docker damages and inspects a real stack in Docker, for suites. It asks by
// infra/docker, and adds what only a suite does.
package docker

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/docker"
)

// limit bounds a command of [Run]. A suite may wait for a pull.
const limit = 15 * time.Minute

// Client returns the client by which the program itself works.
func Client() *docker.Client { return docker.New() }

// Require fails the test unless each program is on PATH and the Docker daemon
// answers.
func Require(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("this suite needs %s, which is not on PATH", program)
		}
	}
	if _, err := Client().Architecture(t.Context()); err != nil {
		t.Fatalf("this suite needs a Docker daemon: %s", err)
	}
}

// Run runs a docker command that the program never runs, such as pause, and returns
// what it prints, without surrounding space. It works in a test's cleanup, too.
func Run(t *testing.T, arguments ...string) string {
	t.Helper()
	result, err := docker.Exec{}.Run(bounded(t), docker.Command{Program: "docker", Args: arguments})
	require.NoError(t, err)
	return strings.TrimSpace(result.Stdout)
}

// Inspect describes a container.
func Inspect(t *testing.T, name string) docker.Container {
	t.Helper()
	container, err := Client().InspectOne(bounded(t), name)
	require.NoError(t, err)
	return container
}

// Labelled names the containers, networks, volumes and images with any of the labels,
// as NAME or NAME=VALUE.
func Labelled(t *testing.T, labels ...string) []string {
	t.Helper()
	var found []string
	for _, label := range labels {
		name, value, _ := strings.Cut(label, "=")
		filter := docker.Filter{Label: name, Value: value}
		containers, err := Client().Containers(bounded(t), filter)
		require.NoError(t, err)
		found = append(found, titles(containers)...)
		networks, err := Client().Networks(bounded(t), filter)
		require.NoError(t, err)
		found = append(found, titles(networks)...)
		volumes, err := Client().Volumes(bounded(t), filter)
		require.NoError(t, err)
		found = append(found, titles(volumes)...)
		images, err := Client().Images(bounded(t), filter)
		require.NoError(t, err)
		found = append(found, titles(images)...)
	}
	return found
}

// bounded returns a context that a test's cleanup can use, and that ends.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
	t.Cleanup(cancel)
	return ctx
}

func titles[T docker.Labelled](objects []T) []string {
	names := make([]string, len(objects))
	for i, object := range objects {
		names[i] = object.Title()
	}
	return names
}
