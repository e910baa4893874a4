package follow_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/follow"
)

// newCluster starts an API server that requires a client certificate, and returns its
// address and a kubeconfig for it.
func newCluster(t *testing.T) (server string, kubeconfig []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	encodedKey, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	data := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}

	api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Audit-Id", "audit of "+r.URL.Path)
		for _, name := range []string{"Traceparent", "Tracestate", "Baggage"} {
			w.Header().Set("Got-"+name, r.Header.Get(name))
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "target "+r.URL.RequestURI())
	}))
	api.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	api.StartTLS()
	t.Cleanup(api.Close)
	return api.URL, fmt.Appendf(nil, `
clusters: [{cluster: {server: "https://127.0.0.1:1", certificate-authority-data: %s}}]
users: [{user: {client-certificate-data: %s, client-key-data: %s}}]
`, data("CERTIFICATE", api.Certificate().Raw), data("CERTIFICATE", der), data("EC PRIVATE KEY", encodedKey))
}

// addressIn returns the server in a proxy's kubeconfig.
func addressIn(t *testing.T, proxy *follow.Proxy) string {
	t.Helper()
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
			} `json:"cluster"`
		} `json:"clusters"`
	}
	require.NoError(t, yaml.UnmarshalStrict([]byte(proxy.Kubeconfig()), &struct {
		Clusters any `json:"clusters"`
		Kind     any `json:"kind"`
		Version  any `json:"apiVersion"`
		Contexts any `json:"contexts"`
		Current  any `json:"current-context"`
	}{}))
	require.NoError(t, yaml.Unmarshal([]byte(proxy.Kubeconfig()), &config))
	return config.Clusters[0].Cluster.Server
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func TestProxy_Requests(t *testing.T) {
	t.Parallel()
	server, kubeconfig := newCluster(t)
	before := time.Now()
	proxy, err := follow.Start(t.Context(), kubeconfig, server, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })

	status, body := get(t, addressIn(t, proxy)+"/api/v1/pods?limit=500")
	assert.Equal(t, http.StatusAccepted, status)
	assert.Equal(t, "target /api/v1/pods?limit=500", body)
	requests := proxy.Requests()
	require.Len(t, requests, 1)
	assert.WithinRange(t, requests[0].Start, before, requests[0].End)
	requests[0].Start, requests[0].End = time.Time{}, time.Time{}
	assert.Equal(t, follow.Request{
		Method: "GET", Target: "/api/v1/pods?limit=500", Status: http.StatusAccepted, AuditID: "audit of /api/v1/pods",
	}, requests[0])

	// The credentials are only for those who know the path.
	address := addressIn(t, proxy)
	status, _ = get(t, address[:strings.LastIndex(address, "/")]+"/api/v1/pods")
	assert.Equal(t, http.StatusNotFound, status)
	assert.Len(t, proxy.Requests(), 1)
}

func TestStart_InvalidKubeconfig(t *testing.T) {
	t.Parallel()
	_, kubeconfig := newCluster(t)
	for text, want := range map[string]string{
		"": "it has no cluster or no user", "[": "read kubeconfig: ",
		strings.Replace(string(kubeconfig), "client-key-data", "other", 1):            "client certificate",
		strings.Replace(string(kubeconfig), "certificate-authority-data", "other", 1): "no certificate in certificate-authority-data",
	} {
		_, err := follow.Start(t.Context(), []byte(text), "", nil)
		require.ErrorContains(t, err, want)
	}
}

// environment is one of a CI job.
func environment(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, has := variables[name]; return value, has }
}

const (
	jobTrace = "0af7651916cd43dd8448eb211c80319c"
	jobSpan  = "b7ad6b7169203331"
)

