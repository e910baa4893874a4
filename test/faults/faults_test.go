package faults_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/test/internal/docker"
	"github.com/kubetracing/kubetracing/test/pipeline/load"
)

// restartVariable names the command that restarts the Docker daemon. Without it
// the daemon is not restarted: other containers may run on it.
const restartVariable = "KUBETRACING_RESTART_DOCKER"

// outage is how long a destination is unavailable or slow: long enough for the
// Collector's first attempts to fail, short enough for its retries to succeed.
const outage = 10 * time.Second

// Each fault happens in the middle of this load, which takes some 20 seconds.
const (
	requests      = 200
	tracesPerEach = 20
	// settleTime without a further trace means that the rest is lost.
	settleTime = 30 * time.Second
)

// fault is a failure of a part of the stack.
type fault struct {
	name    string
	inflict func(t *testing.T)
}

var faults = []fault{
	{"kill -9 of the Collector", func(t *testing.T) { kill(t, collector) }},
	{"kill -9 of Jaeger", func(t *testing.T) { kill(t, jaeger) }},
	{"kill -9 of k3s, and so of its node", func(t *testing.T) {
		_, err := docker.Client().Exec(t.Context(), server, "sh", "-c", "kill -KILL $(cat /run/kubetracing/k3s.pid)")
		require.NoError(t, err)
	}},
	{"a Jaeger that does not answer for 10 s", func(t *testing.T) {
		docker.Run(t, "pause", jaeger)
		time.Sleep(outage)
		require.NoError(t, docker.Client().Unpause(t.Context(), jaeger))
	}},
	{"a Jaeger that works a tenth of the time for 10 s", func(t *testing.T) {
		for range 10 {
			docker.Run(t, "pause", jaeger)
			time.Sleep(outage * 9 / 100)
			require.NoError(t, docker.Client().Unpause(t.Context(), jaeger))
			time.Sleep(outage / 100)
		}
	}},
	{"a Jaeger out of reach for 10 s", func(t *testing.T) {
		address := docker.Inspect(t, jaeger).Networks[cluster]
		require.NoError(t, docker.Client().Disconnect(t.Context(), cluster, jaeger))
		time.Sleep(outage)
		docker.Run(t, "network", "connect", "--alias", "jaeger", "--ip", address, cluster, jaeger)
	}},
	{"restart of the Docker daemon", func(t *testing.T) {
		command := os.Getenv(restartVariable)
		if command == "" {
			t.Skipf("%s does not name a command that restarts the Docker daemon", restartVariable)
		}
		output, err := exec.Command("sh", "-c", command).CombinedOutput()
		require.NoError(t, err, "%s", output)
	}},
}

// kill ends a container's process as a crash would: docker kill would keep its
// restart policy from bringing it back.
func kill(t *testing.T, container string) {
	t.Helper()
	pid := docker.Run(t, "inspect", "--format", "{{.State.Pid}}", container)
	docker.Run(t, "run", "--rm", "--privileged", "--pid", "host", "busybox:1.37.0", "kill", "-KILL", pid)
}

// modes are where traces and queues are stored.
var modes = []struct{ name, storage, queue string }{
	{"on disk", "badger", "disk"},
	{"in memory", "memory", "memory"},
}

// TestFaults breaks one part after the other, of a stack that keeps traces and
// queues on disk and of one that keeps them in memory.
func TestFaults(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			startStack(t, map[string]map[string]any{
				"cluster":   {"apiPort": apiPort},
				"jaeger":    {"uiPort": uiPort, "storage": mode.storage},
				"collector": {"otlpGrpcPort": otlpPort, "queue": mode.queue},
			})

			table := &strings.Builder{}
			writer := tabwriter.NewWriter(table, 0, 0, 2, ' ', 0)
			fmt.Fprintln(writer, "fault under load\tacknowledged\tfailed attempts\tlost")
			defer func() {
				writer.Flush()
				t.Logf("traces of the stack that stores %s:\n%s", mode.name, table)
			}()
			for _, fault := range faults {
				t.Run(fault.name, func(t *testing.T) {
					outcome := account(t, fault)
					fmt.Fprintf(writer, "%s\t%d\t%d\t%d\n", fault.name, outcome.Acknowledged, outcome.Failures, len(outcome.Lost))
					assert.Equal(t, requests*tracesPerEach, outcome.Acknowledged, "every request is sent until it is acknowledged")
					if mode.storage == "badger" {
						assert.Empty(t, outcome.Lost, "acknowledged, but not in Jaeger")
					}
					assertHealthy(t)
				})
			}
			if mode.queue == "disk" {
				t.Run("a full disk for the Collector's queue", func(t *testing.T) {
					acknowledged, refused, lost := fullDisk(t)
					fmt.Fprintf(writer, "a full disk for the Collector's queue\t%d\t%d\t%d\n", acknowledged, refused, lost)
					assert.Zero(t, lost, "acknowledged, but not in Jaeger")
				})
			}
		})
	}
}

// account sends traces and inflicts the fault in the middle.
func account(t *testing.T, fault fault) load.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	sender := &load.Sender{
		Address:  fmt.Sprintf("127.0.0.1:%d", otlpPort),
		Shape:    load.Shape{Run: uint64(time.Now().UnixNano()), Spans: 3, Start: time.Now()},
		Requests: requests, Traces: tracesPerEach, Workers: 4, Retry: true, Pause: 200 * time.Millisecond,
	}
	inflict := func() error {
		fault.inflict(t)
		return nil
	}
	outcome, err := sender.Account(ctx, []float64{0.25}, inflict, fmt.Sprintf("http://127.0.0.1:%d", uiPort), settleTime)
	require.NoError(t, err)
	return outcome
}

// assertHealthy waits until the node is ready again and what was killed runs.
func assertHealthy(t *testing.T) {
	t.Helper()
	assert.Eventually(t, func() bool {
		answer, err := docker.Client().Exec(t.Context(), server, "kubectl", "get", "--raw", "/readyz")
		return err == nil && answer == "ok"
	}, 2*time.Minute, time.Second, "kube-apiserver is not ready again")
	for _, container := range []string{jaeger, collector, server} {
		assert.True(t, docker.Inspect(t, container).State.Running(), container)
	}
}
