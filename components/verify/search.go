package verify

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
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

// ask returns the spans of the traces in a window and reports whether they are all.
func (s *search) ask(ctx context.Context, w window, size int) ([]Span, bool, error) {
	query := s.query
	query.Since, query.Until = w.min, w.max
	for {
		query.Limit = size
		spans, err := s.client.Spans(ctx, query)
		if err != nil && size > 1 && strings.Contains(err.Error(), tooManyTraces) {
			size /= 2
			continue
		}
		return spans, len(traces(spans)) < size, err
	}
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