func TestProxy_Traced(t *testing.T) {
	t.Parallel()
	server, kubeconfig := newCluster(t)
	command, err := follow.NewCommand(environment(map[string]string{
		"TRACEPARENT": "00-" + jobTrace + "-" + jobSpan + "-00", "TRACESTATE": "vendor=1", "BAGGAGE": "user=jane",
		"OTEL_RESOURCE_ATTRIBUTES": "test.run.id=17,commit=a%2Cb",
	}))
	require.NoError(t, err)
	assert.Equal(t, jobTrace, command.Span.TraceID)
	assert.Equal(t, jobSpan, command.Span.ParentID)
	assert.Equal(t, []string{"TRACEPARENT=00-" + jobTrace + "-" + command.Span.ID + "-01"}, command.Environment())

	proxy, err := follow.Start(t.Context(), kubeconfig, server, command)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	ask := func(headers map[string]string) (http.Header, follow.Span) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, addressIn(t, proxy)+"/api/v1/pods?limit=5", http.NoBody)
		require.NoError(t, err)
		for name, value := range headers {
			request.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		requests := proxy.Requests()
		return response.Header, requests[len(requests)-1].Span
	}

	got, span := ask(nil)
	assert.Equal(t, "00-"+jobTrace+"-"+span.ID+"-01", got.Get("Got-Traceparent"), "it is sampled, whatever the job's trace is")
	assert.Equal(t, "vendor=1", got.Get("Got-Tracestate"))
	assert.Equal(t, "user=jane", got.Get("Got-Baggage"))
	assert.Equal(t, follow.Span{TraceID: jobTrace, ID: span.ID, ParentID: command.Span.ID}, span)

	// A client that traces is the parent of its request.
	got, client := ask(map[string]string{
		"Traceparent": "00-" + jobTrace + "-00f067aa0ba902b7-01", "Tracestate": "client=2", "Baggage": "user=joe",
	})
	assert.Equal(t, "00-"+jobTrace+"-"+client.ID+"-01", got.Get("Got-Traceparent"))
	assert.Equal(t, "client=2", got.Get("Got-Tracestate"))
	assert.Equal(t, "user=joe", got.Get("Got-Baggage"))
	assert.Equal(t, "00f067aa0ba902b7", client.ParentID)
	assert.NotEqual(t, span.ID, client.ID)

	run := follow.Run{
		Arguments: []string{"/usr/bin/kubectl", "get", "--token=secret"}, Start: start, End: start.Add(time.Second), ExitCode: 7,
	}
	traces, err := command.Traces(run, proxy.Requests())
	require.NoError(t, err)
	spans := verify.Flatten(traces)
	require.Len(t, spans, 3)
	assert.Equal(t, verify.Span{
		TraceID: jobTrace, ID: command.Span.ID, ParentID: jobSpan, Service: "kubetracing", Operation: "kubectl get",
		Start: start, End: start.Add(time.Second), Error: true, Message: "exit status 7",
		Attributes: map[string]string{
			"service.name": "kubetracing", "test.run.id": "17", "commit": "a,b",
			"process.executable.name": "kubectl", "process.exit.code": "7",
		},
	}, spans[0])
	assert.Equal(t, "GET /api/v1/pods", spans[1].Operation)
	assert.Equal(t, follow.Span{TraceID: spans[1].TraceID, ID: spans[1].ID, ParentID: spans[1].ParentID}, span)
	assert.Equal(t, "202", spans[1].Attributes["http.response.status_code"])
	assert.Equal(t, "audit of /api/v1/pods", spans[1].Attributes["audit-id"])
	assert.NotContains(t, fmt.Sprint(spans), "secret")
	assert.NotContains(t, fmt.Sprint(spans), "limit=5")
}

func TestNewCommand(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		variables map[string]string
		parent    string
		service   string
		wrong     string
	}{
		"an empty environment":     {nil, "", "kubetracing", ""},
		"a parent":                 {map[string]string{"TRACEPARENT": "00-" + jobTrace + "-" + jobSpan + "-01"}, jobSpan, "kubetracing", ""},
		"a parent of the future":   {map[string]string{"TRACEPARENT": "cc-" + jobTrace + "-" + jobSpan + "-01-more"}, jobSpan, "kubetracing", ""},
		"more than version 00 has": {map[string]string{"TRACEPARENT": "00-" + jobTrace + "-" + jobSpan + "-01-more"}, "", "kubetracing", "TRACEPARENT: "},
		"no version":               {map[string]string{"TRACEPARENT": "ff-" + jobTrace + "-" + jobSpan + "-01"}, "", "kubetracing", "TRACEPARENT: "},
		"zeros":                    {map[string]string{"TRACEPARENT": "00-" + strings.Repeat("0", 32) + "-" + jobSpan + "-01"}, "", "kubetracing", "TRACEPARENT: "},
		"text":                     {map[string]string{"TRACEPARENT": "yes"}, "", "kubetracing", `TRACEPARENT: "yes" is no W3C trace context`},
		"a service":                {map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "service.name=ci"}, "", "ci", ""},
		"a service by its own variable": {
			map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "service.name=ci", "OTEL_SERVICE_NAME": "job"}, "", "job", "",
		},
		"no attributes": {map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "service.name=ci,commit"}, "", "kubetracing", `OTEL_RESOURCE_ATTRIBUTES: "commit" is not key=value`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command, err := follow.NewCommand(environment(test.variables))
			if test.wrong == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.wrong)
			}
			assert.Equal(t, test.parent, command.Span.ParentID)
			assert.Len(t, command.Span.TraceID, 32)
			assert.Len(t, command.Span.ID, 16)
			traces, err := command.Traces(follow.Run{Arguments: []string{"kubectl"}}, nil)
			require.NoError(t, err)
			assert.Equal(t, test.service, verify.Flatten(traces)[0].Service)
		})
	}
}

