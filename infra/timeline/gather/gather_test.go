package gather_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
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

var update = flag.Bool("update", false, "rewrite the golden file")

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

func TestSources_Timeline_two_pods_of_one_name(t *testing.T) {
	t.Parallel()
	sources := newSources(t, "1.36", newCluster(t, "1.36"))
	const earlier, live = "9565726c-1270-466a-9b6c-0d642507d23b", "8182eb31-8947-4aa0-8bcd-720b8aff513a"
	target := gather.Target{Kind: "pod", Namespace: "shop", Name: "twin"}
	found, err := sources.Timeline(t.Context(), target)
	require.NoError(t, err)
	assert.Equal(t, live, found.UID)
	assert.Equal(t, timeline.StateReady, found.Pods[0].State)
	assert.Contains(t, found.Pods[0].Notes, "there was more than one pod of this name: --uid shows another, "+earlier)

	target.UID = earlier
	found, err = sources.Timeline(t.Context(), target)
	require.NoError(t, err)
	assert.Equal(t, earlier, found.UID)
	assert.Equal(t, timeline.StateDeleted, found.Pods[0].State)
	assert.True(t, found.Pods[0].End.Before(time.Date(2026, 11, 25, 9, 37, 25, 0, time.UTC)), "nothing of the later pod is in it")

	target.UID = "0000"
	_, err = sources.Timeline(t.Context(), target)
	require.EqualError(t, err, "pod/twin in namespace shop: no pod of this name has the uid 0000: not found")
}

// A kube-apiserver that does not name what is created is asked for the requests of the
// time of the pod that is meant.
func TestSources_Timeline_earlier_pod_of_an_old_cluster(t *testing.T) {
	t.Parallel()
	sources := newSources(t, "1.25", newCluster(t, "1.25"))
	const earlier = "126d6b72-7290-4510-b5ce-a6c54f339920"
	found, err := sources.Timeline(t.Context(), gather.Target{Kind: "pod", Namespace: "shop", Name: "twin", UID: earlier})
	require.NoError(t, err)
	pod := found.Pods[0]
	assert.Equal(t, "kubectl", pod.CreatedBy)
	assert.Equal(t, timeline.SourceSpan, pod.Phases[0].Source)
	assert.Equal(t, timeline.StateDeleted, pod.State)
}

func TestSources_Timeline_owner(t *testing.T) {
	t.Parallel()
	sources := newSources(t, "1.36", newCluster(t, "1.36"))
	found, err := sources.Timeline(t.Context(), gather.Target{Kind: "deployment", Namespace: "shop", Name: "web"})
	require.NoError(t, err)
	require.Len(t, found.Pods, 3)
	require.Len(t, found.Phases, 2)
	assert.Equal(t, "deployment/web accepted by kube-apiserver for kubectl", found.Phases[0].Text)
	assert.Equal(t, timeline.SourceSpan, found.Phases[0].Source)
	assert.Equal(t, "replicaset/web-6b598d5649 accepted by kube-apiserver for deployment-controller", found.Phases[1].Text)
	for _, pod := range found.Pods {
		assert.Equal(t, timeline.StateReady, pod.State)
		assert.Equal(t, "replicaset-controller", pod.CreatedBy)
		require.Len(t, pod.Owners, 2)
		assert.Equal(t, []string{"replicaset/web-6b598d5649", "deployment/web"}, []string{pod.Owners[0].String(), pod.Owners[1].String()})
	}
	path := filepath.Join(recordings, "golden", "deployment.txt")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text(t, sources, found)), 0o600))
	}
	golden, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(golden), text(t, sources, found))

	found, err = sources.Timeline(t.Context(), gather.Target{Kind: "job", Namespace: "shop", Name: "once"})
	require.NoError(t, err)
	require.Len(t, found.Pods, 1)
	assert.Equal(t, timeline.StateCompleted, found.Pods[0].State)
}

// The names of pods tell whose they were.
func TestSources_Timeline_owner_is_gone(t *testing.T) {
	t.Parallel()
	sources := newSources(t, "1.36", newCluster(t, "1.36").without("Deployment", "web"))
	found, err := sources.Timeline(t.Context(), gather.Target{Kind: "deployment", Namespace: "shop", Name: "web"})
	require.NoError(t, err)
	assert.Len(t, found.Pods, 3)
	assert.Equal(t, []string{"deployment/web does not exist: these are the pods in Jaeger of the last 1h0m0s whose names begin with web-"}, found.Notes)

	_, err = sources.Timeline(t.Context(), gather.Target{Kind: "deployment", Namespace: "shop", Name: "shop"})
	require.EqualError(t, err, "deployment/shop in namespace shop: not found: the namespace has no deployments")
}

