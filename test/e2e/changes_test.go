//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
	"github.com/kubetracing/kubetracing/test/internal/docker"
)

// TestChanges makes each kind of change to a stack and checks the preview, which
// containers are replaced, and that a bare pod, which nothing would bring back, runs
// on wherever the cluster stays.
func TestChanges(t *testing.T) {
	s := newStack(t)
	shipped := settings(t, s)
	s.mustRun(t, "up")
	startBarePod(t)

	tests := []struct {
		change string
		// section of the stack's file gets value: keys of an object are merged.
		section string
		value   any
		// preview are texts of the preview.
		preview []string
		// replaced are the containers that are replaced or restarted.
		replaced []string
	}{
		{
			"rates down", "sampling",
			map[string]any{"apiserver": 500_000, "runtime": 250_000},
			[]string{"apiserver: 1000000 => 500000", "runtime  : 1000000 => 250000"},
			nil,
		},
		{
			"rates back", "sampling",
			map[string]any{"apiserver": 1_000_000, "runtime": 1_000_000},
			[]string{"apiserver: 500000 => 1000000", "runtime  : 250000 => 1000000"},
			nil,
		},
		{
			"Collector configuration", "collector",
			map[string]any{"debug": true},
			[]string{"debug", "collector-container"},
			[]string{collectorContainer},
		},
		{
			"Collector image", "collector",
			map[string]any{"image": secondTag(t, shipped.Settings.CollectorImage(), "opentelemetry-collector")},
			[]string{"collector-container"},
			[]string{collectorContainer},
		},
		{
			"Jaeger image", "jaeger",
			map[string]any{"image": secondTag(t, shipped.Settings.Jaeger.Image, "jaeger")},
			[]string{"jaeger-container"},
			[]string{jaegerContainer},
		},
		{
			"Jaeger configuration", "jaeger",
			map[string]any{"maxTraces": 50_000},
			[]string{"jaeger-container"},
			[]string{jaegerContainer},
		},
		{
			"added workload", "workloads",
			[]string{"echo", "churn"},
			[]string{"workloads-churn"},
			nil,
		},
		{
			"removed workload", "workloads",
			[]string{"echo"},
			[]string{"workloads-churn"},
			nil,
		},
		{
			"nothing", "", nil,
			[]string{"unchanged"},
			nil,
		},
		{
			"node image", "cluster",
			map[string]any{"image": secondTag(t, shipped.BaseImage(), "k3s")},
			[]string{"cluster-k3d"},
			[]string{serverContainer},
		},
	}
	containers := []string{jaegerContainer, collectorContainer, serverContainer}
	var table strings.Builder
	for _, test := range tests {
		t.Run(test.change, func(t *testing.T) {
			if keys, isObject := test.value.(map[string]any); isObject {
				s.merge(t, test.section, keys)
			} else if test.value != nil {
				require.NoError(t, s.Set(test.section, test.value))
			}
			before := identities(t, containers)
			pod := barePod(t)

			preview := s.mustRun(t, "preview")
			for _, text := range test.preview {
				assert.Contains(t, preview, text)
			}
			if test.replaced == nil {
				assert.NotContains(t, preview, "(replace)")
			} else {
				assert.Contains(t, preview, "(replace)")
			}
			started := time.Now()
			s.mustRun(t, "up")
			took := time.Since(started).Round(time.Second)

			after := identities(t, containers)
			var replaced []string
			for _, container := range slices.Sorted(maps.Keys(after)) {
				if before[container] != after[container] {
					replaced = append(replaced, container)
				}
			}
			assert.Equal(t, test.replaced, replaced, "replaced or restarted containers")
			if !slices.Contains(test.replaced, serverContainer) {
				assert.Equal(t, pod, barePod(t), "the bare pod runs on")
			}
			s.mustRun(t, "preview", "--", "--expect-no-changes")
			fmt.Fprintf(&table, "%-24s %4s\n", test.change, took)
		})
	}
	t.Logf("how long the updates took:\n%s", table.String())
}

// settings returns the settings of the stack's file.
func settings(t *testing.T, s *stack) stacks.Stack {
	t.Helper()
	files, err := stacks.ReadFiles(s.Root, stackName)
	require.NoError(t, err)
	config, err := files.Config()
	require.NoError(t, err)
	stack, err := stacks.New(files.Project.Name, stackName, config)
	require.NoError(t, err)
	return stack
}

// secondTag gives an image another name, and returns it.
func secondTag(t *testing.T, image, name string) string {
	t.Helper()
	tag := "kubetracing-e2e-second/" + name + ":latest"
	// A build leaves the image that it builds on in its own cache.
	if _, err := docker.Client().InspectImage(t.Context(), image); err != nil {
		require.NoError(t, docker.Client().PullImage(t.Context(), image))
	}
	docker.Run(t, "tag", image, tag)
	t.Cleanup(func() {
		assert.NoError(t, docker.Client().RemoveImages(context.WithoutCancel(t.Context()), tag))
	})
	return tag
}

// identities returns the id and the start time of containers, by name.
func identities(t *testing.T, containers []string) map[string]string {
	t.Helper()
	identities := map[string]string{}
	for _, container := range containers {
		found := docker.Inspect(t, container)
		identities[container] = fmt.Sprint(found.ID, " ", found.State.StartedAt)
	}
	return identities
}

// startBarePod runs a pod without a controller.
func startBarePod(t *testing.T) {
	t.Helper()
	inNode(t, "kubectl", "run", "bare", "--image=docker.io/library/busybox:1.37.0", "--image-pull-policy=IfNotPresent",
		"--restart=Never", "--", "sleep", "86400")
	inNode(t, "kubectl", "wait", "pod/bare", "--for=condition=Ready", "--timeout=2m")
}

// barePod returns the pod's phase, container, start time and count of restarts.
func barePod(t *testing.T) string {
	t.Helper()
	return inNode(t, "kubectl", "get", "pod", "bare", "--output", "jsonpath={.status.phase} "+
		"{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].state.running.startedAt} "+
		"{.status.containerStatuses[0].restartCount}")
}
