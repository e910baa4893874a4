//go:build e2e

// Package e2e_test creates, changes and destroys a real stack: real Pulumi, real
// Docker, real k3d, spans in a real Jaeger. It takes its tools from PATH and its
// images from the Docker daemon.
package e2e_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/test/internal/docker"
	"github.com/kubetracing/kubetracing/test/internal/environment"
	"github.com/kubetracing/kubetracing/test/internal/matrix"
	"github.com/kubetracing/kubetracing/test/project"
)

// Names of the test's own stack.
const (
	stackName   = "e2e"
	clusterName = "kubetracing-" + stackName
	// ownerLabel is on every Docker object of the stack.
	ownerLabel = "kubetracing.stack=kubetracing/" + stackName

	jaegerContainer    = clusterName + "-jaeger"
	collectorContainer = clusterName + "-collector"
	// serverContainer is the cluster's first node.
	serverContainer = "k3d-" + clusterName + "-server-0"
)

func TestMain(m *testing.M) { os.Exit(environment.RunLive(m)) }

// stack is the test's own stack, destroyed in the end.
type stack struct {
	*project.Project

	// log is everything that kubetracing printed.
	log *bytes.Buffer
	// recorder records what the test ran on.
	recorder *matrix.Recorder
}

// newStack prepares a stack. The test fails if Docker or one of the programs is
// missing, or if an earlier run has left something.
func newStack(t *testing.T, programs ...string) *stack {
	t.Helper()
	recorder := matrix.Record(t, suites[t.Name()])
	docker.Require(t, programs...)
	require.Empty(t, owned(t), "an earlier run left something behind")
	p, err := project.New(t.TempDir(), stackName, "")
	require.NoError(t, err)
	s := &stack{Project: p, log: &bytes.Buffer{}, recorder: recorder}
	for variable, setting := range replaced {
		if value := os.Getenv(variable); value != "" {
			s.merge(t, setting.section, map[string]any{setting.key: value})
		}
	}
	t.Cleanup(func() {
		if _, _, _, err := s.timed(t, "destroy"); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return s
}

// suites are the make targets of the tests.
var suites = map[string]string{
	"TestLifecycle": "make e2e", "TestChanges": "make e2e",
	"TestRecovery": "make recovery", "TestInterruptedUpdate": "make recovery", "TestNodeThatDoesNotComeUp": "make recovery",
}

// replaced are environment variables that replace a setting of the stack's file, for
// a matrix of versions and runtimes.
var replaced = map[string]struct{ section, key string }{
	"KUBETRACING_E2E_KUBERNETES": {"cluster", "kubernetes"},
	"KUBETRACING_E2E_RUNTIME":    {"runtime", "name"},
	"KUBETRACING_E2E_OCI":        {"runtime", "oci"},
}

// merge sets keys of a section of the stack's file.
func (s *stack) merge(t *testing.T, section string, keys map[string]any) {
	t.Helper()
	require.NoError(t, s.Merge(section, keys))
}

// section returns the keys of a section of the stack's file.
func (s *stack) section(t *testing.T, name string) map[string]any {
	t.Helper()
	keys, err := s.Section(name)
	require.NoError(t, err)
	return keys
}

// timed runs kubetracing and returns what it printed, on both of its outputs, and
// how long it took.
func (s *stack) timed(t *testing.T, name string, arguments ...string) (stdout, stderr string, took time.Duration, err error) {
	t.Helper()
	var printed, messages bytes.Buffer
	command := s.Command(name, arguments...)
	command.Stdout = io.MultiWriter(&printed, s.log, testWriter{t})
	command.Stderr = io.MultiWriter(&messages, s.log, testWriter{t})
	started := time.Now()
	err = command.Run()
	if name == "up" && err == nil {
		s.recorder.Observe(serverContainer)
	}
	return printed.String(), messages.String(), time.Since(started).Round(time.Second), err
}

// mustRun runs kubetracing and returns what it printed on standard output.
func (s *stack) mustRun(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	output, _, _, err := s.timed(t, name, arguments...)
	require.NoError(t, err, "kubetracing %s %s", name, strings.Join(arguments, " "))
	return output
}

// testWriter writes the commands' output to the test's log.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(text []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(text), "\n"))
	return len(text), nil
}

// owned lists the Docker objects of the stack.
func owned(t *testing.T) []string {
	t.Helper()
	return docker.Labelled(t, ownerLabel, "k3d.cluster="+clusterName)
}
