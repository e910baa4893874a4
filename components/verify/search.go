package verify

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Sizes of the answers that a search asks for, in traces. The newest ones mostly
// hold what an expectation is about.
const (
	firstPage = 50
	laterPage = 500
)

// maxTraces bounds how many traces an expectation may ask for.
const maxTraces = laterPage

// sweepTime bounds how long one poll reads older traces, so that new ones are seen
// soon. The next poll continues.
const sweepTime = 2 * time.Second

// sweepRest is how many times the duration of its last sweep a search waits before it
// reads everything again, for spans that arrived late.
const sweepRest = 10

// resolution is that of the start times in Jaeger's stores.
//
// Source: github.com/jaegertracing/jaeger internal/storage/v1/badger/spanstore/
// writer.go (TimeAsEpochMicroseconds).
const resolution = time.Microsecond

// window is a range of start times, both ends included.
type window struct{ min, max time.Time }

// split halves the window at a time inside it and reports whether it can be split.
func (w window) split(at time.Time) (older, newer window, ok bool) {
	at = at.Truncate(resolution)
	if !at.After(w.min) || at.After(w.max) {
		at = w.min.Add(w.max.Sub(w.min) / 2).Truncate(resolution)
	}
	if !at.After(w.min) {
		return window{}, window{}, false
	}
	return window{w.min, at.Add(-time.Nanosecond)}, window{at, w.max}, true
}

// search looks for the traces of one expectation, the newest first. Jaeger answers a
// query with a limited number of traces, in an order that depends on its storage, and
// has no pages. So a range of which it may have more is split, until every answer is
// complete.
type search struct {
	client Client
	query  Query
	// clockOffset is by how much the clock of the spans is ahead of ours.
	clockOffset time.Duration
	// held are the ids of the traces that hold.
	held map[string]bool
	// pending are the windows of a sweep that are still to be asked for, the next one
	// last.
	pending []window
	// busy is how long the last sweep took, and ended is when it ended.
	busy  time.Duration
	ended time.Time
}

// selective returns the query for the span of an expectation that few traces have: the
// one with the most attributes that Jaeger can look up, then the one with the longest
// operation.
func selective(expectation Expectation, since time.Time) Query {
	match := slices.MaxFunc(expectation.Spans, func(a, b SpanMatch) int {
		return cmp.Or(cmp.Compare(len(a.exactAttributes()), len(b.exactAttributes())), cmp.Compare(len(a.Operation), len(b.Operation)))
	})
	return Query{Service: match.Service, Operation: match.Operation, Attributes: match.exactAttributes(), Since: since}
}

// reservedAttributes have a meaning of their own for Jaeger, or are not attributes in
// all of its stores.
//
// Source: github.com/jaegertracing/jaeger internal/storage/v2/memory/tenant.go
// (validSpan); its v1 stores keep service.name apart from the attributes.
var reservedAttributes = []string{"error", "span.status", "span.kind", "scope.name", "scope.version", "service.name"}

// exactAttributes returns the attributes that Jaeger can look up: those of which the
// whole value is known, and written in the same way by every store.
func (m SpanMatch) exactAttributes() map[string]string {
	exact := map[string]string{}
	for key, pattern := range m.Attributes {
		_, notInteger := strconv.Atoi(pattern)
		_, notFloat := strconv.ParseFloat(pattern, 64)
		isFraction := notInteger != nil && notFloat == nil
		if isFraction || strings.ContainsAny(pattern, `*?[\{`) ||
			slices.Contains(reservedAttributes, key) || strings.HasPrefix(key, "resource.") {
			continue
		}
		exact[key] = pattern
	}
	return exact
}

// poll passes the newest traces to visit, then older ones, until visit returns true,
// the time for one poll is over or there are no more. It returns the newest ones.
func (s *search) poll(ctx context.Context, size int, visit func([]Span) bool) ([]Span, error) {
	start := time.Now()
	all := window{s.query.earliest(), s.query.latest().Add(max(0, s.clockOffset))}
	newest, complete, err := s.ask(ctx, all, size)
	if err != nil {
		return nil, err
	}
	if visit(newest) || complete {
		s.pending = nil
		return newest, nil
	}
	if len(s.pending) == 0 {
		if !s.ended.IsZero() && time.Since(s.ended) < sweepRest*s.busy {
			return newest, nil
		}
		s.pending, s.busy = []window{all}, 0
	}
	for len(s.pending) > 0 && time.Since(start) < sweepTime {
		last := len(s.pending) - 1
		next := s.pending[last]
		spans, complete, err := s.ask(ctx, next, laterPage)
		if err != nil {
			return newest, err
		}
		s.pending = s.pending[:last]
		if visit(spans) {
			return newest, nil
		}
		if older, newer, ok := next.split(s.middle(spans, next)); ok && !complete {
			s.pending = append(s.pending, older, newer)
		}
	}
	s.busy += time.Since(start)
	s.ended = time.Now()
	return newest, nil
}

