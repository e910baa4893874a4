// Package verify asserts on traces: it asks a Jaeger for spans until every
// expectation holds or a deadline passes. It knows no Pulumi and works on any
// Jaeger v2.
package verify

import "fmt"

// Expectation is a set of spans that must be found in one trace.
type Expectation struct {
	// Name says in words what is expected; it stands in reports.
	Name string `json:"name"`
	// Spans must all be found, in a single trace.
	Spans []SpanMatch `json:"spans"`
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
}

func (m SpanMatch) String() string {
	text := m.Service
	if m.Operation != "" {
		text += " " + m.Operation
	}
	if len(m.Attributes) > 0 {
		text += fmt.Sprintf(" %v", m.Attributes)
	}
	return text
}

// Result is what was seen of one expectation.
type Result struct {
	Expectation Expectation
	// TraceID is the trace that fulfils it, empty if none does.
	TraceID string
	// Missing are the matches that no trace with the others has.
	Missing []SpanMatch
}

// Met tells whether a trace fulfils the expectation.
func (r Result) Met() bool { return r.TraceID != "" }
