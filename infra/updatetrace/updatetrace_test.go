package updatetrace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/infra/steps"
	"github.com/kubetracing/kubetracing/infra/updatetrace"
)

const trace = "0af7651916cd43dd8448eb211c80319c"

// pulumiSpan is a span of Pulumi.
type pulumiSpan struct {
	service, name, trace string
	attributes           map[string]string
}

// line returns the spans as Pulumi writes them.
func line(spans ...pulumiSpan) string {
	var resources []any
	for i, span := range spans {
		if span.trace == "" {
			span.trace = trace
		}
		var attributes []any
		for key, value := range span.attributes {
			attributes = append(attributes, map[string]any{"key": key, "value": map[string]any{"stringValue": value}})
		}
		resources = append(resources, map[string]any{
			"resource": map[string]any{"attributes": []any{
				map[string]any{"key": "service.name", "value": map[string]any{"stringValue": span.service}},
				map[string]any{"key": "host.name", "value": map[string]any{"stringValue": "adas-laptop"}},
			}},
			"scopeSpans": []any{map[string]any{"scope": map[string]any{"name": "/home/ada"}, "spans": []any{map[string]any{
				"traceId": span.trace, "spanId": fmt.Sprintf("%016x", i+1), "parentSpanId": "00000000000000ff", "name": span.name, "kind": 3,
				"startTimeUnixNano": "1000", "endTimeUnixNano": "2000", "traceState": "user=ada", "attributes": attributes,
				"events": []any{map[string]any{"name": "exception", "attributes": []any{
					map[string]any{"key": "exception.message", "value": map[string]any{"stringValue": "open /home/ada/secret"}},
				}}},
				"links":  []any{map[string]any{"traceId": trace, "spanId": "00000000000000aa", "traceState": "user=ada"}},
				"status": map[string]any{"code": 2, "message": "open /home/ada/secret"},
			}}}},
		})
	}
	text, err := json.Marshal(map[string]any{"resourceSpans": resources})
	if err != nil {
		panic(err)
	}
	return string(text) + "\n"
}

// filtered returns what passes, as service, name and attributes.
func filtered(t *testing.T, traces ptrace.Traces) []pulumiSpan {
	t.Helper()
	var spans []pulumiSpan
	for _, resource := range traces.ResourceSpans().All() {
		service, _ := resource.Resource().Attributes().Get("service.name")
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				attributes := map[string]string{}
				for key, value := range span.Attributes().All() {
					attributes[key] = value.AsString()
				}
				spans = append(spans, pulumiSpan{service.AsString(), span.Name(), "", attributes})
			}
		}
	}
	return spans
}

func filter(t *testing.T, spans ...pulumiSpan) ptrace.Traces {
	t.Helper()
	traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(line(spans...)))
	require.NoError(t, err)
	return updatetrace.Filter(traces, trace)
}

const clusterURN = "urn:pulumi:dev::kubetracing::kubetracing:components:TracedCluster$kubetracing:components:Cluster$command:local:Command::traced-cluster-kubeconfig"

