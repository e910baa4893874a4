package progress_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/progress"
	"github.com/kubetracing/kubetracing/infra/pulumi"
)

// clock is the time of a test.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

// begin is when every update begins.
var begin = time.Unix(1795583320, 0)

// newReport returns a report of a command, its output and its clock.
func newReport(command string, width int) (*progress.Report, *bytes.Buffer, *clock) {
	var output bytes.Buffer
	c := &clock{begin}
	report := progress.New(&output, width, c.read)
	report.Begin(command)
	return report, &output, c
}

// replay feeds a report with events that Pulumi 3.259 recorded, at their times.
func replay(t *testing.T, report *progress.Report, c *clock, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	require.NoError(t, err)
	var first time.Time
	for line := range strings.Lines(string(text)) {
		var event apitype.EngineEvent
		require.NoError(t, json.Unmarshal([]byte(line), &event))
		at := time.Unix(int64(event.Timestamp), 0)
		if first.IsZero() {
			first = at
		}
		c.now = begin.Add(at.Sub(first))
		report.Event(event)
	}
}

func TestReport_up(t *testing.T) {
	t.Parallel()
	report, output, c := newReport("up", 0)
	replay(t, report, c, "up.jsonl")
	report.End(nil, "Updating (dev): what Pulumi prints")
	assert.Equal(t, `kubetracing: warning: The bundle has no conmon-rs.
kubetracing: Jaeger and the Collector: waiting for Jaeger
kubetracing: network and identity: done in 0s
kubetracing: Jaeger and the Collector: Jaeger is healthy
kubetracing: cluster: creating nodes
kubetracing: Jaeger and the Collector: done in 1s
kubetracing: cluster: waiting for 1 ready node
kubetracing: cluster: done in 3s
kubetracing: done in 4s: 8 created
`, output.String())
}

func TestReport_unchanged(t *testing.T) {
	t.Parallel()
	report, output, c := newReport("up", 0)
	replay(t, report, c, "unchanged.jsonl")
	report.End(nil, "")
	assert.Equal(t, "kubetracing: warning: The bundle has no conmon-rs.\nkubetracing: nothing to change (8 resources, 0s)\n", output.String())
}

func TestReport_failure(t *testing.T) {
	t.Parallel()
	report, output, c := newReport("up", 0)
	replay(t, report, c, "fail.jsonl")
	report.End(&pulumi.ExitError{Command: "up", Code: 255}, "Updating (dev): what Pulumi prints")
	assert.True(t, strings.HasSuffix(output.String(), `
kubetracing: cluster: creating nodes
kubetracing: Jaeger and the Collector: done in 1s
kubetracing: cluster: node server-0 does not come up: "too many open files"
kubetracing: cluster: failed after 1s
kubetracing: the update failed after 2s (--verbose shows everything that Pulumi prints)
cluster-cmd:
  node server-0 does not come up: "too many open files"
`), output.String())
}

func TestReport_destroy(t *testing.T) {
	t.Parallel()
	report, output, c := newReport("destroy", 0)
	replay(t, report, c, "destroy.jsonl")
	report.End(nil, "")
	assert.Equal(t, `kubetracing: cluster: removing cluster
kubetracing: Jaeger and the Collector: removing jaeger
kubetracing: cluster: removed in 1s
kubetracing: network and identity: removing network
kubetracing: Jaeger and the Collector: removed in 1s
kubetracing: network and identity: removed in 1s
kubetracing: removed in 3s: 8 deleted
`, output.String())
}

// An error before the engine starts, such as a lock, has no event.
func TestReport_failure_without_events(t *testing.T) {
	t.Parallel()
	report, output, c := newReport("destroy", 0)
	c.now = begin.Add(1500 * time.Millisecond)
	report.End(&pulumi.ExitError{Command: "destroy", Code: 255}, "\x1b[31merror:\x1b[0m the stack is currently locked\n")
	assert.Equal(t, "kubetracing: the removal failed after 1.5s (--verbose shows everything that Pulumi prints)\n"+
		"error: the stack is currently locked\n", output.String())

	report, output, _ = newReport("up", 0)
	report.End(errors.New("not an exit code"), "whatever")
	assert.Empty(t, output.String(), "the caller reports it")
}

const (
	stackURN   = "urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev"
	imageURN   = "urn:pulumi:dev::p::kubetracing:components:TracedCluster$kubetracing:components:NodeImage$docker:index/image:Image::traced-node-image-build"
	clusterURN = "urn:pulumi:dev::p::kubetracing:components:Cluster$command:local:Command::cluster-k3d"
)

func starting(op apitype.OpType, urn string) apitype.EngineEvent {
	return apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{Metadata: apitype.StepEventMetadata{
		Op: op, URN: urn, New: &apitype.StepEventStateMetadata{Custom: true},
	}}}
}

func ending(op apitype.OpType, urn string) apitype.EngineEvent {
	return apitype.EngineEvent{ResOutputsEvent: &apitype.ResOutputsEvent{Metadata: apitype.StepEventMetadata{
		Op: op, URN: urn, New: &apitype.StepEventStateMetadata{Custom: true},
	}}}
}

func saying(severity, urn, message string) apitype.EngineEvent {
	return apitype.EngineEvent{DiagnosticEvent: &apitype.DiagnosticEvent{Severity: severity, URN: urn, Message: message}}
}

