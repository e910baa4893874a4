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

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

const (
	jaegerAnswer = `{"result":{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"kubelet"}}]},` +
		`"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"syncPod"}]}]}]}}`
	expectKubelet = "- name: the kubelet\n  spans:\n  - service: kubelet\n"
	expectEtcd    = "- name: the store\n  spans:\n  - service: etcd\n    operation: Put\n  hint: inspect the store\n"
)

// newJaeger returns a Jaeger that has a span of the kubelet, and since when it was asked.
func newJaeger(t *testing.T) (address string, since func() time.Time) {
	t.Helper()
	var mu sync.Mutex
	var earliest time.Time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/api/v3/services" {
			_, _ = io.WriteString(w, `{"services":["jaeger","kubelet"]}`)
			return
		}
		earliest, _ = time.Parse(time.RFC3339Nano, r.URL.Query().Get("query.start_time_min"))
		if r.URL.Query().Get("query.service_name") != "kubelet" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if _, err := io.WriteString(w, jaegerAnswer); err != nil {
			panic(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return earliest
	}
}

const tracePath = "/trace/0af7651916cd43dd8448eb211c80319c"

func TestVerify(t *testing.T) {
	m := newMachine(t)
	jaeger, since := newJaeger(t)
	got := m.runInput(t, expectKubelet, "verify", "--expectations", "-", "--jaeger", jaeger, "--output", "json", "--since", "2026-01-01T10:00:07.25Z")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, time.Date(2026, 1, 1, 10, 0, 7, 250_000_000, time.UTC), since())
	var outputs map[string]any
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &outputs))
	assert.Equal(t, map[string]any{
		"services": map[string]any{"kubelet": 1.0},
		"traces":   map[string]any{"the kubelet": jaeger + tracePath},
	}, outputs)
	assert.Empty(t, got.stderr)

	file := filepath.Join(t.TempDir(), "expectations.yaml")
	require.NoError(t, os.WriteFile(file, []byte(expectKubelet), 0o600))
	before := time.Now()
	got = m.runInput(t, "", "verify", "--jaeger", jaeger, "-e", file, "--lookback", "30m")
	require.Zero(t, got.code, got.stderr)
	assert.WithinRange(t, since(), before.Add(-30*time.Minute), time.Now().Add(-30*time.Minute))
	assert.Regexp(t, `(?m)^seen +the kubelet +1 +1 +0s +`+jaeger+tracePath+`$`, got.stdout)

	require.Zero(t, m.runInput(t, "", "verify", "--jaeger", jaeger, "-e", file).code)
	assert.Equal(t, time.Unix(0, 0).UTC(), since(), "spans of any age count by default")
}

// Everything that a Jaeger has goes back to what a search server has deleted, and a day:
// Jaeger asks it for the index of each day.
func TestVerify_everything(t *testing.T) {
	jaeger, since := newJaeger(t)
	port := jaeger[strings.LastIndex(jaeger, ":")+1:]
	for storage, age := range map[string]time.Duration{
		"memory": 0, "badger, retention: 72h": 0,
		"opensearch, retention: 72h, server: {url: 'http://search.test:9200'}": 96 * time.Hour,
	} {
		t.Run(storage, func(t *testing.T) {
			m := newMachine(t)
			m.write(t, "mine.yaml", expectKubelet)
			m.write(t, "Pulumi.dev.yaml", "config:\n  kubetracing:jaeger: {storage: "+storage+", uiPort: "+port+"}\n")
			m.docker.On(collectorMetrics, dockertest.Print(""))
			before := time.Now()
			got := m.run(t, "verify", "-e", filepath.Join(m.root, "mine.yaml"))
			require.Zero(t, got.code, got.stderr)
			if age == 0 {
				assert.Equal(t, time.Unix(0, 0).UTC(), since())
				return
			}
			assert.WithinRange(t, since(), before.Add(-age), time.Now().Add(-age))
		})
	}
}

func TestVerify_expectations_of_the_stack(t *testing.T) {
	jaeger, _ := newJaeger(t)
	port := jaeger[strings.LastIndex(jaeger, ":")+1:]
	m := newMachine(t)
	m.write(t, "mine.yaml", expectKubelet)
	m.write(t, "Pulumi.dev.yaml", "config:\n  kubetracing:verify: {expectations: mine.yaml}\n"+
		"  kubetracing:workloads: []\n  kubetracing:sampling: {apiserver: 0, etcd: 0, runtime: 0}\n  kubetracing:jaeger: {uiPort: "+port+"}\n")
	m.docker.On(collectorMetrics, dockertest.Print(vendorLost))
	got := m.run(t, "verify", "--timeout", "10s")
	require.Zero(t, got.code, got.stderr)
	assert.True(t, strings.HasSuffix(got.stderr, vendorLine), got.stderr)
	assert.Regexp(t, `(?m)^seen +kubelet .*`+jaeger+`/trace/`, got.stdout)
	assert.Regexp(t, `(?m)^seen +the kubelet .*`+jaeger+`/trace/`, got.stdout)

	m.write(t, "mine.yaml", "- spans: [{services: x}]\n")
	got = m.run(t, "verify")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "kubetracing:verify.expectations: mine.yaml: read expectations: [0].spans[0].services: unknown key; the nearest valid one is spans.service")
}