func TestFilter(t *testing.T) {
	t.Parallel()
	resource := map[string]string{"urn": clusterURN, "type": "command:local:Command"}
	create := func(message string) pulumiSpan {
		return pulumiSpan{"pulumi-resource-provider", "/pulumirpc.ResourceProvider/Create", "", map[string]string{"Msg": message}}
	}
	const serviceName, createName = "pulumi-resource-provider", "/pulumirpc.ResourceProvider/Create"
	tests := map[string]struct {
		span pulumiSpan
		want pulumiSpan
	}{
		"the CLI's own": {
			pulumiSpan{"pulumi-cli", "pulumi", "", map[string]string{
				"pulumi.version": "v3.259.0", "git.author": "Ada Lovelace", "git.author.email": "ada@example.com", "git.headName": "refs/heads/ada",
				"cli.flags": "--stack", "pulumi.env.HOME": "/home/ada", "operation": "update",
			}},
			pulumiSpan{"pulumi-cli", "pulumi", "", map[string]string{"pulumi.version": "v3.259.0", "operation": "update"}},
		},
		"a method": {
			pulumiSpan{"pulumi-sdk-go", "pulumirpc.ResourceMonitor/RegisterResource", "", map[string]string{
				"rpc.system": "grpc", "rpc.service": "pulumirpc.ResourceMonitor", "rpc.method": "RegisterResource", "rpc.grpc.status_code": "0",
				"net.peer.name": "127.0.0.1:1234", "code.stacktrace": "/home/ada/go/main.go",
			}},
			pulumiSpan{"pulumi-sdk-go", "pulumirpc.ResourceMonitor/RegisterResource", "", map[string]string{
				"rpc.system": "grpc", "rpc.service": "pulumirpc.ResourceMonitor", "rpc.method": "RegisterResource", "rpc.grpc.status_code": "0",
			}},
		},
		"a plugin": {
			pulumiSpan{"pulumi-cli", "newPlugin", "", map[string]string{"prefix": "docker (resource)", "kind": "resource", "bin": "/home/ada/docker"}},
			pulumiSpan{"pulumi-cli", "newPlugin", "", map[string]string{"prefix": "docker (resource)", "kind": "resource"}},
		},
		"a request about a resource": {
			create(`{"gRPC request":"urn:\"` + clusterURN + `\"  properties:{fields:{key:\"stdin\"  value:{string_value:\"hunter2\"}}}"}`),
			pulumiSpan{serviceName, "Create traced-cluster-kubeconfig", "", resource},
		},
		"a request about a resource that exists": {
			create(`{"gRPC request":"id:\"x\"  urn:\"` + clusterURN + `\" olds:{}"}`),
			pulumiSpan{serviceName, "Create traced-cluster-kubeconfig", "", resource},
		},
		"an answer with a secret": {
			create(`{"gRPC response":"id:\"x\" properties:{fields:{key:\"stdout\" value:{string_value:\"client-key-data: hunter2\"}}}"}`),
			pulumiSpan{serviceName, createName, "", map[string]string{}},
		},
		"a message that only mentions a URN": {
			create(`{"gRPC response":"urn:\"` + clusterURN + `\""}`), pulumiSpan{serviceName, createName, "", map[string]string{}},
		},
		"a URN that is none": {
			create(`{"gRPC request":"urn:\"urn:pulumi:dev::kubetracing::hunter 2::/home/ada\""}`), pulumiSpan{serviceName, createName, "", map[string]string{}},
		},
		"an attribute of another form": {
			pulumiSpan{"pulumi-cli", "pulumi-plan", "", map[string]string{
				"operation": "/home/ada", "version": "hunter2", "prefix": "/home/ada", "kind": "secret", "urn": "urn:pulumi:hunter2", "rpc.method": "/home/ada",
			}},
			pulumiSpan{"pulumi-cli", "pulumi-plan", "", map[string]string{}},
		},
		"an unknown name and service": {
			pulumiSpan{"/home/ada/plugin", "open /home/ada", "", nil}, pulumiSpan{"pulumi-plugin", "other", "", map[string]string{}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := filter(t, test.span)
			assert.Equal(t, []pulumiSpan{test.want}, filtered(t, got))
			text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(got)
			require.NoError(t, err)
			for _, personal := range []string{"hunter2", "ada", "Ada"} {
				assert.NotContains(t, string(text), personal)
			}
			span := got.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
			assert.Equal(t, trace+" 0000000000000001 00000000000000ff", fmt.Sprint(span.TraceID(), " ", span.SpanID(), " ", span.ParentSpanID()))
			assert.EqualValues(t, 1000, span.StartTimestamp())
			assert.EqualValues(t, 2000, span.EndTimestamp())
			assert.Equal(t, ptrace.StatusCodeError, span.Status().Code())
			assert.Equal(t, ptrace.SpanKindClient, span.Kind())
		})
	}
	assert.Empty(t, filtered(t, filter(t, pulumiSpan{"pulumi-cli", "pulumi", strings.Repeat("1", 32), nil})), "another trace")
	for _, noise := range []string{"pulumirpc.Engine/Log", "/pulumirpc.Engine/Log", "gocloud.dev/blob.NewWriter"} {
		assert.Empty(t, filtered(t, filter(t, pulumiSpan{"pulumi-cli", noise, "", nil})), noise)
	}
}

// variables returns the variables of an environment by their names.
func variables(environment []string) map[string]string {
	values := map[string]string{}
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		values[name] = value
	}
	return values
}

