// Package verify asserts on traces: it asks a Jaeger for spans until every
// expectation holds or a deadline passes. It knows no Pulumi and works on any
// Jaeger v2.
package verify

import (
	"fmt"
	"strings"
)

// Expectation is a trace-based test. Its spans select traces, and its limits
// constrain them. It holds when enough selected traces are within the limits.
type Expectation struct {
	// Name describes the expectation in reports. Required.
	Name string `json:"name"`
	// Spans must all be found, in a single trace. Required, but for a phase.
	Spans []SpanMatch `json:"spans,omitempty"`
	// Phase names a phase of pods that MaxDuration bounds, instead of spans; see
	// [Phases].
	Phase string `json:"phase,omitempty"`
	// Pod selects the pods of a phase, as NAMESPACE/NAME in which '*' stands for any
	// characters but '/'; empty selects all.
	Pod string `json:"pod,omitempty"`
	// Traces is the number of traces, or pods, that must hold; 0 means 1.
	Traces int `json:"traces,omitempty"`
	// MaxDuration bounds a trace, from its first span's start to its last one's
	// end; 0 means no limit.
	MaxDuration Duration `json:"maxDuration,omitempty"`
	// NoErrors allows no span of the trace to have the status Error.
	NoErrors bool `json:"noErrors,omitempty"`
	// EveryTrace makes a single selected trace that exceeds a limit a failure;
	// otherwise enough traces within the limits suffice.
	EveryTrace bool `json:"everyTrace,omitempty"`
	// Hint suggests what to examine when the expectation does not hold. Optional.
	Hint string `json:"hint,omitempty"`
}

// SpanMatch selects spans. Empty fields select everything.
type SpanMatch struct {
	// Service is the service.name of the resource. Required.
	Service string `json:"service"`
	// Operation is the span's name.
	Operation string `json:"operation,omitempty"`
	// Attributes must be on the span or its resource. Values are compared as text;
	// '*' stands for any characters but '/', as in [path.Match].
	Attributes map[string]string `json:"attributes,omitempty"`
	// Error selects spans whose status is Error (true) or is not (false); nil
	// selects both.
	Error *bool `json:"error,omitempty"`
	// MinSpans is the number of such spans that the trace must have; 0 means 1.
	MinSpans int `json:"minSpans,omitempty"`
	// MaxDuration is a limit for each of the selected spans; 0 means none.
	MaxDuration Duration `json:"maxDuration,omitempty"`
}

func (m SpanMatch) String() string {
	var text strings.Builder
	if m.MinSpans > 1 {
		fmt.Fprintf(&text, "%d x ", m.MinSpans)
	}
	text.WriteString(m.Service)
	if m.Operation != "" {
		text.WriteString(" " + m.Operation)
	}
	if len(m.Attributes) > 0 {
		fmt.Fprintf(&text, " %v", m.Attributes)
	}
	switch {
	case m.Error == nil:
	case *m.Error:
		text.WriteString(" with an error")
	default:
		text.WriteString(" without an error")
	}
	return text.String()
}

// limited reports whether a selected trace may still break the expectation.
func (e Expectation) limited() bool {
	for _, match := range e.Spans {
		if match.MaxDuration > 0 {
			return true
		}
	}
	return e.MaxDuration > 0 || e.NoErrors
}

// Result is the outcome of one expectation.
type Result struct {
	Expectation Expectation
	// Trace is a trace that holds; its ID is empty if none does.
	Trace Trace
	// Traces counts the traces that hold.
	Traces int
	// Missing lists the matches that the nearest trace lacks.
	Missing []SpanMatch
	// Broken lists the limits that the trace BrokenBy exceeds.
	Broken   []string
	BrokenBy string
}

// Met reports whether the expectation holds.
func (r Result) Met() bool {
	return r.Traces >= max(1, r.Expectation.Traces) && (!r.Expectation.EveryTrace || len(r.Broken) == 0)
}
