package faults_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	infradocker "github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/test/internal/docker"
	"github.com/kubetracing/kubetracing/test/pipeline/load"
)

// smallCollector is a second Collector with the stack's image and configuration
// whose queue lies on a disk of a few MiB.
const (
	smallCollector     = cluster + "-small-collector"
	smallCollectorPort = otlpPort + 1
	smallDisk          = "4m"
)

// fullDisk fills the disk of a Collector's queue while Jaeger is unavailable, and
// counts the traces once Jaeger is back.
func fullDisk(t *testing.T) (acknowledged, refused, lost int) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.yaml")
	content, err := docker.Client().CopyFrom(t.Context(), collector, "/etc/otelcol/config.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(config, []byte(content), 0o600))
	// The Collector is another user.
	require.NoError(t, os.Chmod(config, 0o644)) //nolint:gosec // it holds no secret
	docker.Run(t, "create", "--name", smallCollector, "--label", ownerLabel, "--network", cluster,
		"--publish", fmt.Sprintf("127.0.0.1:%d:%d", smallCollectorPort, tracing.OTLPGRPCPort),
		"--tmpfs", tracing.CollectorDataDirectory+":mode=1777,size="+smallDisk,
		"--mount", "type=bind,readonly,target=/etc/otelcol/config.yaml,source="+config,
		docker.Inspect(t, collector).Image, "--config", "/etc/otelcol/config.yaml")
	t.Cleanup(func() {
		assert.NoError(t, docker.Client().RemoveContainers(context.WithoutCancel(t.Context()), smallCollector))
	})
	require.NoError(t, docker.Client().Start(t.Context(), smallCollector))

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	docker.Run(t, "pause", jaeger)
	sender := &load.Sender{
		Address:  fmt.Sprintf("127.0.0.1:%d", smallCollectorPort),
		Shape:    load.Shape{Run: uint64(time.Now().UnixNano()), Spans: 3, Start: time.Now()},
		Requests: 1500, Traces: tracesPerEach, Workers: 4,
	}
	numbers, err := sender.Send(ctx)
	require.NoError(t, docker.Client().Unpause(t.Context(), jaeger))
	require.NoError(t, err)
	missing, err := load.WaitStored(ctx, fmt.Sprintf("http://127.0.0.1:%d", uiPort), sender.Shape, numbers, settleTime)
	require.NoError(t, err)
	failures, last := sender.Failures()
	t.Logf("the last refusal: %v", last)
	log, err := docker.Client().Logs(t.Context(), smallCollector, infradocker.LogOptions{Tail: 5})
	require.NoError(t, err)
	t.Logf("the Collector's last log lines:\n%s", log)
	assert.Positive(t, failures, "the disk was not full")
	return len(numbers), failures, len(missing)
}
