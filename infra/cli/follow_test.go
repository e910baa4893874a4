package cli_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

// roleVariable makes the test binary play kubectl.
const roleVariable = "KUBETRACING_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "" {
		os.Exit(m.Run())
	}
	// It asks the cluster of its kubeconfig for what its argument names.
	config, err := os.ReadFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		os.Exit(90)
	}
	server := regexp.MustCompile(`server: "(.*)"`).FindSubmatch(config)
	response, err := http.Get(string(server[1]) + os.Args[1]) //nolint:noctx // it ends with its test
	if err != nil {
		os.Exit(91)
	}
	_, _ = io.Copy(os.Stdout, response.Body)
	_ = response.Body.Close()
}

// readKubeconfig reads the kubeconfig of the stack's node.
const readKubeconfig = "docker exec " + node + " cat /etc/rancher/k3s/k3s.yaml"

// newCluster returns a stack whose only node has a kubeconfig for an API server, with
// a kubectl.
func newCluster(t *testing.T) (m *machine, kubectl string) {
	t.Helper()
	return newClusterOf(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Audit-Id", "id-of"+r.URL.Path)
		_, _ = io.WriteString(w, "pods\n")
	})
}

// newClusterOf is newCluster with an API server of one's own.
func newClusterOf(t *testing.T, serve http.HandlerFunc) (m *machine, kubectl string) {
	t.Helper()
	api := httptest.NewTLSServer(serve)
	t.Cleanup(api.Close)
	certificate := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw}))
	key, err := x509.MarshalPKCS8PrivateKey(api.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	m = newMachine(t)
	m.docker.On(dockertest.Command(readKubeconfig), dockertest.Print(fmt.Sprintf(
		"clusters: [{cluster: {server: 'https://127.0.0.1:6443', certificate-authority-data: %s}}]\n"+
			"users: [{user: {client-certificate-data: %s, client-key-data: %s}}]\n",
		certificate, certificate, base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))))
	m.write(t, "Pulumi.dev.yaml", "config:\n  kubetracing:cluster: {apiPort: "+api.URL[strings.LastIndex(api.URL, ":")+1:]+", kubernetes: \"1.32\"}\n")
	kubectl, err = os.Executable()
	require.NoError(t, err)
	t.Setenv(roleVariable, "kubectl")
	return m, kubectl
}

// newTracingJaeger is a Jaeger that has a span of the request for pods.
func newTracingJaeger(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"result":{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"apiserver"}}]},`+
			`"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"List",`+
			`"attributes":[{"key":"audit-id","value":{"stringValue":"id-of/api/v1/pods"}}]}]}]}]}}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestFollow(t *testing.T) {
	m, kubectl := newCluster(t)
	jaeger := newTracingJaeger(t)
	got := m.run(t, "follow", "--jaeger", jaeger, "--", kubectl, "/api/v1/pods?limit=500")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, "pods\n", got.stdout, "the command's own output is as it is")
	assert.Regexp(t, `(?m)^GET /api/v1/pods +200 +id-of/api/v1/pods +1 +apiserver +`+jaeger+`/trace/0af7651916cd43dd8448eb211c80319c$`, got.stderr)
}

// newTracedCluster is a cluster of the newest Kubernetes, which continues the traces of
// its callers. jaeger has a span of kube-apiserver below every request for which it was
// announced.
func newTracedCluster(t *testing.T) (m *machine, kubectl, jaeger string) {
	t.Helper()
	m, kubectl = newCluster(t)
	config, err := os.ReadFile(filepath.Join(m.root, "Pulumi.dev.yaml"))
	require.NoError(t, err)
	m.write(t, "Pulumi.dev.yaml", strings.Replace(string(config), "1.32", "1.37", 1))
	m.docker.On([]string{"docker", "exec", "--interactive", node, dockertest.Rest}, dockertest.Print("{}"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := path.Base(r.URL.Path)
		// The spans that were sent name the parents of kube-apiserver's.
		for _, call := range m.docker.Calls("docker", "exec", "--interactive") {
			sent, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(call.Stdin))
			if err != nil {
				continue
			}
			traces := ptrace.NewTraces()
			resource := traces.ResourceSpans().AppendEmpty()
			resource.Resource().Attributes().PutStr("service.name", "apiserver")
			spans := resource.ScopeSpans().AppendEmpty().Spans()
			for _, span := range sent.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
				if span.TraceID().String() != id || span.Kind() != ptrace.SpanKindClient {
					continue
				}
				child := spans.AppendEmpty()
				child.SetTraceID(span.TraceID())
				child.SetSpanID(pcommon.SpanID{7: byte(spans.Len())})
				child.SetParentSpanID(span.SpanID())
			}
			text, _ := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
			_, _ = fmt.Fprintf(w, `{"result":%s}`, text)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(server.Close)
	return m, kubectl, server.URL
}

func TestFollow_one_trace(t *testing.T) {
	m, kubectl, jaeger := newTracedCluster(t)
	m.environment["TRACEPARENT"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	got := m.run(t, "follow", "--jaeger", jaeger, "--", kubectl, "/api/v1/pods?limit=500")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, "pods\n", got.stdout)
	assert.Regexp(t, `(?m)^GET /api/v1/pods +200 +id-of/api/v1/pods +1 +apiserver +`+jaeger+`/trace/0af7651916cd43dd8448eb211c80319c$`, got.stderr)
	assert.Regexp(t, `docker exec --interactive `+node+` sh -c .* http://otel-collector:4318/v1/traces$`, m.docker.Lines("docker", "exec", "--interactive")[0])

	m.environment["TRACEPARENT"] = "nonsense"
	got = m.run(t, "follow", "--jaeger", jaeger, "--timeout", "1ms", "--", kubectl, "/api/v1/pods")
	assert.Contains(t, got.stderr, `kubetracing: TRACEPARENT: "nonsense" is no W3C trace context: the command begins a trace of its own`)
}

