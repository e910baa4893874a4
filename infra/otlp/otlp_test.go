package otlp_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
	"github.com/kubetracing/kubetracing/infra/otlp"
	"github.com/kubetracing/kubetracing/stacks"
)

// spans returns traces with spans that are numbered, each with an attribute of a length.
func spans(count, length int) ptrace.Traces {
	traces := ptrace.NewTraces()
	for i := range count {
		resource := traces.ResourceSpans().AppendEmpty()
		resource.Resource().Attributes().PutStr("service.name", "timeline")
		span := resource.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		span.SetTraceID(pcommon.TraceID{15: 1})
		span.SetSpanID(pcommon.SpanID{7: byte(i + 1)})
		span.SetName(strconv.Itoa(i))
		span.Attributes().PutStr("text", strings.Repeat("x", length))
	}
	return traces
}

const send = `docker exec --interactive node sh -c exec wget -q -O - --header 'Content-Type: application/json' --post-data "$(cat)" "$0" http://jaeger:4318/v1/traces`

func TestSender_Send(t *testing.T) {
	t.Parallel()
	runner := dockertest.New(t)
	runner.On([]string{"docker", "exec", dockertest.Rest}, dockertest.Print(`{"partialSuccess":{}}`))
	sender := otlp.Sender{Docker: runner.Client(), Container: "node", Receiver: "jaeger"}
	require.NoError(t, sender.Send(t.Context(), spans(2, 1)))
	require.Equal(t, []string{send}, runner.Lines())
	sent, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(runner.Calls()[0].Stdin))
	require.NoError(t, err)
	assert.Equal(t, verify.Flatten(spans(2, 1)), verify.Flatten(sent))
}

// An argument of a command must not be longer than 128 KiB.
func TestSender_Send_many(t *testing.T) {
	t.Parallel()
	runner := dockertest.New(t)
	runner.On([]string{"docker", "exec", dockertest.Rest}, dockertest.Print(""))
	sender := otlp.Sender{Docker: runner.Client(), Container: "node", Receiver: "jaeger"}
	require.NoError(t, sender.Send(t.Context(), spans(100, 10_000)))
	names := map[string]int{}
	for _, call := range runner.Calls() {
		assert.Less(t, len(call.Stdin), 128<<10)
		sent, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(call.Stdin))
		require.NoError(t, err)
		for _, span := range verify.Flatten(sent) {
			names[span.Operation]++
		}
	}
	assert.Len(t, names, 100)
	for name, count := range names {
		assert.Equal(t, 1, count, name)
	}
}

func TestSender_Send_errors(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}`: "send spans to jaeger: 3 spans were rejected: too old",
		"<html>": `send spans to jaeger: read the answer "<html>": `,
	} {
		runner := dockertest.New(t)
		runner.On([]string{"docker", "exec", dockertest.Rest}, dockertest.Print(answer))
		err := otlp.Sender{Docker: runner.Client(), Container: "node", Receiver: "jaeger"}.Send(t.Context(), spans(1, 1))
		require.ErrorContains(t, err, want)
	}
	runner := dockertest.New(t)
	runner.On([]string{"docker", "exec", dockertest.Rest}, dockertest.Fail("wget: can't connect to remote host: Connection refused"))
	err := otlp.Sender{Docker: runner.Client(), Container: "node", Receiver: "jaeger"}.Send(t.Context(), spans(1, 1))
	require.ErrorContains(t, err, "Connection refused")
}

// What the Collector would drop goes to Jaeger.
func TestNewSender(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config map[string]string
		want   string
	}{
		"defaults":                       {nil, "otel-collector"},
		"no Collector":                   {map[string]string{"kubetracing:collector": `{"enabled": false}`}, "jaeger"},
		"a Collector that samples":       {map[string]string{"kubetracing:sampling": `{"collector": 500000}`}, "jaeger"},
		"a Collector that samples tails": {map[string]string{"kubetracing:collector": `{"tailSampling": {"slowerThan": "1s"}}`}, "jaeger"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stack, err := stacks.New("kubetracing", "dev", test.config)
			require.NoError(t, err)
			sender := otlp.NewSender(docker.New(), stack)
			assert.Equal(t, test.want, sender.Receiver)
			assert.Equal(t, "k3d-kubetracing-dev-server-0", sender.Container)
		})
	}
}
