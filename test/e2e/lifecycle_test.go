//go:build e2e

// Package e2e_test creates, changes and destroys a real stack: real Pulumi, real
// Docker, real k3d, spans in a real Jaeger. It takes its tools from PATH and its
// images from the Docker daemon.
package e2e_test

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
)

// serverContainer is the cluster's first node.
const serverContainer = "k3d-kubetracing-" + stackName + "-server-0"

type outputs struct {
	JaegerURL   string            `json:"jaegerUrl"`
	Kubeconfig  string            `json:"kubeconfig"`
	ClusterName string            `json:"clusterName"`
	Services    map[string]int    `json:"services"`
	Traces      map[string]string `json:"traces"`
}

// TestLifecycle is one story: each step stands on the one before.
func TestLifecycle(t *testing.T) {
	p := newProject(t)
	require.Empty(t, owned(t), "an earlier run left something behind")
	t.Cleanup(func() {
		if _, err := p.run(t, "destroy"); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})

	p.mustRun(t, "up")
	seen := stackOutputs(t, p)
	runtime := runtimeService(t, p)

	t.Run("the update ends with spans of every component", func(t *testing.T) {
		for _, service := range []string{"apiserver", "etcd", "kubelet", runtime} {
			assert.Positive(t, seen.Services[service], service)
		}
	})
	t.Run("the echo pod's sandbox is one trace of kubelet and runtime", func(t *testing.T) {
		require.Contains(t, seen.Traces, "echo")
		assert.Contains(t, seen.Traces["echo"], seen.JaegerURL+"/trace/")
		spans, err := verify.Client{BaseURL: seen.JaegerURL}.Spans(context.Background(), verify.Query{
			Service: runtime, Operation: "runtime.v1.RuntimeService/RunPodSandbox",
			Since: time.Now().Add(-time.Hour), Limit: 50,
		})
		require.NoError(t, err)
		id := seen.Traces["echo"][strings.LastIndex(seen.Traces["echo"], "/")+1:]
		services := map[string]bool{}
		for _, span := range spans {
			if span.TraceID == id {
				services[span.Service] = true
				assert.Equal(t, serverContainer, span.Attributes["k8s.node.name"])
			}
		}
		assert.Equal(t, map[string]bool{"kubelet": true, runtime: true}, services)
	})
	t.Run("the echo pod printed hi", func(t *testing.T) {
		assert.Equal(t, "hi\n", inNode(t, "kubectl", "--namespace", "kubetracing", "logs", "echo"))
	})
	t.Run("nothing to do is nothing to change, twice in the same words", func(t *testing.T) {
		first := p.mustRun(t, "preview", "--", "--expect-no-changes")
		assert.Equal(t, first, p.mustRun(t, "preview", "--", "--expect-no-changes"))
		p.mustRun(t, "up", "--", "--expect-no-changes")
	})
	t.Run("the kubeconfig is an output and stands in no log", func(t *testing.T) {
		require.Contains(t, seen.Kubeconfig, "client-key-data")
		for line := range strings.Lines(seen.Kubeconfig) {
			if _, key, ok := strings.Cut(line, "client-key-data: "); ok {
				assert.NotContains(t, p.log.String(), strings.TrimSpace(key))
			}
		}
	})
	t.Run("destroy leaves nothing", func(t *testing.T) {
		p.mustRun(t, "destroy")
		assert.Empty(t, owned(t))
		assert.NoDirExists(t, p.root+"/.kubetracing/state")
		assert.NoDirExists(t, p.root+"/.kubetracing/workspace")
	})
}

func stackOutputs(t *testing.T, p *project) outputs {
	t.Helper()
	var seen outputs
	text, err := p.command("pulumi", "--", "stack", "output", "--json", "--show-secrets", "--stack", stackName).Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &seen))
	return seen
}

func inNode(t *testing.T, command ...string) string {
	t.Helper()
	output, err := exec.Command("docker", append([]string{"exec", serverContainer}, command...)...).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return string(output)
}
