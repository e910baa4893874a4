package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Check is one run of assertions.
type Check struct {
	// Client asks Jaeger.
	Client Client
	// Expectations must all hold.
	Expectations []Expectation
	// Since is the earliest start of a span that counts.
	Since time.Time
	// Interval is the pause between two looks.
	Interval time.Duration
	// Progress is told after every look how many expectations hold so far. Optional.
	Progress func(met, all int, missing []string)
}

// tracesPerQuery bounds what one look reads. A fully sampled cluster makes
// thousands of traces a minute; the ones that an expectation names are found by
// its most selective span.
const tracesPerQuery = 50

// Report is what a check saw.
type Report struct {
	// Results are in the order of the expectations.
	Results []Result
	// Services counts the spans of each expected service in the newest traces.
	Services map[string]int
	// Reason is why the last look at Jaeger failed, if it did.
	Reason error
}

// Met tells whether every expectation holds.
func (r Report) Met() bool {
	return !slices.ContainsFunc(r.Results, func(result Result) bool { return !result.Met() })
}

// Run looks until every expectation holds or the context ends. What has been
// seen once stays seen.
func (c Check) Run(ctx context.Context) Report {
	report := Report{Results: make([]Result, len(c.Expectations)), Services: map[string]int{}}
	for i, expectation := range c.Expectations {
		report.Results[i] = Result{Expectation: expectation, Missing: expectation.Spans}
	}
	for {
		report.Reason = c.look(ctx, &report)
		if report.Met() {
			return report
		}
		c.tell(report)
		select {
		case <-ctx.Done():
			return report
		case <-time.After(c.Interval):
		}
	}
}

// look asks Jaeger once for everything that is still missing.
func (c Check) look(ctx context.Context, report *Report) error {
	var failures []error
	for i := range report.Results {
		result := &report.Results[i]
		if result.Met() {
			continue
		}
		spans, err := c.Client.Spans(ctx, c.query(result.Expectation))
		if err != nil {
			failures = append(failures, err)
			continue
		}
		result.TraceID, result.Missing = bestTrace(spans, result.Expectation.Spans)
		report.count(result.Expectation, spans)
	}
	return errors.Join(failures...)
}

// count adds the spans of an expectation's services, unless an earlier look
// already saw more.
func (r *Report) count(expectation Expectation, spans []Span) {
	for _, match := range expectation.Spans {
		seen := 0
		for _, span := range spans {
			if span.Service == match.Service {
				seen++
			}
		}
		if seen > 0 {
			r.Services[match.Service] = max(r.Services[match.Service], seen)
		}
	}
}

// query selects by a span that names its operation, if one does.
func (c Check) query(expectation Expectation) Query {
	selective := slices.MaxFunc(expectation.Spans, func(a, b SpanMatch) int {
		return len(a.Operation) - len(b.Operation)
	})
	return Query{Service: selective.Service, Operation: selective.Operation, Since: c.Since, Limit: tracesPerQuery}
}

// bestTrace finds a trace with a span for every match; failing that, it tells
// what the trace that comes nearest lacks.
func bestTrace(spans []Span, matches []SpanMatch) (traceID string, missing []SpanMatch) {
	traces := map[string][]Span{}
	for _, span := range spans {
		traces[span.TraceID] = append(traces[span.TraceID], span)
	}
	missing = matches
	for _, id := range slices.Sorted(maps.Keys(traces)) {
		lacking := slices.DeleteFunc(slices.Clone(matches), func(m SpanMatch) bool {
			return slices.ContainsFunc(traces[id], func(s Span) bool { return s.matches(m) })
		})
		if len(lacking) == 0 {
			return id, nil
		}
		if len(lacking) < len(missing) {
			missing = lacking
		}
	}
	return "", missing
}

func (c Check) tell(report Report) {
	if c.Progress == nil {
		return
	}
	var missing []string
	for _, result := range report.Results {
		if !result.Met() {
			missing = append(missing, result.Expectation.Name)
		}
	}
	c.Progress(len(report.Results)-len(missing), len(report.Results), missing)
}

// TraceURL is where Jaeger's UI shows a trace.
func TraceURL(baseURL, traceID string) string {
	return fmt.Sprintf("%s/trace/%s", strings.TrimSuffix(baseURL, "/"), traceID)
}