// What cannot be sent must not hide the command's own result.
func TestFollow_spans_that_cannot_be_sent(t *testing.T) {
	m, kubectl, jaeger := newTracedCluster(t)
	m.docker.On([]string{"docker", "exec", "--interactive", node, dockertest.Rest}, dockertest.Fail("wget: bad address 'otel-collector:4318'"))
	got := m.run(t, "follow", "--jaeger", jaeger, "--", kubectl, "/api/v1/pods")
	assert.Zero(t, got.code)
	assert.Equal(t, "pods\n", got.stdout)
	assert.Contains(t, got.stderr, "kubetracing: the trace lacks the command's own spans: send spans to otel-collector: ")
	assert.Contains(t, got.stderr, "bad address")
}

func TestFollow_missing_trace(t *testing.T) {
	m, kubectl := newCluster(t)
	got := m.run(t, "follow", "--timeout", "1s", "--jaeger", newTracingJaeger(t), "--", kubectl, "/api/v1/nodes")
	assert.Equal(t, 2, got.code)
	assert.Regexp(t, `(?m)^GET /api/v1/nodes +200 +id-of/api/v1/nodes +0 +MISSING$`, got.stderr)
	assert.Contains(t, got.stderr, "kubetracing: 1 of 1 requests have no trace")

	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	got = m.run(t, "follow", "--timeout", "50ms", "--jaeger", gone.URL, "--", kubectl, "/api/v1/nodes")
	assert.Equal(t, 3, got.code)
	assert.Contains(t, got.stderr, "kubetracing: no answer from Jaeger: ")
}

func TestFollow_discovery(t *testing.T) {
	m, kubectl := newCluster(t)
	jaeger := newTracingJaeger(t)
	for _, path := range []string{"/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/openapi/v2", "/version"} {
		got := m.run(t, "follow", "--jaeger", jaeger, "--", kubectl, path)
		assert.Zero(t, got.code, path)
		assert.NotContains(t, got.stderr, "GET ", path)
	}
	got := m.run(t, "follow", "--all", "--timeout", "1s", "--jaeger", jaeger, "--", kubectl, "/apis/apps/v1")
	assert.Contains(t, got.stderr, "GET /apis/apps/v1 ")
}

func TestFollow_exit_code_of_the_command(t *testing.T) {
	m, _ := newCluster(t)
	assert.Equal(t, outcome{7, "", "REQUEST  STATUS  AUDIT-ID  SPANS  SERVICES  TRACE\nkubetracing: sh: exit status 7\n"},
		m.run(t, "follow", "--", "sh", "-c", "exit 7"))
	got := m.run(t, "follow", "--", "no-such-command")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, `kubetracing: no-such-command: exec: "no-such-command": executable file not found in $PATH`)
}

func TestFollow_stack_does_not_run(t *testing.T) {
	m, kubectl := newCluster(t)
	m.docker.On(dockertest.Command(readKubeconfig), dockertest.Fail("Error: No such container"))
	got := m.run(t, "follow", "--", kubectl, "/api/v1/pods")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "read the kubeconfig of node k3d-kubetracing-dev-server-0 (does the stack run?): ")
	assert.Contains(t, got.stderr, "Error: No such container")
}