// stopCollector gives the machine a Collector that has ended.
func (m *machine) stopCollector() {
	m.docker.On([]string{"docker", "info", "--format", "{{json .}}"},
		dockertest.Print(`{"SystemTime":"`+time.Now().Format(time.RFC3339Nano)+`"}`))
	m.docker.On(dockertest.Command("docker exec the-collector "+dockertest.Rest), dockertest.Fail("container is not running"))
	m.world.Set(docker.Container{Name: "the-collector", State: docker.State{Status: "exited", ExitCode: 1}})
}

const causes = "likely cause: container the-collector does not run: exited, exit code 1, restarted 0 times\n" +
	"  look further: docker logs --tail 100 the-collector\n" +
	"likely cause: etcd has never sent a span to this Jaeger\n" +
	"  look further: inspect the store\n"

func TestVerify_missing(t *testing.T) {
	jaeger, _ := newJaeger(t)
	m := newMachine(t)
	m.stopCollector()
	arguments := []string{"verify", "-e", "-", "--jaeger", jaeger, "--timeout", "1s", "--container", "the-collector"}

	got := m.runInput(t, expectKubelet+expectEtcd, append(arguments, "--output", "json")...)
	assert.Equal(t, 2, got.code)
	assert.Empty(t, got.stdout, "a program that reads this finds nothing half true")
	assert.Contains(t, got.stderr, "kubetracing: seen 1 of 2, waiting for: the store\n")
	assert.Regexp(t, `(?m)^seen +the kubelet .*http`, got.stderr)
	assert.Regexp(t, `(?m)^MISSING +the store .*no trace has: etcd Put$`, got.stderr)
	assert.Contains(t, got.stderr, causes)
	assert.True(t, strings.HasSuffix(got.stderr, "kubetracing: spans are missing: the store\n"), got.stderr)

	got = m.runInput(t, expectEtcd, arguments...)
	assert.Equal(t, 2, got.code)
	assert.Regexp(t, `(?m)^MISSING +the store`, got.stdout)
}

func TestVerify_errors(t *testing.T) {
	jaeger, _ := newJaeger(t)
	m := newMachine(t)
	got := m.runInput(t, "- name: x\n  span: []\n", "verify", "-e", "-", "--jaeger", jaeger)
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, `kubetracing: read expectations: [0].span: unknown key; the nearest valid one is spans`)

	got = m.runInput(t, "", "verify", "--jaeger", jaeger, "-e", filepath.Join(t.TempDir(), "none.yaml"))
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "none.yaml: no such file")

	m.stopCollector()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	got = m.runInput(t, expectKubelet, "verify", "-e", "-", "--jaeger", gone.URL, "--timeout", "50ms")
	assert.Equal(t, 3, got.code)
	assert.Contains(t, got.stderr, "kubetracing: no answer from Jaeger: query Jaeger: ")
	assert.Contains(t, got.stdout, "likely cause: Jaeger does not answer: ")
}

// document returns what the program passes to a verification.
func document(t *testing.T, once bool, expectations string) string {
	t.Helper()
	read, err := verify.ReadExpectations([]byte(expectations))
	require.NoError(t, err)
	text, err := spec.Encode(spec.Verification{
		Timeout: verify.Duration(time.Second), Containers: []string{"the-collector"}, Once: once, Expectations: read,
	})
	require.NoError(t, err)
	return text
}

func TestVerify_spec(t *testing.T) {
	jaeger, since := newJaeger(t)
	m := newMachine(t)
	m.environment[spec.JaegerVariable], m.environment[spec.AfterVariable] = jaeger, "pod 1"
	got := m.runInput(t, document(t, false, expectKubelet), "verify", "--spec")
	require.Zero(t, got.code, got.stderr)
	assert.JSONEq(t, `{"services":{"kubelet":1},"traces":{"the kubelet":"`+jaeger+tracePath+`"}}`, got.stdout)

	assert.Equal(t, time.Unix(0, 0).UTC(), since(), "spans of any age count")

	got = m.runInput(t, document(t, true, expectKubelet), "verify", "--spec")
	require.Zero(t, got.code, got.stderr)
	result := `{"services":{"kubelet":1},"traces":{"the kubelet":"` + jaeger + tracePath + `"},"after":"pod 1"}`
	assert.JSONEq(t, result, got.stdout)

	// What was seen once is not asked for again, even of a Jaeger that has moved.
	m.environment["PULUMI_COMMAND_STDOUT"], m.environment[spec.JaegerVariable] = got.stdout, "http://127.0.0.1:1"
	got = m.runInput(t, document(t, true, expectKubelet), "verify", "--spec")
	require.Zero(t, got.code, got.stderr)
	assert.JSONEq(t, strings.ReplaceAll(result, jaeger, "http://127.0.0.1:1"), got.stdout)
}

func TestVerify_spec_missing(t *testing.T) {
	jaeger, _ := newJaeger(t)
	m := newMachine(t)
	m.stopCollector()
	m.environment[spec.JaegerVariable] = jaeger
	got := m.runInput(t, document(t, false, expectEtcd), "verify", "--spec")
	assert.Equal(t, 2, got.code)
	assert.Empty(t, got.stdout)
	assert.Contains(t, got.stderr, causes)
	assert.True(t, strings.HasSuffix(got.stderr, "kubetracing: spans are missing: the store\n"), got.stderr)

	got = m.runInput(t, `{"expectation":[]}`, "verify", "--spec")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, `unknown field "expectation"`)
}