// All returns the spans of all traces that a query selects, as [Client.AllTraces] does.
func (c Client) All(ctx context.Context, query Query) (spans []Span, complete bool, err error) {
	found, complete, err := c.AllTraces(ctx, query)
	if err != nil {
		return nil, false, err
	}
	return Flatten(found), complete, nil
}

// AllTraces returns all traces that a query selects, the newest first, until there are at
// least query.Limit. It reports whether these are all. It asks for smaller and smaller
// ranges of time where Jaeger's answer may be incomplete, like a search does.
func (c Client) AllTraces(ctx context.Context, query Query) (found ptrace.Traces, complete bool, err error) {
	s := search{client: c, query: query}
	found = ptrace.NewTraces()
	pending := []window{{query.earliest(), query.latest()}}
	seen := map[pcommon.TraceID]bool{}
	for len(pending) > 0 {
		next := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		page, whole, err := s.askTraces(ctx, next, min(laterPage, max(query.Limit, 1)))
		if err != nil {
			return found, false, err
		}
		older, newer, ok := next.split(s.middle(Flatten(page), next))
		TakeNew(page, found, seen)
		switch {
		case whole:
		case len(seen) >= query.Limit || !ok:
			return found, false, nil
		default:
			pending = append(pending, older, newer)
		}
	}
	return found, true, nil
}

// TakeNew moves the traces whose ids have not been seen from one collection to another,
// and adds their ids to those seen.
func TakeNew(from, to ptrace.Traces, seen map[pcommon.TraceID]bool) {
	fresh := map[pcommon.TraceID]bool{}
	for _, resource := range from.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			scope.Spans().RemoveIf(func(span ptrace.Span) bool { return seen[span.TraceID()] })
			for _, span := range scope.Spans().All() {
				fresh[span.TraceID()] = true
			}
		}
		resource.ScopeSpans().RemoveIf(func(scope ptrace.ScopeSpans) bool { return scope.Spans().Len() == 0 })
	}
	from.ResourceSpans().RemoveIf(func(resource ptrace.ResourceSpans) bool { return resource.ScopeSpans().Len() == 0 })
	from.ResourceSpans().MoveAndAppendTo(to.ResourceSpans())
	maps.Copy(seen, fresh)
}

// ask returns the spans of the traces in a window and reports whether they are all.
func (s *search) ask(ctx context.Context, w window, size int) (spans []Span, complete bool, err error) {
	complete, err = s.page(w, size, func(query Query) (int, error) {
		spans, err = s.client.Spans(ctx, query)
		return len(traces(spans)), err
	})
	return spans, complete, err
}

// askTraces returns the traces in a window and reports whether they are all.
func (s *search) askTraces(ctx context.Context, w window, size int) (found ptrace.Traces, complete bool, err error) {
	complete, err = s.page(w, size, func(query Query) (int, error) {
		found, err = s.client.Traces(ctx, query)
		return countTraces(found), err
	})
	return found, complete, err
}

// page asks for the traces in a window and reports whether the answer has all of them.
// ask returns how many traces an answer has.
func (s *search) page(w window, size int, ask func(Query) (int, error)) (bool, error) {
	query := s.query
	query.Since, query.Until = w.min, w.max
	for {
		query.Limit = size
		count, err := ask(query)
		if err != nil && size > 1 && strings.Contains(err.Error(), tooManyTraces) {
			size /= 2
			continue
		}
		return count < size, err
	}
}

// countTraces counts the traces of a collection.
func countTraces(found ptrace.Traces) int {
	ids := map[pcommon.TraceID]bool{}
	for _, resource := range found.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				ids[span.TraceID()] = true
			}
		}
	}
	return len(ids)
}

// tooManyTraces is what storage in memory says when it is asked for more traces than it
// is to keep.
//
// Source: github.com/jaegertracing/jaeger internal/storage/v2/memory/memory.go.
const tooManyTraces = "search depth must be"

// middle returns the median start of the spans for which Jaeger chose the traces.
func (s *search) middle(spans []Span, w window) time.Time {
	var starts []time.Time
	for _, span := range spans {
		if span.Service == s.query.Service && (s.query.Operation == "" || span.Operation == s.query.Operation) &&
			!span.Start.Before(w.min) && !span.Start.After(w.max) {
			starts = append(starts, span.Start)
		}
	}
	if len(starts) == 0 {
		return w.min
	}
	slices.SortFunc(starts, time.Time.Compare)
	return starts[len(starts)/2]
}
