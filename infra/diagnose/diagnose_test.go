package diagnose_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/diagnose"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

// Commands of a diagnosis.
var (
	infoCommand = []string{"docker", "info", "--format", "{{json .}}"}
	nodesOf     = dockertest.Command("docker exec node kubectl get nodes --output json")
	podsOf      = dockertest.Command("docker exec node kubectl --namespace kubetracing get pods --output json")
	eventsOf    = dockertest.Command("docker exec node kubectl --namespace kubetracing get events --output json")
)

// host is a Docker host with one container, node, that runs nothing of Kubernetes.
type host struct {
	*dockertest.Runner
	world *dockertest.World
}

func newHost(t *testing.T) host {
	t.Helper()
	h := host{Runner: dockertest.New(t)}
	h.world = dockertest.NewWorld(h.Runner)
	h.world.Set(docker.Container{Name: "node", State: docker.State{Status: "running"}})
	h.On([]string{"docker", "version", "--format", "{{json .}}"}, dockertest.Print(`{"Client":{},"Server":{"Version":"28.2.2"}}`))
	h.clock(0)
	h.On(dockertest.Command("docker logs "+dockertest.Rest), dockertest.Print("all is well\n"))
	h.On(dockertest.Command("docker exec "+dockertest.Rest), dockertest.Fail("no such program"))
	return h
}

// clock puts the daemon's clock ahead.
func (h host) clock(ahead time.Duration) {
	h.On(infoCommand, dockertest.Print(fmt.Sprintf(`{"SystemTime":%q}`, time.Now().Add(ahead).Format(time.RFC3339Nano))))
}

// kubernetes lets the node run a server.
func (h host) kubernetes(nodes, pods, events string) {
	h.On(nodesOf, dockertest.Print(`{"items":[`+nodes+`]}`))
	h.On(podsOf, dockertest.Print(`{"items":[`+pods+`]}`))
	if events != "" {
		h.On(eventsOf, dockertest.Print(`{"items":[`+events+`]}`))
	}
}

func (h host) causes(t *testing.T, jaeger verify.Client, results []verify.Result) []diagnose.Cause {
	t.Helper()
	return diagnose.Causes(t.Context(), h.Client(), jaeger, []string{"node"}, time.Time{}, results)
}

