package pipeline_test

import (
	"context"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/pipeline/load"
	"github.com/kubetracing/kubetracing/test/pipeline/rig"
	"github.com/kubetracing/kubetracing/test/processes"
)

// requireJaeger221 skips a test that the Jaeger of the module cannot run: its
// configuration of search servers has other keys than the default image's.
func requireJaeger221(t *testing.T) {
	t.Helper()
	if os.Getenv(processes.JaegerVariable) == "" {
		t.Skipf("needs a Jaeger 2.21, which is not available as a module: %s names its binary", processes.JaegerVariable)
	}
}

// searchSpec returns a Jaeger that stores at an address.
func searchSpec(storage tracing.JaegerStorage, url, ca string) tracing.JaegerSpec {
	return tracing.JaegerSpec{Storage: storage, Retention: "72h0m0s", Server: &tracing.JaegerServer{
		URL: url, Username: storage.Superuser(), CA: ca, IndexPrefix: "kubetracing-dev", SingleNode: true,
		Synchronous: true,
	}}
}

// searchRig returns a pipeline with such a Jaeger, killed in the end.
func searchRig(t *testing.T, folder string, spec tracing.JaegerSpec, password string) *rig.Rig {
	t.Helper()
	pipeline, err := rig.New(rig.Spec{
		Folder: folder, Jaeger: spec, JaegerEnvironment: []string{tracing.JaegerPasswordVariable + "=" + password},
		Collector: tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax, DiskQueue: true},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, pipeline.Kill()) })
	return pipeline
}

func TestJaeger_SearchServer(t *testing.T) {
	requireJaeger221(t)
	// Passwords that validation accepts and YAML would not take for text.
	for name, password := range map[string]string{
		"a strong one": "Tr4ces-Of%Many@Nodes", "a number": "0123456789", "an object": "{hunter2:1}", "a tag": "!hunter2",
		"an alias": "*hunter2", "a comment": "#hunter2", "an apostrophe": "'hunter2'",
	} {
		t.Run(name, func(t *testing.T) {
			for _, storage := range []tracing.JaegerStorage{tracing.StorageOpenSearch, tracing.StorageElasticsearch} {
				t.Run(string(storage), func(t *testing.T) { assertWrites(t, storage, password) })
			}
		})
	}
}

func assertWrites(t *testing.T, storage tracing.JaegerStorage, password string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	server, listener := newSearchServer(t, string(storage), storage.Superuser(), password)
	listener.Start()
	folder := t.TempDir()
	pipeline := searchRig(t, folder, searchSpec(storage, listener.URL, ""), password)
	require.NoError(t, pipeline.Start(ctx))
	sender := &load.Sender{
		Address: pipeline.Collector.OTLPGRPC, Shape: load.Shape{Run: 1, Spans: 3, Start: time.Now()},
		Requests: 10, Traces: 10, Workers: 2, Retry: true,
	}
	_, err := sender.Send(ctx)
	require.NoError(t, err)

	const spans = "kubetracing-dev-jaeger-span-"
	assert.Eventually(t, func() bool {
		written, _ := server.written(spans)
		return len(written) >= 300
	}, 30*time.Second, 50*time.Millisecond, "300 spans were acknowledged")
	written, _ := server.written(spans)
	assert.Len(t, written, 300)
	_, others := server.written("kubetracing-dev-")
	assert.Empty(t, others, "every index begins with the stack's name")
	templates, refused := server.requests()
	assert.Zero(t, refused)
	for _, index := range []string{"span", "service"} {
		template := templates["kubetracing-dev-jaeger-"+index]
		assert.Contains(t, template, "kubetracing-dev-jaeger-"+index+"-*")
		for _, setting := range []string{`"index.number_of_shards":1`, `"index.number_of_replicas":0`} {
			assert.Contains(t, strings.Join(strings.Fields(template), ""), setting, index)
		}
	}
	assertNoFileContains(t, folder, password)
}

