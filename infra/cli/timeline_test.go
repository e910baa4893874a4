package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
	"github.com/kubetracing/kubetracing/infra/timeline"
)

// pod is a pod with a status.
func pod(status string) string {
	return `{"metadata":{"name":"web","namespace":"default","uid":"u-1","creationTimestamp":"2026-03-01T12:00:00Z"},` +
		`"spec":{"nodeName":"node","containers":[{"name":"web","image":"web:1"}]},"status":` + status + `}`
}

const (
	pendingStatus = `{"phase":"Pending","startTime":"2026-03-01T12:00:01Z"}`
	readyStatus   = `{"phase":"Running","startTime":"2026-03-01T12:00:01Z","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-03-01T12:00:05Z"}]}`
	failingStatus = `{"phase":"Pending","containerStatuses":[{"name":"web","state":{"waiting":{"reason":"ImagePullBackOff","message":"no such image"}}}]}`
)

// newPodCluster is a cluster with a pod whose answers come one after the other, the last
// one from then on, and a Jaeger that knows nothing.
func newPodCluster(t *testing.T, answers ...string) (m *machine, jaeger string) {
	t.Helper()
	var mu sync.Mutex
	m, _ = newClusterOf(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.URL.Path == "/api/v1/namespaces/default/pods/web":
			_, _ = io.WriteString(w, answers[0])
			answers = answers[min(1, len(answers)-1):]
		case strings.HasSuffix(r.URL.Path, "/events"):
			_, _ = io.WriteString(w, `{"items":[]}`)
		case strings.HasSuffix(r.URL.Path, "/pods"):
			_, _ = io.WriteString(w, `{"items":[{"metadata":{"name":"web","namespace":"default"}}]}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"message":"not found"}`)
		}
	})
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	return m, server.URL
}

// appendStack adds to the file of stack dev.
func (m *machine) appendStack(t *testing.T, text string) {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(m.root, "Pulumi.dev.yaml"))
	require.NoError(t, err)
	m.write(t, "Pulumi.dev.yaml", string(config)+text)
}

func TestTimeline(t *testing.T) {
	m, jaeger := newPodCluster(t, pod(readyStatus))
	got := m.run(t, "timeline", "--jaeger", jaeger, "pod/web")
	require.Zero(t, got.code, got.stderr)
	assert.Contains(t, got.stdout, "pod/web in namespace default: ready after about 5s\n")
	assert.Contains(t, got.stdout, "waiting for the kubelet to report the pod ready")
	assert.Empty(t, got.stderr)

	got = m.run(t, "timeline", "--jaeger", jaeger, "--output", "json", "web")
	require.Zero(t, got.code, got.stderr)
	var found timeline.Timeline
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &found))
	assert.Equal(t, "pod/web", found.String())
	assert.Equal(t, timeline.StateReady, found.Pods[0].State)
	assert.Equal(t, "5s", time.Duration(found.Pods[0].ReadyAfter).String())
}

func TestTimeline_mistakes(t *testing.T) {
	m, jaeger := newPodCluster(t, pod(readyStatus))
	for arguments, want := range map[string]string{
		"pod/webb":                       "kubetracing: pod/webb in namespace default: not found: the nearest names are web\n",
		"d/web":                          "kubetracing: kind \"d\" is ambiguous: deployment or daemonset\n",
		"--output xml pod/web":           "kubetracing: --output: \"xml\": must be text or json\n",
		"--kubeconfig /missing pod/web":  "kubetracing: read kubeconfig: open /missing: no such file or directory\n",
		"--uid u-2 pod/web":              "kubetracing: pod/web in namespace default: no pod of this name has the uid u-2: not found\n",
		"pod/a pod/b":                    "kubetracing: accepts 1 arg(s), received 2\n",
		"--watch --timeout 1s pod/other": "kubetracing: pod/other in namespace default: not found: the nearest names are web\n",
	} {
		got := m.run(t, append([]string{"timeline", "--jaeger", jaeger}, strings.Fields(arguments)...)...)
		assert.Equal(t, outcome{1, "", want}, got, arguments)
	}
}

// What Jaeger still knows is told; here that is nothing.
func TestTimeline_stack_does_not_run(t *testing.T) {
	m, jaeger := newPodCluster(t, pod(readyStatus))
	m.docker.On(dockertest.Command(readKubeconfig), dockertest.Fail("Error: No such container"))
	got := m.run(t, "timeline", "--jaeger", jaeger, "pod/web")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "kubetracing: pod/web in namespace default: the cluster is away (read the kubeconfig of node "+node)
	assert.Contains(t, got.stderr, "and Jaeger has no span of the last 1h0m0s that names it\n")
}

