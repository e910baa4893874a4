package timeline_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/timeline"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// recorded is a cluster as it was recorded: its objects, and the spans in Jaeger.
type recorded struct {
	pods   []timeline.PodObject
	events []timeline.Event
	spans  []verify.Span
}

// namespace is that of the recorded objects.
const namespace = "shop"

// now is when a cluster was recorded.
var now = map[string]time.Time{
	"1.36": time.Date(2026, 11, 25, 9, 38, 18, 0, time.UTC),
	"1.25": time.Date(2026, 11, 25, 9, 40, 57, 0, time.UTC),
}

func read(t *testing.T, version string) recorded {
	t.Helper()
	var r recorded
	text, err := os.ReadFile(filepath.Join("testdata", "objects-"+version+".json"))
	require.NoError(t, err)
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	require.NoError(t, json.Unmarshal(text, &list))
	for _, item := range list.Items {
		var kind struct {
			Kind string `json:"kind"`
		}
		require.NoError(t, json.Unmarshal(item, &kind))
		switch kind.Kind {
		case "Pod":
			var pod timeline.PodObject
			require.NoError(t, json.Unmarshal(item, &pod))
			r.pods = append(r.pods, pod)
		case "Event":
			var event timeline.Event
			require.NoError(t, json.Unmarshal(item, &event))
			r.events = append(r.events, event)
		}
	}
	text, err = os.ReadFile(filepath.Join("testdata", "spans-"+version+".json"))
	require.NoError(t, err)
	traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(text)
	require.NoError(t, err)
	r.spans = verify.Flatten(traces)
	return r
}

// facts returns what is known of a pod. A pod that is gone is named by its uid.
func (r recorded) facts(t *testing.T, version, name, uid string) timeline.Facts {
	t.Helper()
	facts := timeline.Facts{
		Object: timeline.Object{Kind: "pod", Namespace: namespace, Name: name, UID: uid},
		Spans:  r.spans, Now: now[version],
		Rates:    timeline.Rates{Known: true, APIServer: 1e6, Kubelet: 1e6, Collector: 1e6, UnnamedPods: version == "1.25"},
		TraceURL: func(id string) string { return "http://127.0.0.1:16686/trace/" + id },
	}
	for i, pod := range r.pods {
		if pod.Metadata.Name == name && (uid == "" || uid == pod.Metadata.UID) {
			facts.Pod, facts.Object.UID = &r.pods[i], pod.Metadata.UID
		}
	}
	for _, event := range r.events {
		if event.Involved.Kind == "PersistentVolumeClaim" && slices.Contains(facts.Pod.Claims(), event.Involved.Name) {
			facts.Claims = append(facts.Claims, event)
		}
		if event.Involved.Kind == "Pod" && event.Involved.Name == name {
			facts.Events = append(facts.Events, event)
			if facts.Object.UID == "" {
				facts.Object.UID = event.Involved.UID
			}
		}
	}
	require.NotEmpty(t, facts.Object.UID)
	return facts
}

// names returns the pods of a recording, and the uids of those that are gone.
func (r recorded) names() map[string]string {
	names := map[string]string{}
	for _, pod := range r.pods {
		names[pod.Metadata.Name] = pod.Metadata.UID
	}
	for _, event := range r.events {
		if event.Involved.Kind == "Pod" && names[event.Involved.Name] != event.Involved.UID {
			name := event.Involved.Name
			if names[name] != "" {
				name += " (earlier)"
			}
			names[name] = event.Involved.UID
		}
	}
	return names
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestBuild_recorded(t *testing.T) {
	t.Parallel()
	for version := range now {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			r := read(t, version)
			for name, uid := range r.names() {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					short, _, _ := strings.Cut(name, " ")
					pod := timeline.Build(r.facts(t, version, short, uid))
					var text bytes.Buffer
					require.NoError(t, timeline.Timeline{Object: pod.Object, Pods: []timeline.Pod{pod}}.Write(&text, 0))
					golden(t, version+"/"+strings.ReplaceAll(name, " ", "-")+".txt", text.String())
				})
			}
		})
	}
}