// jaeger knows services.
func jaeger(t *testing.T, services string) verify.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"services":[` + services + `]}`))
	}))
	t.Cleanup(server.Close)
	return verify.Client{BaseURL: server.URL}
}

func missing(service string) []verify.Result {
	expectation := verify.Expectation{Name: service, Spans: []verify.SpanMatch{{Service: service}}, Hint: "ask " + service}
	return []verify.Result{{Expectation: expectation, Missing: expectation.Spans}}
}

func TestCauses_Containers(t *testing.T) {
	t.Parallel()
	const look = "docker logs --tail 100 node"
	tests := map[string]struct {
		prepare func(h host)
		want    []diagnose.Cause
	}{
		"a container that is gone": {
			func(h host) { h.world.Set() }, []diagnose.Cause{{What: "container node is gone", Look: "docker ps --all"}},
		},
		"a container that has ended": {
			func(h host) {
				h.world.Set(docker.Container{Name: "node", State: docker.State{Status: "exited", ExitCode: 137, OOMKilled: true}, Restarts: 2})
			},
			[]diagnose.Cause{{What: "container node does not run: exited, exit code 137, restarted 2 times; it was killed because it used more memory than it may", Look: look}},
		},
		"the last trouble in a container's log": {
			func(h host) {
				h.On(dockertest.Command("docker logs --tail 5000 node"),
					dockertest.Print("all is well\ntraces export: first\nerror Exporting failed. Will retry\nall is well\n"))
			},
			[]diagnose.Cause{{What: "container node could not send spans: error Exporting failed. Will retry", Look: look}},
		},
		"what Jaeger could not write to its server": {
			func(h host) {
				h.On(dockertest.Command("docker logs --tail 5000 node"), dockertest.Answer{Stderr: "error bulk indexer error: connection refused\n"})
			},
			[]diagnose.Cause{{What: "container node could not send spans: error bulk indexer error: connection refused", Look: look}},
		},
		"what containerd could not send": {
			func(h host) {
				h.On(dockertest.Command("docker exec node tail -n 2000 /var/lib/rancher/k3s/agent/containerd/containerd.log"),
					dockertest.Print("traces export: connection refused\n"))
			},
			[]diagnose.Cause{{
				What: "containerd on node could not send spans: traces export: connection refused",
				Look: "docker exec node tail -n 100 /var/lib/rancher/k3s/agent/containerd/containerd.log",
			}},
		},
		"a Docker daemon that fails": {
			func(h host) { h.On(infoCommand, dockertest.Fail("Cannot connect to the Docker daemon")) },
			[]diagnose.Cause{{
				What: "the Docker daemon does not answer: is it running, and may this user connect to it? docker says: Cannot connect to the Docker daemon",
				Look: "docker info",
			}},
		},
		"a clock that is ahead": {
			func(h host) { h.clock(70*time.Second + 400*time.Millisecond) },
			[]diagnose.Cause{{
				What: "the clock of the Docker host is 1m10s ahead of this machine's: spans from before it was set are looked for at the wrong time, and so is everything in Jaeger's UI",
				Look: "docker info --format '{{.SystemTime}}'",
			}},
		},
		"a clock that is behind": {
			func(h host) { h.clock(-time.Hour) },
			[]diagnose.Cause{{
				What: "the clock of the Docker host is 1h0m0s behind this machine's: spans from before it was set are looked for at the wrong time, and so is everything in Jaeger's UI",
				Look: "docker info --format '{{.SystemTime}}'",
			}},
		},
		"nothing": {func(host) {}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			test.prepare(h)
			never := diagnose.Cause{What: "kubelet has never sent a span to this Jaeger", Look: "ask kubelet"}
			got := h.causes(t, jaeger(t, `"jaeger"`), missing("kubelet"))
			assert.Equal(t, append(test.want, never), got)
		})
	}
}

func TestCauses_Kubernetes(t *testing.T) {
	t.Parallel()
	look := func(pod string) string { return "docker exec node kubectl --namespace kubetracing describe pod " + pod }
	const waiting = `{"metadata":{"name":"echo"},"status":{"phase":"Pending","containerStatuses":[{"restartCount":0,"state":{"waiting":{"reason":"CreateContainerError","message":"context deadline exceeded"}}}]}}`
	warning := func(pod, reason, message, at string) string {
		return fmt.Sprintf(`{"type":"Warning","reason":%q,"message":%q,"involvedObject":{"kind":"Pod","name":%q},%s}`, reason, message, pod, at)
	}
	tests := map[string]struct {
		nodes, pods, events string
		want                []diagnose.Cause
	}{
		"a node on which no pod starts": {
			nodes: `{"metadata":{"name":"node"},"status":{"conditions":[{"type":"DiskPressure","status":"False"},{"type":"Ready","status":"True"}]}},` +
				`{"metadata":{"name":"full"},"status":{"conditions":[{"type":"DiskPressure","status":"True"},{"type":"PIDPressure","status":"True"},{"type":"Ready","status":"True"}]}}`,
			want: []diagnose.Cause{
				{What: "node full is under DiskPressure: Kubernetes starts no pod on it", Look: "docker system df"},
				{What: "node full is under PIDPressure: Kubernetes starts no pod on it", Look: "docker stats --no-stream"},
			},
		},
		"the newest warnings of a pod that does not start, as times": {
			pods: waiting,
			events: strings.Join([]string{
				warning("echo", "Failed", "Error: create container: conmon failed", `"lastTimestamp":"2026-01-01T10:00:10Z"`),
				warning("echo", "FailedMount", "older", `"lastTimestamp":"2026-01-01T10:00:09.9Z"`),
				warning("echo", "FailedSync", "in a series", `"eventTime":"2026-01-01T09:00:00.000000Z","series":{"lastObservedTime":"2026-01-01T10:00:10.500000Z"}`),
				warning("other", "Failed", "of another pod", `"lastTimestamp":"2026-01-01T11:00:00Z"`),
				`{"type":"Normal","reason":"Pulled","message":"present","involvedObject":{"kind":"Pod","name":"echo"},"lastTimestamp":"2026-01-01T11:00:00Z"}`,
			}, ","),
			want: []diagnose.Cause{{What: "pod echo does not start: FailedSync: in a series; Failed: Error: create container: conmon failed", Look: look("echo")}},
		},
		"a known cause in a warning": {
			pods:   waiting,
			events: warning("echo", "Failed", `failed to pull image "echo:1": 429 Too Many Requests`, `"lastTimestamp":"2026-01-01T10:00:10Z"`),
			want: []diagnose.Cause{{
				What: `pod echo does not start: Failed: failed to pull image "echo:1": 429 Too Many Requests; likely cause: ` +
					"an image registry limits how often the nodes may pull: wait, log in, or use a mirror",
				Look: look("echo"),
			}},
		},
		"what failed, rather than its name": {
			pods: waiting,
			events: strings.Join([]string{
				warning("echo", "Failed", `Failed to pull image "a:1": rpc error: not found`, `"lastTimestamp":"2026-01-01T10:00:09Z"`),
				warning("echo", "Failed", "Error: ErrImagePull", `"lastTimestamp":"2026-01-01T10:00:10Z"`),
				warning("echo", "Failed", "Error: ImagePullBackOff", `"lastTimestamp":"2026-01-01T10:00:11Z"`),
			}, ","),
			want: []diagnose.Cause{{What: `pod echo does not start: Failed: Failed to pull image "a:1": rpc error: not found; likely cause: an image does not exist, or its registry asks for a login`, Look: look("echo")}},
		},
		"nothing of a workload that is meant to fail": {
			pods:   strings.Replace(waiting, `{"name":"echo"}`, `{"name":"imagepull","annotations":{"pulumi.com/skipAwait":"true"}}`, 1),
			events: warning("imagepull", "Failed", "no such host", `"lastTimestamp":"2026-01-01T10:00:10Z"`),
		},
		"what a pod without warnings waits for": {
			pods: waiting, events: `{"type":"Normal"}`,
			want: []diagnose.Cause{{What: "pod echo does not start: CreateContainerError: context deadline exceeded", Look: look("echo")}},
		},
		"what a pod says that is not scheduled": {
			pods:   `{"metadata":{"name":"echo"},"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","message":"0/1 nodes are available"}]}}`,
			events: `{"type":"Normal"}`,
			want:   []diagnose.Cause{{What: "pod echo does not start: 0/1 nodes are available", Look: look("echo")}},
		},
		"a pod that was evicted": {
			pods:   `{"metadata":{"name":"echo"},"status":{"phase":"Failed","message":"The node was low on resource"}}`,
			events: `{"type":"Normal"}`,
			want:   []diagnose.Cause{{What: "pod echo does not start: The node was low on resource", Look: look("echo")}},
		},
		"nothing of pods that run, have run or restart": {
			pods: `{"metadata":{"name":"a"},"status":{"phase":"Running","containerStatuses":[{"restartCount":0,"state":{"running":{}}}]}},` +
				`{"metadata":{"name":"b"},"status":{"phase":"Succeeded","containerStatuses":[{"restartCount":0,"state":{"terminated":{}}}]}},` +
				`{"metadata":{"name":"crashloop"},"status":{"phase":"Running","containerStatuses":[{"restartCount":4,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.kubernetes(test.nodes, test.pods, test.events)
			assert.Equal(t, test.want, h.causes(t, jaeger(t, ""), nil))
		})
	}
}