func TestTimeline_watch(t *testing.T) {
	m, jaeger := newPodCluster(t, pod(pendingStatus), pod(pendingStatus), pod(readyStatus))
	// A cluster whose components do not sample has no spans to wait for.
	m.appendStack(t, "  kubetracing:sampling: {apiserver: 0, kubelet: 0}\n")
	got := m.run(t, "timeline", "--jaeger", jaeger, "--watch", "pod/web")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, "kubetracing: pod/web: starting, volumes and other preparation by the kubelet\nkubetracing: pod/web: ready\n", got.stderr)
	assert.Contains(t, got.stdout, "pod/web in namespace default: ready after about 5s\n")

	m, jaeger = newPodCluster(t, pod(failingStatus))
	m.appendStack(t, "  kubetracing:sampling: {apiserver: 0, kubelet: 0}\n")
	got = m.run(t, "timeline", "--jaeger", jaeger, "--timeout", "20s", "--watch", "pod/web")
	assert.Equal(t, 2, got.code)
	assert.Contains(t, got.stderr, "kubetracing: pod/web is failing: web: ImagePullBackOff: no such image\n")

	m, jaeger = newPodCluster(t, pod(pendingStatus))
	got = m.run(t, "timeline", "--jaeger", jaeger, "--timeout", "1s", "--watch", "pod/web")
	assert.Equal(t, 2, got.code)
	assert.Contains(t, got.stderr, "kubetracing: pod/web is not ready after 1s\n")
}

func TestTimeline_send(t *testing.T) {
	m, jaeger := newPodCluster(t, pod(readyStatus))
	m.docker.On([]string{"docker", "exec", "--interactive", node, dockertest.Rest}, dockertest.Print("{}"))
	got := m.run(t, "timeline", "--jaeger", jaeger, "--send", "pod/web")
	require.Zero(t, got.code, got.stderr)
	calls := m.docker.Calls("docker", "exec", "--interactive")
	require.Len(t, calls, 1)
	sent, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(calls[0].Stdin))
	require.NoError(t, err)
	spans := verify.Flatten(sent)
	assert.Equal(t, "timeline", spans[0].Service)
	assert.Equal(t, "default/web", spans[0].Attributes["k8s.pod"])
	assert.Equal(t, "kubetracing: the timeline is "+jaeger+"/trace/"+spans[0].TraceID+"\n", got.stderr)

	m.docker.On([]string{"docker", "exec", "--interactive", node, dockertest.Rest}, dockertest.Fail("wget: bad address"))
	got = m.run(t, "timeline", "--jaeger", jaeger, "--send", "pod/web")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "kubetracing: send spans to otel-collector: ")
}

func TestExport(t *testing.T) {
	m := newMachine(t)
	jaeger := newTracingJaeger(t)
	file := filepath.Join(m.root, "traces.json")
	const trace = "0af7651916cd43dd8448eb211c80319c"
	got := m.run(t, "export", "--jaeger", jaeger, "--file", file, trace)
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, "kubetracing: wrote 1 spans of 1 traces to "+file+"\n", got.stderr)
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	m.docker.On([]string{"docker", "exec", "--interactive", node, dockertest.Rest}, dockertest.Print("{}"))
	got = m.run(t, "import", file)
	assert.Equal(t, outcome{
		0, "http://127.0.0.1:16686/trace/" + trace + "\n", "kubetracing: read 1 spans of 1 traces into http://127.0.0.1:16686\n",
	}, got)
	call := m.docker.Calls("docker", "exec", "--interactive")[0]
	assert.Equal(t, "http://jaeger:4318/v1/traces", call.Argv[len(call.Argv)-1])
	assert.Contains(t, call.Stdin, trace)

	got = m.run(t, "export", "--jaeger", jaeger, trace)
	require.Zero(t, got.code, got.stderr)
	got = m.runInput(t, got.stdout, "--root", m.root, "import", "-")
	assert.Zero(t, got.code, got.stderr)
}

func TestExport_mistakes(t *testing.T) {
	m := newMachine(t)
	none := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(none.Close)
	for arguments, want := range map[string]string{
		"export --since 0s": "--since: 0s: must be positive",
		"export --limit 0":  "--limit: 0: must be at least 1",
		"export xyz --service a": "\"xyz\": must be the id of a trace, up to 32 digits from 0 to f\n" +
			"ids of traces cannot be combined with --object or --service",
		"export --object pod/web --service a":                              "--object cannot be combined with --service",
		"export --jaeger " + none.URL + " --service a":                     "export: Jaeger has no such traces",
		"export --jaeger " + none.URL + " 0af7":                            "Jaeger has no trace 0af7\nkubetracing: export: Jaeger has no such traces",
		"export --file /missing/f --jaeger " + newTracingJaeger(t) + " 0a": "write traces: open /missing/f: no such file or directory",
		"import /missing": "read traces: /missing: no such file or directory",
	} {
		got := m.run(t, strings.Fields(arguments)...)
		assert.Equal(t, outcome{1, "", "kubetracing: " + want + "\n"}, got, arguments)
	}
	got := m.runInput(t, "{}", "--root", m.root, "import", "-")
	assert.Equal(t, outcome{1, "", "kubetracing: read traces: it has no spans: OTLP JSON has them below resourceSpans\n"}, got)
}