func TestSources_Timeline_errors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		target gather.Target
		deny   string
		want   string
	}{
		"no such pod": {
			gather.Target{Kind: "pod", Namespace: "shop", Name: "plane"},
			"",
			"pod/plane in namespace shop: not found: the nearest names are late, plain, claim",
		},
		"another namespace": {
			gather.Target{Kind: "pod", Namespace: "default", Name: "plain"},
			"",
			"pod/plain in namespace default: not found: there is one in namespace shop",
		},
		"no permission": {
			gather.Target{Kind: "pod", Namespace: "shop", Name: "plain"},
			"/api/v1/namespaces/shop/pods/plain",
			`read pod/plain in namespace shop: this kubeconfig's user may not read it: pods "plain" is forbidden: User "jane" cannot get resource "pods" in API group "" in the namespace "shop"`,
		},
		"no permission for Events": {
			gather.Target{Kind: "pod", Namespace: "shop", Name: "plain"},
			"/api/v1/namespaces/shop/events",
			"read the Events of pod plain: this kubeconfig's user may not read it: ",
		},
		"no permission for any kind": {
			gather.Target{Namespace: "shop", Name: "plain"},
			"/api/v1/namespaces/shop/pods/plain",
			`find "plain": this kubeconfig's user may not read it: `,
		},
		"the uid of what is no pod": {
			gather.Target{Kind: "job", Namespace: "shop", Name: "once", UID: "u"}, "", "job/once: only a pod is chosen by its uid",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, "1.36")
			c.deny = test.deny
			sources := newSources(t, "1.36", c)
			_, err := sources.Timeline(t.Context(), test.target)
			require.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestSources_Timeline_name_without_a_kind(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "1.36")
	sources := newSources(t, "1.36", c)
	for name, want := range map[string]string{"plain": "pod/plain", "web": "deployment/web", "once": "job/once", "gone": "pod/gone"} {
		found, err := sources.Timeline(t.Context(), gather.Target{Namespace: "shop", Name: name})
		require.NoError(t, err)
		assert.Equal(t, want, found.String())
	}
	second := object{Kind: "StatefulSet", raw: json.RawMessage(`{"kind":"StatefulSet","metadata":{"name":"web","namespace":"shop","uid":"s"}}`)}
	require.NoError(t, json.Unmarshal(second.raw, &second))
	c.objects = append(c.objects, second)
	_, err := sources.Timeline(t.Context(), gather.Target{Namespace: "shop", Name: "web"})
	require.EqualError(t, err, `"web" is ambiguous: deployment/web or statefulset/web`)
}

// errAway is why a cluster does not answer.
var errAway = errors.New("its node is not running")

func TestSources_Timeline_cluster_is_away(t *testing.T) {
	t.Parallel()
	sources := newSources(t, "1.36", newCluster(t, "1.36"))
	sources.Cluster, sources.Away = nil, errAway
	found, err := sources.Timeline(t.Context(), gather.Target{Kind: "pod", Namespace: "shop", Name: "plain"})
	require.NoError(t, err)
	pod := found.Pods[0]
	assert.Equal(t, timeline.StateUnknown, pod.State)
	assert.Equal(t, "the cluster could not be asked", pod.Reason)
	assert.Equal(t, "the cluster is away (its node is not running): this is what Jaeger still knows", pod.Notes[0])
	assert.Equal(t, "accepted by kube-apiserver for kubectl", pod.Phases[0].Text)

	found, err = sources.Timeline(t.Context(), gather.Target{Kind: "deployment", Namespace: "shop", Name: "web"})
	require.NoError(t, err)
	assert.Len(t, found.Pods, 3)
	assert.Equal(t, []string{"the cluster is away (its node is not running): these are the pods in Jaeger whose names begin with web-"}, found.Notes)
	assert.Empty(t, found.Pods[0].Notes, "what is said of the whole is not repeated")

	_, err = sources.Timeline(t.Context(), gather.Target{Kind: "pod", Namespace: "shop", Name: "never"})
	require.EqualError(t, err, "pod/never in namespace shop: the cluster is away (its node is not running), and Jaeger has no span of the last 1h0m0s that names it")

	sources.Jaeger.BaseURL = unreachable(t)
	for _, kind := range []string{"pod", "deployment"} {
		_, err = sources.Timeline(t.Context(), gather.Target{Kind: kind, Namespace: "shop", Name: "web"})
		require.ErrorContains(t, err, kind+"/web in namespace shop: the cluster is away (its node is not running), and Jaeger could not be asked either: query Jaeger: ")
		assert.NotContains(t, err.Error(), "\n")
	}
}