func TestReport_reminder_in_a_log(t *testing.T) {
	t.Parallel()
	report, output, c := newReport("up", 0)
	report.Event(apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{Metadata: apitype.StepEventMetadata{
		Op: apitype.OpSame, URN: "urn:pulumi:dev::p::kubetracing:components:TracedCluster::traced", New: &apitype.StepEventStateMetadata{},
	}}})
	report.Event(starting(apitype.OpCreate, imageURN))
	report.Event(starting(apitype.OpUpdate, clusterURN))
	c.now = begin.Add(29 * time.Second)
	report.Tick()
	assert.Empty(t, output.String())
	c.now = begin.Add(30 * time.Second)
	report.Tick()
	report.Event(saying("info", clusterURN, "kubetracing: waiting for 2 ready nodes"))
	c.now = begin.Add(60 * time.Second)
	report.Tick()
	assert.Equal(t, `kubetracing: still updating: node image (30s): creating node-image-build; cluster (30s): updating cluster-k3d
kubetracing: cluster: waiting for 2 ready nodes
kubetracing: still updating: node image (1m0s): creating node-image-build; cluster (1m0s): waiting for 2 ready nodes
`, output.String())
}

func TestReport_chatter(t *testing.T) {
	t.Parallel()
	report, output, _ := newReport("up", 0)
	report.Event(starting(apitype.OpCreate, imageURN))
	for _, event := range []apitype.EngineEvent{
		saying("info", imageURN, "#12 sha256:0123 1.05MB / 3.10MB 0.4s"),
		saying("info", clusterURN, "\x1b[36mINFO\x1b[0m[0021] Cluster 'kubetracing-dev' created successfully!"),
		saying("info", clusterURN, "export KUBECONFIG=$(k3d kubeconfig write kubetracing-dev)"),
		saying("info", imageURN, "Building your image for linux/amd64 architecture.\nTo ensure you are building for the correct platform, consider …"),
		saying("warning", stackURN, "using pulumi-resource-docker from $PATH at /usr/bin/pulumi-resource-docker"),
		saying("warning", stackURN, "<{%fg 3%}>youki does not run under conmon-rs.<{%reset%}>\n"),
		saying("warning", stackURN, "youki does not run under conmon-rs."),
	} {
		report.Event(event)
	}
	assert.Equal(t, "kubetracing: warning: youki does not run under conmon-rs.\n", output.String())
}

func TestReport_phase_goes_on(t *testing.T) {
	t.Parallel()
	report, output, c := newReport("up", 0)
	report.Event(starting(apitype.OpCreate, imageURN))
	c.now = begin.Add(2 * time.Second)
	report.Event(ending(apitype.OpCreate, imageURN))
	c.now = begin.Add(2500 * time.Millisecond)
	report.Event(starting(apitype.OpReplace, imageURN))
	report.Event(starting(apitype.OpSame, imageURN))
	assert.Empty(t, output.String(), "the next of its resources may follow at once")
	report.Event(starting(apitype.OpCreate, imageURN+"2"))
	c.now = begin.Add(9 * time.Second)
	report.Event(ending(apitype.OpCreate, imageURN+"2"))
	c.now = begin.Add(10 * time.Second)
	report.Tick()
	assert.Equal(t, "kubetracing: node image: done in 9s\n", output.String())
}

func TestReport_terminal(t *testing.T) {
	t.Parallel()
	const clearLine = "\r\x1b[K"
	report, output, c := newReport("up", 60)
	report.Tick()
	report.Event(starting(apitype.OpCreate, imageURN))
	c.now = begin.Add(12 * time.Second)
	report.Event(starting(apitype.OpCreate, clusterURN))
	report.Event(saying("info", clusterURN, "kubetracing: creating nodes"))
	report.Event(ending(apitype.OpCreate, imageURN))
	c.now = begin.Add(13 * time.Second)
	report.Tick()
	report.Event(ending(apitype.OpCreate, clusterURN))
	c.now = begin.Add(14 * time.Second)
	report.End(nil, "")
	assert.Equal(t, clearLine+"kubetracing: updating (0s)"+
		clearLine+"kubetracing: node image (0s): creating traced-node-image-build"[:59]+
		clearLine+"kubetracing: node image (12s): creating traced-node-image-build; cl"[:59]+
		clearLine+"kubetracing: cluster: creating nodes\n"+
		clearLine+"kubetracing: node image (12s): creating traced-node-image-build; cl"[:59]+
		clearLine+"kubetracing: cluster (0s): creating nodes"+
		clearLine+"kubetracing: node image: done in 12s\n"+
		clearLine+"kubetracing: cluster (1s): creating nodes"+
		clearLine+"kubetracing: updating (13s)"+
		clearLine+"kubetracing: cluster: done in 1s\n"+
		"kubetracing: done in 14s\n", output.String())
}

func TestReport_plugin_download(t *testing.T) {
	t.Parallel()
	report, output, _ := newReport("up", 0)
	for range 2 {
		report.Event(apitype.EngineEvent{ProgressEvent: &apitype.ProgressEvent{Type: apitype.PluginDownload, Message: "Downloading plugin docker-4.11.2"}})
	}
	assert.Equal(t, "kubetracing: Downloading plugin docker-4.11.2\n", output.String())
}
