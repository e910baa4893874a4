package updatetrace_test

import (
	"context"
	"encoding/json"
	"fmt"
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
	assert.Empty(t, filtered(t, filter(t, pulumiSpan{"pulumi-cli", "pulumirpc.Engine/Log", strings.Repeat("1", 32), nil})), "another trace")
}

// pipe returns where Pulumi is told to write its spans, and the file of the steps.
func pipe(t *testing.T, environment []string) (pipe, file string) {
	t.Helper()
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		switch name {
		case "PULUMI_OPTION_OTEL_TRACES":
			pipe = strings.TrimPrefix(value, "file://")
		case "KUBETRACING_STEPS":
			file = value
		}
	}
	return pipe, file
}

func nowhere(string) (string, bool) { return "", false }

func TestRecording(t *testing.T) {
	t.Parallel()
	ctx, recording := updatetrace.Start(t.Context())
	var to, file string
	require.NoError(t, steps.Do(ctx, "up", func(ctx context.Context) error {
		environment := recording.Environment(ctx, nowhere)
		to, file = pipe(t, environment)
		own := func(name string) pulumiSpan { return pulumiSpan{"pulumi-cli", name, recording.TraceID(), nil} }
		// As Pulumi does, one process after the other, and more than fits into a pipe.
		for range 2 {
			writer, err := os.Create(to)
			require.NoError(t, err)
			_, err = writer.WriteString(line(own("pulumi")) + "no spans\n" + line(pulumiSpan{
				"pulumi-cli", "pulumi-plan", recording.TraceID(), map[string]string{"Msg": strings.Repeat("hunter2", 100_000)},
			}))
			require.NoError(t, err)
			require.NoError(t, writer.Close())
		}
		killed, err := os.OpenFile(to, os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = killed.WriteString(`{"resourceSpans":[{"resource`)
		require.NoError(t, err)
		require.NoError(t, killed.Close())

		command := steps.Continue(context.Background(), func(name string) string {
			for _, variable := range environment {
				if value, found := strings.CutPrefix(variable, name+"="); found {
					return value
				}
			}
			return ""
		})
		return steps.Do(command, "cluster create", func(context.Context) error { return nil })
	}))
	info, err := os.Stat(filepath.Dir(to))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	info, err = os.Stat(to)
	require.NoError(t, err)
	assert.Equal(t, os.ModeNamedPipe|0o600, info.Mode(), "nothing is kept in a file")
	recorded, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.NotContains(t, string(recorded), "hunter2")

	counts := map[string]int{}
	for _, span := range filtered(t, recording.Traces()) {
		counts[span.service+" "+span.name]++
	}
	assert.Equal(t, map[string]int{
		"kubetracing up": 1, "kubetracing cluster create": 1, "pulumi-cli pulumi": 2, "pulumi-cli pulumi-plan": 2,
	}, counts)
	require.NoError(t, recording.Close())
	assert.NoDirExists(t, filepath.Dir(to))
	require.NoError(t, recording.Close(), "twice")
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
