package diagnose_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/diagnose"
)

// withDocker puts a docker first on PATH.
func withDocker(t *testing.T, body string) (calls func() string) {
	t.Helper()
	folder := t.TempDir()
	text := "#!/bin/sh\nprintf '%s\\n' \"$*\" >> '" + folder + "/calls'\n" + body + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "docker"), []byte(text), 0o755))
	t.Setenv("PATH", folder+":/usr/bin:/bin")
	return func() string {
		content, err := os.ReadFile(filepath.Join(folder, "calls"))
		require.NoError(t, err)
		return string(content)
	}
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

const running = `case "$1" in inspect) echo "running, exit code 0, restarted 0 times" ;; `

func missing(service string) []verify.Result {
	expectation := verify.Expectation{Name: service, Spans: []verify.SpanMatch{{Service: service}}, Hint: "ask " + service}
	return []verify.Result{{Expectation: expectation, Missing: expectation.Spans}}
}

func TestCausesAreFoundInWhatTheSpansPassThrough(t *testing.T) {
	never := diagnose.Cause{What: "kubelet has never sent a span to this Jaeger", Look: "ask kubelet"}
	tests := map[string]struct {
		docker   string
		services string
		want     []diagnose.Cause
	}{
		"a container that is gone": {
			`exit 1`, ``, []diagnose.Cause{{What: "container node is gone", Look: "docker ps --all"}, never},
		},
		"a container that has ended": {
			`echo "exited, exit code 137, restarted 0 times"`, ``,
			[]diagnose.Cause{{What: "container node does not run: exited, exit code 137, restarted 0 times", Look: "docker logs --tail 100 node"}, never},
		},
		"the last of what a container could not send": {
			running + `logs) echo "all is well"; echo "traces export: first"; echo "error Exporting failed. Will retry" >&2; echo "all is well" ;; *) exit 1 ;; esac`, `"jaeger"`,
			[]diagnose.Cause{{What: "container node could not hand spans on: error Exporting failed. Will retry", Look: "docker logs --tail 100 node"}, never},
		},
		"what Jaeger could not write to its server": {
			running + `logs) echo "error bulk indexer error: connection refused" ;; *) exit 1 ;; esac`, `"jaeger"`,
			[]diagnose.Cause{{
				What: "container node could not hand spans on: error bulk indexer error: connection refused", Look: "docker logs --tail 100 node",
			}, never},
		},
		"what containerd could not send": {
			running + `exec) echo "traces export: connection refused" ;; esac`, `"jaeger"`,
			[]diagnose.Cause{{
				What: "containerd on node could not hand spans on: traces export: connection refused",
				Look: "docker exec node tail -n 100 /var/lib/rancher/k3s/agent/containerd/containerd.log",
			}, never},
		},
		"a node on which no pod starts": {
			running + `exec) case "$*" in *"get nodes"*) echo "node Ready"; echo "full DiskPressure PIDPressure Ready" ;; *) exit 1 ;; esac ;; esac`, `"jaeger"`,
			[]diagnose.Cause{
				{What: "node full is under DiskPressure: Kubernetes starts no pod on it", Look: "docker system df"},
				{What: "node full is under PIDPressure: Kubernetes starts no pod on it", Look: "docker stats --no-stream"},
				never,
			},
		},
		"a service that Jaeger knows": {
			running + `esac`, `"jaeger","kubelet"`,
			[]diagnose.Cause{{What: "kubelet has sent spans, but none of those that are expected", Look: "ask kubelet"}},
		},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			withDocker(t, test.docker)
			assert.Equal(t, test.want, diagnose.Causes(t.Context(), jaeger(t, test.services), []string{"node"}, time.Time{}, missing("kubelet")))
		})
	}
}

func TestJaegerThatDoesNotAnswerIsTheFirstCause(t *testing.T) {
	withDocker(t, running+`esac`)
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	causes := diagnose.Causes(t.Context(), verify.Client{BaseURL: server.URL}, []string{"node"}, time.Time{}, missing("kubelet"))
	require.Len(t, causes, 1, "nothing is known of services then")
	assert.Contains(t, causes[0].What, "Jaeger cannot be asked: query Jaeger: ")
}

func TestLogsOfAnEarlierTimeDoNotCount(t *testing.T) {
	calls := withDocker(t, running+`esac`)
	since := time.Date(2026, 1, 1, 10, 0, 7, 0, time.UTC)
	diagnose.Causes(t.Context(), jaeger(t, ""), []string{"node"}, since, nil)
	assert.Contains(t, calls(), "logs --tail 5000 --since 2026-01-01T10:00:07Z node\n")
}

func TestALongLineIsShortened(t *testing.T) {
	withDocker(t, running+`logs) printf 'traces export: %01000d\n' 1 ;; esac`)
	causes := diagnose.Causes(t.Context(), jaeger(t, ""), []string{"node"}, time.Time{}, nil)
	require.Len(t, causes, 1)
	assert.True(t, strings.HasSuffix(causes[0].What, "…"))
	assert.Less(t, len(causes[0].What), 400)
}

func TestEveryServiceIsNamedOnceAndOnlyIfSomethingIsMissing(t *testing.T) {
	withDocker(t, running+`esac`)
	held := verify.Result{Expectation: verify.Expectation{Name: "etcd", Spans: []verify.SpanMatch{{Service: "etcd"}}}, Traces: 1}
	results := append(append(missing("kubelet"), missing("kubelet")...), held)
	causes := diagnose.Causes(t.Context(), jaeger(t, ""), nil, time.Time{}, results)
	assert.Len(t, causes, 1)
}
