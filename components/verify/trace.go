package verify

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Trace summarizes a trace.
type Trace struct {
	ID string
	// Spans counts its spans.
	Spans int
	// Start is the earliest start, Duration the time to the latest end.
	Start    time.Time
	Duration time.Duration
}

// traces groups spans by trace, sorted by ID.
func traces(spans []Span) [][]Span {
	byID := map[string][]Span{}
	for _, span := range spans {
		byID[span.TraceID] = append(byID[span.TraceID], span)
	}
	sorted := make([][]Span, 0, len(byID))
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		sorted = append(sorted, byID[id])
	}
	return sorted
}

// summary summarizes the spans of one trace.
func summary(spans []Span) Trace {
	trace := Trace{ID: spans[0].TraceID, Spans: len(spans), Start: spans[0].Start}
	end := spans[0].End
	for _, span := range spans[1:] {
		if span.Start.Before(trace.Start) {
			trace.Start = span.Start
		}
		if span.End.After(end) {
			end = span.End
		}
	}
	trace.Duration = end.Sub(trace.Start)
	return trace
}

// end returns when the last span of the trace ended.
func (t Trace) end() time.Time { return t.Start.Add(t.Duration) }

// lacks returns the matches for which the trace has too few spans.
func (e Expectation) lacks(spans []Span) []SpanMatch {
	var missing []SpanMatch
	for _, match := range e.Spans {
		found := 0
		for _, span := range spans {
			if span.matches(match) {
				found++
			}
		}
		if found < max(1, match.MinSpans) {
			missing = append(missing, match)
		}
	}
	return missing
}

// breaks returns the limits that a selected trace exceeds.
func (e Expectation) breaks(spans []Span) []string {
	var broken []string
	trace := summary(spans)
	if e.MaxDuration > 0 && trace.Duration > time.Duration(e.MaxDuration) {
		broken = append(broken, fmt.Sprintf("it took %s, more than %s", trace.Duration, e.MaxDuration))
	}
	for _, span := range spans {
		name := SpanMatch{Service: span.Service, Operation: span.Operation}
		if e.NoErrors && span.Error {
			broken = append(broken, fmt.Sprintf("%s has an error: %q", name, span.Message))
		}
		for _, match := range e.Spans {
			took := span.End.Sub(span.Start)
			if match.MaxDuration > 0 && span.matches(match) && took > time.Duration(match.MaxDuration) {
				broken = append(broken, fmt.Sprintf("%s took %s, more than %s", name, took, match.MaxDuration))
			}
		}
	}
	return broken
}