func unreachable(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	return server.URL
}

func TestSources_Timeline_Jaeger_is_away(t *testing.T) {
	t.Parallel()
	sources := newSources(t, "1.36", newCluster(t, "1.36"))
	sources.Jaeger.BaseURL = unreachable(t)
	found, err := sources.Timeline(t.Context(), gather.Target{Kind: "pod", Namespace: "shop", Name: "plain"})
	require.NoError(t, err)
	pod := found.Pods[0]
	assert.Contains(t, pod.Notes[0], "Jaeger could not be asked (query Jaeger: ")
	assert.Equal(t, timeline.StateReady, pod.State)
	var names []timeline.PhaseName
	for _, phase := range pod.Phases {
		if !phase.Wait {
			names = append(names, phase.Name)
		}
		assert.NotEqual(t, timeline.SourceSpan, phase.Source)
	}
	assert.Equal(t, []timeline.PhaseName{
		timeline.PhaseAccepted, timeline.PhaseScheduled, timeline.PhaseCreate, timeline.PhaseStart, timeline.PhaseRun,
		timeline.PhaseCreate, timeline.PhaseStart,
	}, names)
}

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for argument, want := range map[string]gather.Target{
		"pod/web":           {Kind: "pod", Namespace: "shop", Name: "web"},
		"po/web":            {Kind: "pod", Namespace: "shop", Name: "web"},
		"Deploy/web":        {Kind: "deployment", Namespace: "shop", Name: "web"},
		"deployment.apps/w": {Kind: "deployment", Namespace: "shop", Name: "w"},
		"sts/web":           {Kind: "statefulset", Namespace: "shop", Name: "web"},
		"stat/web":          {Kind: "statefulset", Namespace: "shop", Name: "web"},
		"jobs/web":          {Kind: "job", Namespace: "shop", Name: "web"},
		"web":               {Namespace: "shop", Name: "web"},
	} {
		got, err := gather.ParseTarget(argument, "shop")
		require.NoError(t, err, argument)
		assert.Equal(t, want, got, argument)
	}
	for argument, want := range map[string]string{
		"":         `"": must be KIND/NAME, as pod/web`,
		"pod/":     `"pod/": must be KIND/NAME, as pod/web`,
		"pod/a/b":  `"pod/a/b": must be KIND/NAME, as pod/web`,
		"/web":     "the kind is empty: must be pod, deployment, replicaset, daemonset, statefulset, job",
		"d/web":    `kind "d" is ambiguous: deployment or daemonset`,
		"podd/web": `kind "podd" has no timeline: must be pod, deployment, replicaset, daemonset, statefulset, job; the nearest is pod`,
	} {
		_, err := gather.ParseTarget(argument, "shop")
		require.EqualError(t, err, want, argument)
	}
}

// A pod that has run for days has newer traces than those of its start.
func TestSources_Timeline_old_pod(t *testing.T) {
	t.Parallel()
	sources := newSources(t, "1.36", newCluster(t, "1.36"))
	var mu sync.Mutex
	var asked []string
	next := sources.Jaeger.BaseURL
	recorder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		query := r.URL.Query()
		asked = append(asked, query.Get("query.service_name")+" "+query.Get("query.start_time_min")+" to "+query.Get("query.start_time_max"))
		mu.Unlock()
		http.Redirect(w, r, next+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	}))
	t.Cleanup(recorder.Close)
	sources.Jaeger.BaseURL = recorder.URL
	sources.Now = func() time.Time { return now["1.36"].Add(48 * time.Hour) }
	found, err := sources.Timeline(t.Context(), gather.Target{Kind: "pod", Namespace: "shop", Name: "plain"})
	require.NoError(t, err)
	assert.Equal(t, "kubectl", found.Pods[0].CreatedBy)
	assert.Contains(t, asked, "apiserver 2026-11-25T09:37:04Z to 2026-11-25T09:47:04Z")
	assert.Contains(t, asked, "kubelet 2026-11-25T09:37:04Z to 2026-11-25T09:47:04Z")
	assert.Len(t, asked, 4)
}