// post sends what Pulumi sends, as Pulumi does.
//
// Source: pulumi/pulumi sdk/go/common/util/otelreceiver/http_exporter.go.
func post(t *testing.T, url string, body []byte) int {
	t.Helper()
	response, err := http.Post(url, "application/x-protobuf", bytes.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// protobuf returns the spans in the form in which Pulumi sends them.
func protobuf(t *testing.T, spans ...pulumiSpan) []byte {
	t.Helper()
	traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(line(spans...)))
	require.NoError(t, err)
	body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
	require.NoError(t, err)
	return body
}

func nowhere(string) (string, bool) { return "", false }

func TestRecording(t *testing.T) {
	t.Parallel()
	ctx, recording := updatetrace.Start(t.Context())
	var to, folder string
	require.NoError(t, steps.Do(ctx, "up", func(ctx context.Context) error {
		environment := variables(recording.Environment(ctx, nowhere))
		to, folder = environment["PULUMI_OPTION_OTEL_TRACES"], filepath.Dir(environment["KUBETRACING_STEPS"])
		for range 2 {
			assert.Equal(t, http.StatusOK, post(t, to, protobuf(t, pulumiSpan{"pulumi-cli", "pulumi", recording.TraceID(), nil})))
		}
		assert.Equal(t, http.StatusOK, post(t, to, []byte("no spans")), "Pulumi would say that it cannot send")
		assert.Equal(t, http.StatusOK, post(t, to, protobuf(t, pulumiSpan{
			"pulumi-cli", "pulumi-plan", recording.TraceID(), map[string]string{"Msg": strings.Repeat("hunter2", 1_000_000)},
		})))
		elsewhere, err := url.Parse(to)
		require.NoError(t, err)
		assert.Equal(t, "127.0.0.1", elsewhere.Hostname())
		elsewhere.Path = "/v1/traces"
		assert.Equal(t, http.StatusNotFound, post(t, elsewhere.String(), protobuf(t, pulumiSpan{"pulumi-cli", "pulumi", recording.TraceID(), nil})),
			"only who knows the path can add to the trace")

		command := steps.Continue(context.Background(), func(name string) string { return environment[name] })
		return steps.Do(command, "cluster create", func(context.Context) error { return nil })
	}))
	info, err := os.Stat(folder)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 1, "the steps, and nothing of Pulumi's")
	recorded, err := os.ReadFile(filepath.Join(folder, files[0].Name()))
	require.NoError(t, err)
	assert.NotContains(t, string(recorded), "hunter2")
	assert.NotContains(t, string(recorded), "pulumi")

	counts := map[string]int{}
	for _, span := range filtered(t, recording.Traces()) {
		counts[span.service+" "+span.name]++
	}
	assert.Equal(t, map[string]int{
		"kubetracing up": 1, "kubetracing cluster create": 1, "pulumi-cli pulumi": 2, "pulumi-cli pulumi-plan": 1,
	}, counts)
	require.NoError(t, recording.Close())
	assert.NoDirExists(t, folder)
	require.NoError(t, recording.Close(), "twice")
	_, err = http.Post(to, "", nil)
	require.Error(t, err, "nothing listens any more")
}

func TestRecording_Environment(t *testing.T) {
	t.Parallel()
	ctx, recording := updatetrace.Start(t.Context())
	defer func() { assert.NoError(t, recording.Close()) }()
	require.NoError(t, steps.Do(ctx, "up", func(ctx context.Context) error {
		elsewhere := recording.Environment(ctx, func(name string) (string, bool) {
			return "grpc://example.com:4317", name == "PULUMI_OPTION_OTEL_TRACES"
		})
		require.Len(t, elsewhere, 2)
		assert.Regexp(t, `^TRACEPARENT=00-`+recording.TraceID()+`-[0-9a-f]{16}-01$`, elsewhere[0])
		assert.Regexp(t, `^KUBETRACING_STEPS=/`, elsewhere[1])
		assert.Len(t, recording.Environment(ctx, nowhere), 3)
		return nil
	}))
}

// Where no folder can be made, there is a trace of the steps of this process.
func TestRecording_WithoutFolder(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "gone"))
	ctx, recording := updatetrace.Start(t.Context())
	require.NoError(t, steps.Do(ctx, "up", func(ctx context.Context) error {
		assert.Empty(t, recording.Environment(ctx, nowhere))
		return nil
	}))
	assert.Equal(t, []pulumiSpan{{"kubetracing", "up", "", map[string]string{}}}, filtered(t, recording.Traces()))
	require.NoError(t, recording.Close())
}
