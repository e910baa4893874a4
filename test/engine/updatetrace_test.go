package engine_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/infra/steps"
	"github.com/kubetracing/kubetracing/infra/updatetrace"
	"github.com/kubetracing/kubetracing/test/internal/environment"
)

// author made the newest commit of a host's project.
const author = "Ada Lovelace"

// commit makes a repository of the host's folder.
func (h *host) commit(t *testing.T) {
	t.Helper()
	for _, arguments := range [][]string{
		{"init", "--quiet"},
		{"commit", "--quiet", "--allow-empty", "--message", "A change"},
	} {
		command := environment.Command("git", append([]string{
			"-c", "user.name=" + author, "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false",
		}, arguments...)...)
		command.Dir = h.folder
		output, err := command.CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
}

// personal lists what must neither be sent nor left on a disk. The fakes of the providers
// send no spans of their own, which have every message: those are the business of the
// tests of package updatetrace, and of a real stack.
func (h *host) personal() []string {
	return []string{
		privateKey, base64.StdEncoding.EncodeToString([]byte(privateKey)), author, "ada@example.com",
		h.folder, os.TempDir(), "/bin/", "/go/", "client-key-data",
	}
}

func TestStack_UpdateTrace(t *testing.T) {
	t.Parallel()
	// What Pulumi itself would send shows that there is something to hold back.
	var mu sync.Mutex
	var raw bytes.Buffer
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&raw, r.Body)
	}))
	defer receiver.Close()
	unfiltered := newHost(t)
	unfiltered.commit(t)
	unfiltered.environment["PULUMI_OPTION_OTEL_TRACES"] = receiver.URL
	unfiltered.stack(t, "dev", nil).mustUp(t)
	mu.Lock()
	for _, text := range []string{author, "ada@example.com", unfiltered.folder} {
		assert.Contains(t, raw.String(), text)
	}
	mu.Unlock()

	ctx, recording := updatetrace.Start(t.Context())
	defer func() { assert.NoError(t, recording.Close()) }()
	h := newHost(t)
	h.commit(t)
	var folder string
	require.NoError(t, steps.Do(ctx, "up", func(ctx context.Context) error {
		for _, variable := range recording.Environment(ctx, func(string) (string, bool) { return "", false }) {
			name, value, _ := strings.Cut(variable, "=")
			h.environment[name] = value
			if name == "KUBETRACING_STEPS" {
				folder = filepath.Dir(value)
			}
		}
		h.stack(t, "dev", nil).mustUp(t)
		return nil
	}))
	require.NotEmpty(t, folder)

	traces := recording.Traces()
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	require.NoError(t, err)
	for _, personal := range h.personal() {
		assert.NotContains(t, string(text), personal)
	}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		assert.Empty(t, content, "nothing of Pulumi's is on a disk: %s", path)
		return err
	}))

	names := map[string]int{}
	for _, resource := range traces.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				names[span.Name()]++
				assert.Equal(t, recording.TraceID(), span.TraceID().String())
				assert.Greater(t, span.EndTimestamp(), span.StartTimestamp()-1)
			}
		}
	}
	for _, name := range []string{"up", "pulumi", "pulumi-plan", "run-program", "pulumirpc.ResourceProvider/Create", "pulumirpc.ResourceMonitor/RegisterResource"} {
		assert.Positive(t, names[name], "%s in %v", name, names)
	}
	assert.Zero(t, names["other"], "a name that the filter does not know")
	require.NoError(t, recording.Close())
	assert.NoDirExists(t, folder)
}
