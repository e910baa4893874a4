// Package archive carries traces from one Jaeger to another, as OTLP JSON, which
// Jaeger's UI opens as well.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/components/verify"
)

// Selection selects traces. Only one of IDs and a range of time has a meaning.
type Selection struct {
	// IDs are the traces; empty stands for those of a time.
	IDs []string
	// Since and Until are the range in which a trace must have a span.
	Since, Until time.Time
	// Services are those of which a trace must have a span; empty stands for all.
	Services []string
	// Limit is how many traces are taken of each service at most.
	Limit int
}

// Export returns the traces that a selection has, each once, and what is missing in it.
func Export(ctx context.Context, jaeger verify.Client, selection Selection) (traces ptrace.Traces, missing []string, err error) {
	traces = ptrace.NewTraces()
	if len(selection.IDs) > 0 {
		for _, id := range selection.IDs {
			trace, err := jaeger.Trace(ctx, id)
			if err != nil {
				return traces, nil, err
			}
			if trace.SpanCount() == 0 {
				missing = append(missing, "Jaeger has no trace "+id)
			}
			trace.ResourceSpans().MoveAndAppendTo(traces.ResourceSpans())
		}
		return traces, missing, nil
	}
	services := selection.Services
	if len(services) == 0 {
		if services, err = jaeger.Services(ctx); err != nil {
			return traces, nil, err
		}
		slices.Sort(services)
	}
	seen := map[pcommon.TraceID]bool{}
	for _, service := range services {
		found, complete, err := jaeger.AllTraces(ctx, verify.Query{
			Service: service, Since: selection.Since, Until: selection.Until, Limit: selection.Limit,
		})
		if err != nil {
			return traces, nil, err
		}
		if !complete {
			missing = append(missing, fmt.Sprintf("service %s has more traces: only %d of the newest are here", service, selection.Limit))
		}
		verify.TakeNew(found, traces, seen)
	}
	return traces, missing, nil
}

// Write writes traces as one JSON document.
func Write(w io.Writer, traces ptrace.Traces) error {
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	if err != nil {
		return fmt.Errorf("write traces: %w", err)
	}
	if _, err := w.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("write traces: %w", err)
	}
	return nil
}

// Read reads what [Write] wrote, or any other OTLP JSON with spans.
func Read(r io.Reader) (ptrace.Traces, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return ptrace.Traces{}, fmt.Errorf("read traces: %w", err)
	}
	traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(text)
	if err != nil {
		return ptrace.Traces{}, fmt.Errorf("read traces: this is no OTLP JSON: %w", err)
	}
	if traces.SpanCount() == 0 {
		return ptrace.Traces{}, errors.New("read traces: it has no spans: OTLP JSON has them below resourceSpans")
	}
	return traces, nil
}
