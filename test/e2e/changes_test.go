//go:build e2e

package e2e_test

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

// Containers of the test's stack beside the cluster's.
const (
	jaegerContainer    = "kubetracing-" + stackName + "-jaeger"
	collectorContainer = "kubetracing-" + stackName + "-collector"
)

// TestChanges takes a stack through the table of what a change does: what the
// preview says, what is replaced, and that a bare pod, which nothing would bring
// back, runs on wherever the cluster stays.
func TestChanges(t *testing.T) {
	p := newProject(t)
	require.Empty(t, owned(t), "an earlier run left something behind")
	t.Cleanup(func() {
		if _, err := p.run(t, "destroy"); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	shipped := settings(t, p)
	p.mustRun(t, "up")
	startBarePod(t)

	tests := []struct {
		change string
		// choices are written into the stack's file, by section.
		choices map[string]any
		says    []string
		// replaced are the containers that are others afterwards.
		replaced []string
	}{
		{
			"rates down", section("sampling", map[string]any{"apiserver": 500_000, "runtime": 250_000}),
			[]string{"apiserver: 1000000 => 500000", "runtime  : 1000000 => 250000"}, nil,
		},
		{
			"rates back", section("sampling", map[string]any{"apiserver": 1_000_000, "runtime": 1_000_000}),
			[]string{"apiserver: 500000 => 1000000", "runtime  : 250000 => 1000000"}, nil,
		},
		{
			"Collector configuration", section("collector", map[string]any{"debug": true}),
			[]string{"debug", "collector-container"}, []string{collectorContainer},
		},
		{
			"Collector image", section("collector", map[string]any{"image": secondTag(t, shipped.Settings.CollectorImage(), "opentelemetry-collector")}),
			[]string{"collector-container"}, []string{collectorContainer},
		},
		{
			"Jaeger image", section("jaeger", map[string]any{"image": secondTag(t, shipped.Settings.Jaeger.Image, "jaeger")}),
			[]string{"jaeger-container"}, []string{jaegerContainer},
		},
		{
			"Jaeger configuration", section("jaeger", map[string]any{"maxTraces": 50_000}),
			[]string{"jaeger-container"}, []string{jaegerContainer},
		},
		{
			"a workload more", section("workloads", []string{"echo", "churn"}),
			[]string{"workloads-churn"}, nil,
		},
		{
			"a workload less", section("workloads", []string{"echo"}),
			[]string{"workloads-churn"}, nil,
		},
		{
			"nothing", nil,
			[]string{"unchanged"}, nil,
		},
		{
			"node image", section("cluster", map[string]any{"image": secondTag(t, shipped.BaseImage(), "k3s")}),
			[]string{"cluster-k3d"}, []string{serverContainer},
		},
	}
	containers := []string{jaegerContainer, collectorContainer, serverContainer}
	var table strings.Builder
	for _, test := range tests {
		t.Run(test.change, func(t *testing.T) {
			for section, values := range test.choices {
				keys, isObject := values.(map[string]any)
				if !isObject {
					setSection(t, p, section, values)
				}
				for key, value := range keys {
					set(t, p, section, key, value)
				}
			}
			before := identities(t, containers)
			pod := barePod(t)

			preview := p.mustRun(t, "preview")
			for _, words := range test.says {
				assert.Contains(t, preview, words)
			}
			if test.replaced == nil {
				assert.NotContains(t, preview, "(replace)")
			} else {
				assert.Contains(t, preview, "(replace)")
			}
			started := time.Now()
			p.mustRun(t, "up")
			took := time.Since(started).Round(time.Second)

			after := identities(t, containers)
			var replaced []string
			for _, container := range slices.Sorted(maps.Keys(after)) {
				if before[container] != after[container] {
					replaced = append(replaced, container)
				}
			}
			assert.Equal(t, test.replaced, replaced, "containers that are others or were started anew")
			if !slices.Contains(test.replaced, serverContainer) {
				assert.Equal(t, pod, barePod(t), "the bare pod runs on")
			}
			p.mustRun(t, "preview", "--", "--expect-no-changes")
			fmt.Fprintf(&table, "%-24s %4s\n", test.change, took)
		})
	}
	t.Logf("how long the updates took:\n%s", table.String())
}

// settings are what the stack's file chooses.
func settings(t *testing.T, p *project) stacks.Stack {
	t.Helper()
	files, err := stacks.ReadFiles(p.root, stackName)
	require.NoError(t, err)
	config, err := files.Config()
	require.NoError(t, err)
	stack, err := stacks.New(files.Project.Name, stackName, config)
	require.NoError(t, err)
	return stack
}

func section(name string, values any) map[string]any {
	return map[string]any{"kubetracing:" + name: values}
}

// secondTag gives an image another name.
func secondTag(t *testing.T, image, name string) string {
	t.Helper()
	tag := "kubetracing-e2e-second/" + name + ":latest"
	// A build leaves the image that it builds on in its own cache.
	if exec.Command("docker", "image", "inspect", image).Run() != nil {
		docker(t, "pull", image)
	}
	docker(t, "tag", image, tag)
	t.Cleanup(func() { docker(t, "image", "rm", tag) })
	return tag
}

func docker(t *testing.T, arguments ...string) string {
	t.Helper()
	output, err := exec.Command("docker", arguments...).CombinedOutput()
	require.NoError(t, err, "docker %s: %s", strings.Join(arguments, " "), output)
	return strings.TrimSpace(string(output))
}

// identities name containers and their starts.
func identities(t *testing.T, containers []string) map[string]string {
	t.Helper()
	identities := map[string]string{}
	for _, container := range containers {
		identities[container] = docker(t, "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", container)
	}
	return identities
}

// startBarePod runs a pod that nothing would bring back.
func startBarePod(t *testing.T) {
	t.Helper()
	inNode(t, "kubectl", "run", "bare", "--image=docker.io/library/busybox:1.37.0", "--image-pull-policy=IfNotPresent",
		"--restart=Never", "--", "sleep", "86400")
	inNode(t, "kubectl", "wait", "pod/bare", "--for=condition=Ready", "--timeout=2m")
}

// barePod names the pod's container, its start and how often it was restarted.
func barePod(t *testing.T) string {
	t.Helper()
	return inNode(t, "kubectl", "get", "pod", "bare", "--output", "jsonpath={.status.phase} "+
		"{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].state.running.startedAt} "+
		"{.status.containerStatuses[0].restartCount}")
}
