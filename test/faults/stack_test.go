// Package faults_test breaks the parts of a real stack while numbered traces go
// through it, and counts which of those that were acknowledged are missing.
package faults_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/test/internal/docker"
	"github.com/kubetracing/kubetracing/test/internal/environment"
	"github.com/kubetracing/kubetracing/test/internal/matrix"
	"github.com/kubetracing/kubetracing/test/project"
)

// Names and addresses of the test's own stack.
const (
	stackName  = "faults"
	cluster    = "kubetracing-" + stackName
	jaeger     = cluster + "-jaeger"
	collector  = cluster + "-collector"
	server     = "k3d-" + cluster + "-server-0"
	otlpPort   = 25317
	uiPort     = 27686
	apiPort    = 27550
	ownerLabel = "kubetracing.stack=kubetracing/" + stackName
)

func TestMain(m *testing.M) { os.Exit(environment.RunLive(m)) }

// startStack creates a stack with settings by section, destroyed in the end.
func startStack(t *testing.T, settings map[string]map[string]any) {
	t.Helper()
	recorder := matrix.Record(t, "make faults")
	docker.Require(t)
	require.Empty(t, docker.Labelled(t, ownerLabel), "an earlier run left something behind")
	p, err := project.New(t.TempDir(), stackName, "")
	require.NoError(t, err)
	for section, keys := range settings {
		require.NoError(t, p.Merge(section, keys))
	}
	t.Cleanup(func() {
		output, err := p.Command("destroy").CombinedOutput()
		assert.NoError(t, err, "clean up: %s", output)
		assert.Empty(t, docker.Labelled(t, ownerLabel), "destroy leaves nothing")
	})
	output, err := p.Command("up").CombinedOutput()
	require.NoError(t, err, "create the stack: %s", output)
	recorder.Observe(server)
}
