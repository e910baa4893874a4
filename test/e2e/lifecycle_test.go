//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/timeline"
	"github.com/kubetracing/kubetracing/test/internal/docker"
)

// outputs are the stack's outputs.
type outputs struct {
	JaegerURL   string            `json:"jaegerUrl"`
	Kubeconfig  string            `json:"kubeconfig"`
	ClusterName string            `json:"clusterName"`
	Services    map[string]int    `json:"services"`
	Traces      map[string]string `json:"traces"`
}

// TestLifecycle checks one stack from its creation to its end; each step depends on
// the one before.
func TestLifecycle(t *testing.T) {
	s := newStack(t)
	printed := s.mustRun(t, "up")
	created := stackOutputs(t, s)
	runtime := "containerd"
	if name, ok := s.section(t, "runtime")["name"].(string); ok {
		runtime = name
	}

	t.Run("the update ends with spans of every component", func(t *testing.T) {
		for _, service := range []string{"apiserver", "etcd", "kubelet", runtime} {
			assert.Positive(t, created.Services[service], service)
		}
	})
	t.Run("the echo pod's sandbox is one trace of kubelet and runtime", func(t *testing.T) {
		require.Contains(t, created.Traces, "echo")
		assert.Contains(t, created.Traces["echo"], created.JaegerURL+"/trace/")
		spans, err := verify.Client{BaseURL: created.JaegerURL}.Spans(context.Background(), verify.Query{
			Service: runtime, Operation: "runtime.v1.RuntimeService/RunPodSandbox",
			Since: time.Now().Add(-time.Hour), Limit: 50,
		})
		require.NoError(t, err)
		id := created.Traces["echo"][strings.LastIndex(created.Traces["echo"], "/")+1:]
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
	t.Run("the echo pod's timeline has every step", func(t *testing.T) {
		var found timeline.Timeline
		require.NoError(t, json.Unmarshal([]byte(s.mustRun(t, "timeline", "pod/echo", "--namespace", "kubetracing", "--output", "json", "--send")), &found))
		pod := found.Pods[0]
		assert.Equal(t, timeline.StateCompleted, pod.State)
		steps := map[timeline.PhaseName]timeline.Source{}
		for _, phase := range pod.Phases {
			if !phase.Wait {
				steps[phase.Name] = phase.Source
			}
		}
		for _, step := range []timeline.PhaseName{
			timeline.PhaseAccepted, timeline.PhaseScheduled, timeline.PhaseSandbox, timeline.PhaseCreate, timeline.PhaseStart,
		} {
			assert.Equal(t, timeline.SourceSpan, steps[step], step)
		}
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			services, err := verify.Client{BaseURL: created.JaegerURL}.Services(context.Background())
			require.NoError(c, err)
			assert.Contains(c, services, timeline.Service)
		}, time.Minute, time.Second)
	})
	t.Run("without a change two previews are identical", func(t *testing.T) {
		first := s.mustRun(t, "preview", "--", "--expect-no-changes")
		assert.Equal(t, first, s.mustRun(t, "preview", "--", "--expect-no-changes"))
		s.mustRun(t, "up", "--", "--expect-no-changes")
	})
	t.Run("the kubeconfig is an output and is not logged", func(t *testing.T) {
		require.Contains(t, created.Kubeconfig, "client-key-data")
		for line := range strings.Lines(created.Kubeconfig) {
			if _, key, ok := strings.Cut(line, "client-key-data: "); ok {
				assert.NotContains(t, s.log.String(), strings.TrimSpace(key))
			}
		}
	})
	t.Run("the update's own trace says what took the time, and no secret, path or person", func(t *testing.T) {
		link := regexp.MustCompile(`(http://\S+)/trace/([0-9a-f]{32})  \(this update\)`).FindStringSubmatch(printed)
		require.NotNil(t, link, printed)
		response, err := http.Get(link[1] + "/api/v3/traces/" + link[2])
		require.NoError(t, err)
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		for _, name := range []string{"up", "pulumi up", "pulumi", "cluster create", "k3d cluster create", "Create traced-cluster-k3d"} {
			assert.Contains(t, string(text), `"name":"`+name+`"`)
		}
		for _, personal := range []string{s.Root, "client-key-data", "BEGIN ", "git.", "@"} {
			assert.NotContains(t, string(text), personal)
		}
		for line := range strings.Lines(created.Kubeconfig) {
			if _, key, ok := strings.Cut(line, "client-key-data: "); ok {
				assert.NotContains(t, string(text), strings.TrimSpace(key))
			}
		}
	})
	t.Run("destroy leaves nothing", func(t *testing.T) {
		s.mustRun(t, "destroy")
		assert.Empty(t, owned(t))
		assert.NoDirExists(t, s.Root+"/.kubetracing/state")
		assert.NoDirExists(t, s.Root+"/.kubetracing/workspace")
	})
}

func stackOutputs(t *testing.T, s *stack) outputs {
	t.Helper()
	var found outputs
	text, err := s.Command("pulumi", "--", "stack", "output", "--json", "--show-secrets", "--stack", stackName).Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &found))
	return found
}

// inNode runs a command in the cluster's first node.
func inNode(t *testing.T, command ...string) string {
	t.Helper()
	output, err := docker.Client().Exec(t.Context(), serverContainer, command...)
	require.NoError(t, err)
	return output
}