// A pod that does not start is why spans about pods are missing, and is the only cause
// then.
func TestCauses_stuck_pod(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.kubernetes("", `{"metadata":{"name":"echo"},"status":{"phase":"Pending"}}`, `{"type":"Normal"}`)
	var results []verify.Result
	for _, service := range []string{"containerd", "conmonrs", "kubelet", "traced-app", "etcd", "apiserver"} {
		results = append(results, missing(service)...)
	}
	var got []string
	for _, cause := range h.causes(t, jaeger(t, `"kubelet"`), results) {
		got = append(got, cause.What)
	}
	assert.Equal(t, []string{
		"pod echo does not start: its phase is Pending",
		"etcd has never sent a span to this Jaeger", "apiserver has never sent a span to this Jaeger",
	}, got)
}

func TestCauses_Jaeger(t *testing.T) {
	t.Parallel()
	t.Run("a Jaeger that does not answer is the first cause", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		h := newHost(t)
		h.world.Set()
		causes := h.causes(t, verify.Client{BaseURL: server.URL}, missing("kubelet"))
		require.Len(t, causes, 2, "nothing is known of services then")
		assert.Contains(t, causes[0].What, "Jaeger does not answer: query Jaeger: ")
		assert.Equal(t, "container node is gone", causes[1].What)
	})
	t.Run("a service that Jaeger knows", func(t *testing.T) {
		t.Parallel()
		assert.Equal(t, []diagnose.Cause{{What: "kubelet has sent spans, but none of those that are expected", Look: "ask kubelet"}},
			newHost(t).causes(t, jaeger(t, `"jaeger","kubelet"`), missing("kubelet")))
	})
	t.Run("every service once, and only if something is missing", func(t *testing.T) {
		t.Parallel()
		met := verify.Result{Expectation: verify.Expectation{Name: "etcd", Spans: []verify.SpanMatch{{Service: "etcd"}}}, Traces: 1}
		results := append(append(missing("kubelet"), missing("kubelet")...), met)
		assert.Len(t, newHost(t).causes(t, jaeger(t, ""), results), 1)
	})
}

func TestCauses_Log(t *testing.T) {
	t.Parallel()
	t.Run("only what was logged since", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		since := time.Date(2026, 1, 1, 10, 0, 7, 500e6, time.UTC)
		diagnose.Causes(t.Context(), h.Client(), jaeger(t, ""), []string{"node"}, since, nil)
		assert.Equal(t, []string{"docker logs --tail 5000 --since 2026-01-01T10:00:07.5Z node"}, h.Lines("docker", "logs"))
	})
	t.Run("a long line is shortened", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		h.On(dockertest.Command("docker logs --tail 5000 node"), dockertest.Print("traces export: "+strings.Repeat("ä", 1000)+"\n"))
		causes := h.causes(t, jaeger(t, ""), nil)
		require.Len(t, causes, 1)
		assert.True(t, strings.HasSuffix(causes[0].What, "ä…"))
		assert.Less(t, len([]rune(causes[0].What)), 400)
	})
}