func TestBelow(t *testing.T) {
	t.Parallel()
	request := follow.Request{Span: follow.Span{TraceID: jobTrace, ID: "b"}}
	span := func(id, parent, service string) verify.Span {
		return verify.Span{TraceID: jobTrace, ID: id, ParentID: parent, Service: service}
	}
	spans := []verify.Span{
		span("e", "d", "etcd"), span("d", "b", "apiserver"), span("b", "a", "kubetracing"), span("x", "a", "apiserver"), span("y", "x", "etcd"),
	}
	assert.Equal(t, follow.Trace{ID: jobTrace, Spans: 2, Services: []string{"apiserver", "etcd"}}, follow.Below(spans, request))
	assert.Zero(t, follow.Below(spans[2:], request), "another request's spans are not this one's")
	assert.Zero(t, follow.Below(nil, request))
	assert.Zero(t, follow.Below([]verify.Span{span("d", "d", "apiserver")}, request), "a span that is its own parent")
}

var start = time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)

// list is the request whose trace is searched.
var list = follow.Request{
	Method: "GET", Target: "/api/v1/pods?limit=500", AuditID: "4f", Start: start, End: start.Add(20 * time.Millisecond),
}

type span struct {
	trace      byte
	service    string
	after      time.Duration
	attributes map[string]string
}

func newJaeger(t *testing.T, spans ...span) (verify.Client, func() []string) {
	t.Helper()
	traces := ptrace.NewTraces()
	for _, s := range spans {
		resource := traces.ResourceSpans().AppendEmpty()
		resource.Resource().Attributes().PutStr("service.name", s.service)
		added := resource.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		added.SetTraceID(pcommon.TraceID{15: s.trace})
		added.SetStartTimestamp(pcommon.NewTimestampFromTime(start.Add(s.after)))
		for key, value := range s.attributes {
			added.Attributes().PutStr(key, value)
		}
	}
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	require.NoError(t, err)
	var queries []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.Query().Get("query.attributes"))
		_ = json.NewEncoder(w).Encode(map[string]json.RawMessage{"result": text})
	}))
	t.Cleanup(server.Close)
	return verify.Client{BaseURL: server.URL}, func() []string { return queries }
}

func TestFind(t *testing.T) {
	t.Parallel()
	target := map[string]string{"http.target": list.Target}
	tests := map[string]struct {
		spans []span
		want  follow.Trace
	}{
		"by its audit id, with the whole trace": {
			[]span{
				{1, "apiserver", 0, map[string]string{"audit-id": "4e", "http.target": list.Target}},
				{2, "etcd", 0, nil},
				{2, "apiserver", 0, map[string]string{"audit-id": "4f"}},
				{2, "apiserver", 0, nil},
			},
			follow.Trace{ID: pcommon.TraceID{15: 2}.String(), Services: []string{"apiserver", "etcd"}, Spans: 3},
		},
		"by target and time where spans have no audit id": {
			[]span{{1, "apiserver", -time.Minute, target}, {2, "apiserver", 5 * time.Millisecond, target}, {3, "apiserver", time.Minute, target}},
			follow.Trace{ID: pcommon.TraceID{15: 2}.String(), Services: []string{"apiserver"}, Spans: 1},
		},
		"not by the target of a request with another audit id": {
			[]span{{1, "apiserver", 0, map[string]string{"audit-id": "4e", "http.target": list.Target}}}, follow.Trace{},
		},
		"not by another target": {
			[]span{{1, "apiserver", 0, map[string]string{"http.target": "/api/v1/nodes"}}}, follow.Trace{},
		},
		"not in another service": {
			[]span{{1, "shop", 0, map[string]string{"audit-id": "4f"}}}, follow.Trace{},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, _ := newJaeger(t, test.spans...)
			got, err := follow.Find(t.Context(), client, list)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

func TestFind_Queries(t *testing.T) {
	t.Parallel()
	client, queries := newJaeger(t)
	_, err := follow.Find(t.Context(), client, list)
	require.NoError(t, err)
	assert.Equal(t, []string{`{"audit-id":"4f"}`, `{"http.target":"/api/v1/pods?limit=500"}`}, queries())

	_, err = follow.Find(context.Background(), verify.Client{BaseURL: "http://127.0.0.1:1"}, list)
	require.ErrorContains(t, err, "query Jaeger: ")
}
