package steps_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/infra/steps"
)

// spansOf returns the spans of traces by their names.
func spansOf(t *testing.T, traces ptrace.Traces) map[string]ptrace.Span {
	t.Helper()
	spans := map[string]ptrace.Span{}
	for _, resource := range traces.ResourceSpans().All() {
		service, _ := resource.Resource().Attributes().Get("service.name")
		assert.Equal(t, "kubetracing", service.AsString())
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				spans[span.Name()] = span
			}
		}
	}
	return spans
}

func nothing(context.Context) error { return nil }

func TestDo(t *testing.T) {
	t.Parallel()
	ctx, recorder := steps.New(t.Context())
	begin := time.Now()
	problem := errors.New("no route")
	err := steps.Do(ctx, "outer", func(ctx context.Context) error {
		require.NoError(t, steps.Do(ctx, "inner", nothing))
		return problem
	})
	require.ErrorIs(t, err, problem)
	spans := spansOf(t, recorder.Traces())
	require.Len(t, spans, 2)
	outer, inner := spans["outer"], spans["inner"]
	assert.Equal(t, recorder.TraceID(), outer.TraceID().String())
	assert.Equal(t, outer.TraceID(), inner.TraceID())
	assert.True(t, outer.ParentSpanID().IsEmpty())
	assert.Equal(t, outer.SpanID(), inner.ParentSpanID())
	assert.NotEqual(t, outer.SpanID(), inner.SpanID())
	assert.Equal(t, ptrace.StatusCodeError, outer.Status().Code())
	assert.Empty(t, outer.Status().Message(), "an error may have secrets")
	assert.Equal(t, ptrace.StatusCodeUnset, inner.Status().Code())
	assert.GreaterOrEqual(t, outer.StartTimestamp(), pcommon.NewTimestampFromTime(begin))
	assert.GreaterOrEqual(t, outer.EndTimestamp(), inner.EndTimestamp())
	assert.LessOrEqual(t, outer.StartTimestamp(), inner.StartTimestamp())
}

func TestDo_Unrecorded(t *testing.T) {
	t.Parallel()
	problem := errors.New("no route")
	require.ErrorIs(t, steps.Do(t.Context(), "step", func(context.Context) error { return problem }), problem)
	assert.Nil(t, steps.Environment(t.Context(), "file"))
}

// environment returns a lookup of NAME=VALUE variables.
func environment(variables []string) func(string) string {
	return func(name string) string {
		for _, variable := range variables {
			if value, found := strings.CutPrefix(variable, name+"="); found {
				return value
			}
		}
		return ""
	}
}

func TestContinue(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "steps")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	ctx, recorder := steps.New(t.Context())
	var variables []string
	require.NoError(t, steps.Do(ctx, "here", func(ctx context.Context) error {
		variables = steps.Environment(ctx, file)
		return nil
	}))
	// Commands run side by side.
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			there := steps.Continue(context.Background(), environment(variables))
			assert.NoError(t, steps.Do(there, "there", func(ctx context.Context) error { return steps.Do(ctx, "inside", nothing) }))
		})
	}
	group.Wait()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	require.Len(t, lines, 40)
	here := spansOf(t, recorder.Traces())["here"]
	for _, line := range lines {
		traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(line))
		require.NoError(t, err)
		spans := spansOf(t, traces)
		require.Len(t, spans, 1)
		for name, span := range spans {
			assert.Equal(t, here.TraceID(), span.TraceID())
			assert.Equal(t, name == "there", span.ParentSpanID() == here.SpanID())
		}
	}
}

func TestContinue_OtherEnvironments(t *testing.T) {
	t.Parallel()
	const parent = "TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for name, variables := range map[string][]string{
		"none":                     nil,
		"a trace of somebody else": {parent},
		"no trace":                 {"KUBETRACING_STEPS=steps"},
		"half a trace":             {"KUBETRACING_STEPS=steps", "TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c"},
		"a trace that is too long": {"KUBETRACING_STEPS=steps", strings.Replace(parent, "0af7", "0af70af7", 1)},
		"no digits":                {"KUBETRACING_STEPS=steps", strings.Replace(parent, "0af7", "zzzz", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := steps.Continue(t.Context(), environment(variables))
			assert.Equal(t, t.Context(), ctx)
		})
	}
	t.Run("a file that is gone", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "steps")
		ctx := steps.Continue(t.Context(), environment([]string{parent, "KUBETRACING_STEPS=" + file}))
		require.NoError(t, steps.Do(ctx, "step", nothing))
		assert.NoFileExists(t, file, "whoever began the recording has ended it")
	})
}
