package cli_test

import (
	"fmt"
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

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

// hostJaeger is a Jaeger with one trace of kube-apiserver, without an audit id, that
// begins and ends a moment before it is first asked, by a clock that is ahead. It
// answers only for the time of that trace, as Jaeger does.
type hostJaeger struct {
	*httptest.Server

	mu sync.Mutex
	// start is that of its trace.
	start time.Time
	// earliest and latest are the bounds of the last query.
	earliest, latest time.Time
}

func newHostJaeger(t *testing.T, ahead time.Duration) *hostJaeger {
	t.Helper()
	j := &hostJaeger{start: time.Now().Add(ahead)}
	j.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		j.mu.Lock()
		defer j.mu.Unlock()
		if r.URL.Path == "/api/v3/services" {
			_, _ = io.WriteString(w, `{"services":["apiserver"]}`)
			return
		}
		j.earliest, _ = time.Parse(time.RFC3339Nano, r.URL.Query().Get("query.start_time_min"))
		j.latest, _ = time.Parse(time.RFC3339Nano, r.URL.Query().Get("query.start_time_max"))
		if j.start.Before(j.earliest) || j.start.After(j.latest) {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = fmt.Fprintf(w, `{"result":{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"apiserver"}}]},`+
			`"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"List","startTimeUnixNano":"%d","endTimeUnixNano":"%d",`+
			`"attributes":[{"key":"http.target","value":{"stringValue":"/api/v1/pods"}}]}]}]}]}}`, j.start.UnixNano(), j.start.UnixNano())
	}))
	t.Cleanup(j.Close)
	return j
}

func (j *hostJaeger) bounds() (earliest, latest time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.earliest, j.latest
}

// clocks are by how much the Docker host's clock may be ahead.
var clocks = []time.Duration{0, -3 * time.Second, 70 * time.Second, -time.Hour, 48 * time.Hour}

const expectAPIServer = "- name: the API\n  spans:\n  - service: apiserver\n"

func TestVerify_clock_of_the_host(t *testing.T) {
	for _, ahead := range clocks {
		t.Run(ahead.String(), func(t *testing.T) {
			m := newMachine(t)
			m.clock(ahead)
			jaeger := newHostJaeger(t, ahead)
			now := time.Now()
			got := m.runInput(t, expectAPIServer, "verify", "--expectations", "-", "--jaeger", jaeger.URL, "--lookback", "1m", "--timeout", "2s")
			require.Zero(t, got.code, got.stdout+got.stderr)
			earliest, latest := jaeger.bounds()
			assert.WithinDuration(t, now.Add(ahead-time.Minute), earliest, 30*time.Second)
			assert.WithinDuration(t, now.Add(24*time.Hour+max(0, ahead)), latest, 30*time.Second)

			since := now.Add(-time.Second).Truncate(time.Second)
			got = m.runInput(t, expectAPIServer, "verify", "--expectations", "-", "--jaeger", jaeger.URL, "--since", since.Format(time.RFC3339), "--timeout", "2s")
			require.Zero(t, got.code, got.stdout+got.stderr)
			earliest, _ = jaeger.bounds()
			assert.WithinDuration(t, since.Add(ahead), earliest, 30*time.Second)
		})
	}
	t.Run("unknown", func(t *testing.T) {
		m := newMachine(t)
		m.docker.On(dockerVersion, dockertest.Fail("Cannot connect to the Docker daemon"))
		got := m.runInput(t, expectAPIServer, "verify", "--expectations", "-", "--jaeger", newHostJaeger(t, 0).URL, "--timeout", "2s")
		require.Zero(t, got.code, got.stdout+got.stderr)
	})
	t.Run("as the cause", func(t *testing.T) {
		m := newMachine(t)
		m.clock(70 * time.Second)
		got := m.runInput(t, expectKubelet, "verify", "--expectations", "-", "--jaeger", newHostJaeger(t, 0).URL, "--timeout", "100ms")
		assert.Equal(t, 2, got.code)
		assert.Contains(t, got.stdout, "likely cause: the clock of the Docker host is 1m10s ahead of this machine's")
	})
}

// An update's verification waits until the last span of a trace is ten seconds old by
// the clock of the Docker host.
func TestVerify_spec_clock_of_the_host(t *testing.T) {
	const document = `{"timeout":"100ms","containers":["node"],"onlyNew":true,"expectations":[{"name":"the API","noErrors":true,"spans":[{"service":"apiserver"}]}]}`
	for _, ahead := range clocks {
		for age, want := range map[time.Duration]int{5 * time.Second: 2, time.Minute: 0} {
			t.Run(ahead.String()+" "+age.String(), func(t *testing.T) {
				m := newMachine(t)
				m.clock(ahead)
				m.world.Set(docker.Container{Name: "node", State: docker.State{Status: "running", StartedAt: time.Now().Add(ahead - 5*time.Minute)}})
				m.docker.On(dockertest.Command("docker logs "+dockertest.Rest), dockertest.Answer{})
				m.docker.On(dockertest.Command("docker exec "+dockertest.Rest), dockertest.Fail("no such file"))
				jaeger := newHostJaeger(t, ahead-age)
				m.environment[spec.JaegerVariable] = jaeger.URL
				got := m.runInput(t, document, "verify", "--spec")
				assert.Equal(t, want, got.code, got.stderr)
			})
		}
	}
}

func TestFollow_clock_of_the_host(t *testing.T) {
	for _, ahead := range clocks {
		t.Run(ahead.String(), func(t *testing.T) {
			m, kubectl := newCluster(t)
			m.clock(ahead)
			got := m.run(t, "follow", "--timeout", "2s", "--jaeger", newHostJaeger(t, ahead).URL, "--", kubectl, "/api/v1/pods")
			require.Zero(t, got.code, got.stderr)
			assert.Contains(t, got.stderr, "/trace/0af7651916cd43dd8448eb211c80319c")
		})
	}
}

func TestFollow_cause(t *testing.T) {
	tests := map[string]struct {
		ahead    time.Duration
		settings string
		want     string
	}{
		"none":              {0, "", "kubetracing verify looks for the cause"},
		"the clock":         {-3 * time.Second, "  kubetracing:sampling: {apiserver: 1000}\n", "the clock of the Docker host is 3s behind this machine's: "},
		"the rate":          {0, "  kubetracing:sampling: {apiserver: 1000}\n", "sampling.apiserver is 1000, below 1000000"},
		"the Collector":     {0, "  kubetracing:sampling: {collector: 0}\n", "the Collector keeps 0 of 1000000 traces"},
		"the tail's choice": {0, "  kubetracing:collector: {tailSampling: {ratePerMillion: 10}}\n", "the Collector keeps 10 of 1000000 traces"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, kubectl := newCluster(t)
			settings, err := os.ReadFile(filepath.Join(m.root, "Pulumi.dev.yaml"))
			require.NoError(t, err)
			m.write(t, "Pulumi.dev.yaml", string(settings)+test.settings)
			m.clock(test.ahead)
			got := m.run(t, "follow", "--timeout", "100ms", "--jaeger", newHostJaeger(t, 0).URL, "--", kubectl, "/api/v1/nodes")
			assert.Equal(t, 2, got.code)
			last := got.stderr[strings.LastIndex(strings.TrimSpace(got.stderr), "\n")+1:]
			assert.True(t, strings.HasPrefix(last, "kubetracing: 1 of 1 requests have no trace: "+test.want), last)
		})
	}
}
