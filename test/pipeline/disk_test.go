package pipeline_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/pipeline/load"
	"github.com/kubetracing/kubetracing/test/pipeline/rig"
)

// smallDiskVariable names a folder on a file system of a few MiB, for users who
// may not mount one.
const smallDiskVariable = "KUBETRACING_SMALL_DISK"

// beyondRetries is longer than the Collector waits between two attempts: the
// default max_interval of its exporters is 30 s.
const beyondRetries = 90 * time.Second

func smallDisk(t *testing.T) string {
	t.Helper()
	if folder := os.Getenv(smallDiskVariable); folder != "" {
		return folder
	}
	folder := t.TempDir()
	if output, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder).CombinedOutput(); err != nil {
		t.Skipf("needs a small file system: the right to mount a tmpfs, or %s (%v: %s)", smallDiskVariable, err, output)
	}
	t.Cleanup(func() {
		if output, err := exec.Command("umount", folder).CombinedOutput(); err != nil {
			t.Errorf("umount %s: %v: %s", folder, err, output)
		}
	})
	return folder
}

// Senders learn of a full disk, and nothing that was acknowledged before is lost.
func TestCollector_FullDisk(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	disk := smallDisk(t)
	pipeline, err := rig.New(rig.Spec{
		Folder:    t.TempDir(),
		Jaeger:    tracing.JaegerSpec{Storage: tracing.StorageBadger, Retention: "72h0m0s"},
		Collector: tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax, DiskQueue: true},
		Overrides: map[string]string{"extensions::file_storage/queues::directory": disk + "/queues"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, pipeline.Kill()) })
	require.NoError(t, pipeline.Start(ctx))

	require.NoError(t, pipeline.Jaeger.Kill())
	sender := &load.Sender{
		Address:  pipeline.Collector.OTLPGRPC,
		Shape:    load.Shape{Run: uint64(time.Now().UnixNano()), Spans: 3, Start: time.Now()},
		Requests: 1000, Traces: tracesPerEach, Workers: 4,
	}
	acknowledged, err := sender.Send(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, acknowledged)
	refused, last := sender.Failures()
	require.Positive(t, refused, "the disk was not full")
	require.ErrorContains(t, last, "no space left on device")

	require.NoError(t, pipeline.Jaeger.Start(ctx))
	lost, err := load.WaitStored(ctx, pipeline.Jaeger.QueryURL, sender.Shape, acknowledged, beyondRetries)
	require.NoError(t, err)
	t.Logf("%d of %d requests refused; of %d acknowledged traces %d are lost", refused, sender.Requests, len(acknowledged), len(lost))
	assert.Empty(t, lost, "acknowledged, but not in Jaeger")
}
