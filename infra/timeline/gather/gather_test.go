package gather_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/kubernetes"
	"github.com/kubetracing/kubetracing/infra/timeline"
	"github.com/kubetracing/kubetracing/infra/timeline/gather"
)

// recordings is the folder of the recorded clusters.
const recordings = "../testdata"

// object is an object of a recorded cluster.
type object struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Involved struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"involvedObject"`
	raw json.RawMessage
}

// cluster serves recorded objects, and records what is asked for.
type cluster struct {
	objects []object
	mu      sync.Mutex
	asked   []string
	// deny is the path of which kube-apiserver says that it is forbidden.
	deny string
}

// resources are the kinds of the paths.
var resources = map[string]string{
	"pods": "Pod", "events": "Event", "deployments": "Deployment", "replicasets": "ReplicaSet", "jobs": "Job",
	"daemonsets": "DaemonSet", "statefulsets": "StatefulSet",
}

func newCluster(t *testing.T, version string) *cluster {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recordings, "objects-"+version+".json"))
	require.NoError(t, err)
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	require.NoError(t, json.Unmarshal(text, &list))
	c := &cluster{}
	for _, item := range list.Items {
		o := object{raw: item}
		require.NoError(t, json.Unmarshal(item, &o))
		c.objects = append(c.objects, o)
	}
	return c
}

// without removes an object.
func (c *cluster) without(kind, name string) *cluster {
	kept := c.objects[:0]
	for _, o := range c.objects {
		if o.Kind != kind || o.Metadata.Name != name {
			kept = append(kept, o)
		}
	}
	c.objects = kept
	return c
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, r.URL.RequestURI())
	fail := func(code int, message string) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "message": message, "code": code})
	}
	if r.URL.Path == c.deny {
		fail(http.StatusForbidden, `pods "plain" is forbidden: User "jane" cannot get resource "pods" in API group "" in the namespace "shop"`)
		return
	}
	namespace, rest := "", ""
	if _, after, has := strings.Cut(r.URL.Path, "/namespaces/"); has {
		namespace, rest, _ = strings.Cut(after, "/")
	} else {
		rest = r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	}
	resource, name, _ := strings.Cut(rest, "/")
	selector := r.URL.Query().Get("fieldSelector")
	var items []json.RawMessage
	for _, o := range c.objects {
		if o.Kind != resources[resource] || namespace != "" && o.Metadata.Namespace != namespace {
			continue
		}
		if selector != "" && selector != "involvedObject.kind="+o.Involved.Kind+",involvedObject.name="+o.Involved.Name {
			continue
		}
		if name == o.Metadata.Name {
			_, _ = w.Write(o.raw)
			return
		}
		items = append(items, o.raw)
	}
	if name != "" {
		fail(http.StatusNotFound, resource+` "`+name+`" not found`)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
}

// serveJaeger serves the traces of a recorded cluster as Jaeger's query API does.
func serveJaeger(t *testing.T, version string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recordings, "spans-"+version+".json"))
	require.NoError(t, err)
	traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(text)
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		var attributes map[string]string
		_ = json.Unmarshal([]byte(query.Get("query.attributes")), &attributes)
		since, _ := time.Parse(time.RFC3339Nano, query.Get("query.start_time_min"))
		until, _ := time.Parse(time.RFC3339Nano, query.Get("query.start_time_max"))
		limit, _ := strconv.Atoi(query.Get("query.num_traces"))
		selected := map[string]bool{}
		for _, span := range verify.Flatten(traces) {
			matches := span.Service == query.Get("query.service_name") && !span.Start.Before(since) && !span.Start.After(until)
			if operation := query.Get("query.operation_name"); operation != "" && operation != span.Operation {
				matches = false
			}
			for key, value := range attributes {
				matches = matches && span.Attributes[key] == value
			}
			if matches && len(selected) < limit {
				selected[span.TraceID] = true
			}
		}
		if len(selected) == 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		answer := ptrace.NewTraces()
		traces.CopyTo(answer)
		for _, resource := range answer.ResourceSpans().All() {
			for _, scope := range resource.ScopeSpans().All() {
				scope.Spans().RemoveIf(func(span ptrace.Span) bool { return !selected[span.TraceID().String()] })
			}
		}
		encoded, _ := (&ptrace.JSONMarshaler{}).MarshalTraces(answer)
		_ = json.NewEncoder(w).Encode(map[string]json.RawMessage{"result": encoded})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// now is when a cluster was recorded.
var now = map[string]time.Time{
	"1.36": time.Date(2026, 11, 25, 9, 38, 18, 0, time.UTC),
	"1.25": time.Date(2026, 11, 25, 9, 40, 57, 0, time.UTC),
}

func newSources(t *testing.T, version string, c *cluster) gather.Sources {
	t.Helper()
	api := httptest.NewServer(c)
	t.Cleanup(api.Close)
	return gather.Sources{
		Cluster: &kubernetes.Client{BaseURL: api.URL, HTTP: api.Client()},
		Jaeger:  verify.Client{BaseURL: serveJaeger(t, version)},
		Rates: timeline.Rates{
			Known: true, APIServer: 1e6, Kubelet: 1e6, Collector: 1e6, UnnamedPods: version == "1.25",
		},
		Runtimes: []string{"containerd", "crio"}, Lookback: time.Hour, Now: func() time.Time { return now[version] },
	}
}

// recordedURL is where the golden files say that Jaeger is.
const recordedURL = "http://127.0.0.1:16686"

func text(t *testing.T, sources gather.Sources, found timeline.Timeline) string {
	t.Helper()
	var buffer bytes.Buffer
	require.NoError(t, found.Write(&buffer, 0))
	return strings.ReplaceAll(buffer.String(), sources.Jaeger.BaseURL, recordedURL)
}

// What is asked for is all that the recorded timelines need.
func TestSources_Timeline_pod(t *testing.T) {
	t.Parallel()
	for version := range now {
		for _, name := range []string{"plain", "crashloop", "imagepull", "huge", "claim", "late", "volume", "echo", "twin", "gone"} {
			t.Run(version+"/"+name, func(t *testing.T) {
				t.Parallel()
				sources := newSources(t, version, newCluster(t, version))
				found, err := sources.Timeline(t.Context(), gather.Target{Kind: "pod", Namespace: "shop", Name: name})
				require.NoError(t, err)
				golden, err := os.ReadFile(filepath.Join(recordings, "golden", version, name+".txt"))
				require.NoError(t, err)
				got := strings.Split(text(t, sources, found), "\n  note: there was more than one")[0]
				want, after, _ := strings.Cut(string(golden), "\n  [1]")
				assert.True(t, strings.HasPrefix(got, strings.Split(want, "\n  note:")[0]), got)
				assert.NotEmpty(t, after)
			})
		}
	}
}