// What was acknowledged must be in the server, although Jaeger is killed and the server
// is away meanwhile.
func TestJaeger_SearchServerLosesNothing(t *testing.T) {
	requireJaeger221(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	server, listener := newSearchServer(t, "opensearch", "admin", "hunter2")
	listener.Start()
	pipeline := searchRig(t, t.TempDir(), searchSpec(tracing.StorageOpenSearch, listener.URL, ""), "hunter2")
	require.NoError(t, pipeline.Start(ctx))
	sender := &load.Sender{
		Address: pipeline.Collector.OTLPGRPC, Shape: load.Shape{Run: 1, Spans: 3, Start: time.Now()},
		Requests: 200, Traces: 10, Workers: 4, Retry: true, Pause: 5 * time.Millisecond,
	}
	acknowledged, err := sender.SendInterrupted(ctx, eventShares, func() error {
		if err := killJaeger(ctx, pipeline); err != nil {
			return err
		}
		server.setAway(true)
		time.Sleep(time.Second)
		server.setAway(false)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, acknowledged, 2000)

	const want = 3 * 2000
	const spans = "kubetracing-dev-jaeger-span-"
	assert.Eventually(t, func() bool { return len(server.spans(t, spans)) == want }, time.Minute, 200*time.Millisecond,
		"%d spans were acknowledged", want)
	assert.Equal(t, want, len(server.spans(t, spans)), "distinct spans in the server") //nolint:testifylint // Len would print them all
}

// assertNoFileContains checks that no file of a folder contains a secret.
func assertNoFileContains(t *testing.T, folder, secret string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		assert.NotContains(t, string(content), secret, path)
		return err
	}))
}

func TestJaeger_SearchServerAuthority(t *testing.T) {
	requireJaeger221(t)
	ca := func(server *httptest.Server) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	}
	for name, test := range map[string]struct {
		ca     func(*httptest.Server) string
		starts bool
	}{
		"the server's authority": {ca, true},
		"no authority":           {func(*httptest.Server) string { return "" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, listener := newSearchServer(t, "opensearch", "admin", "hunter2")
			listener.StartTLS()
			pipeline := searchRig(t, t.TempDir(), searchSpec(tracing.StorageOpenSearch, listener.URL, test.ca(listener)), "hunter2")
			err := pipeline.Jaeger.Start(ctx)
			if test.starts {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, "certificate signed by unknown authority")
		})
	}
}

func TestJaeger_SearchServerWrongPassword(t *testing.T) {
	requireJaeger221(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, listener := newSearchServer(t, "opensearch", "admin", "hunter2")
	listener.Start()
	pipeline := searchRig(t, t.TempDir(), searchSpec(tracing.StorageOpenSearch, listener.URL, ""), "hunter3")
	require.ErrorContains(t, pipeline.Jaeger.Start(ctx), "401")
	_, refused := server.requests()
	assert.Positive(t, refused)
}

func TestJaeger_SearchServerUnknownKey(t *testing.T) {
	requireJaeger221(t)
	spec := searchSpec(tracing.StorageOpenSearch, "https://search.test", "none")
	config, err := tracing.RenderJaeger(spec)
	require.NoError(t, err)
	for _, key := range []string{
		"server_urls", "write_mode", "poison_pill_handling", "auth", "basic", "username", "password", "tls", "ca_pem", "max_span_age", "indices", "index_prefix",
		"spans", "services", "dependencies", "sampling", "shards", "replicas",
	} {
		t.Run(key, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			changed := strings.Replace(config, " "+key+":", " "+key+"_x:", 1)
			require.NotEqual(t, config, changed)
			jaeger, err := processes.NewJaeger(processes.Options{
				Folder: t.TempDir(), Config: changed, Environment: []string{tracing.JaegerPasswordVariable + "=hunter2"},
			})
			require.NoError(t, err)
			require.ErrorContains(t, jaeger.Start(ctx), key+"_x")
		})
	}
}
