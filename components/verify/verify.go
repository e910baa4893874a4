package verify

import (
	"context"
	"errors"
	"fmt"
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

// maxTraces bounds how many traces an expectation may ask for, and so what one
// look reads.
const maxTraces = 500

// settled is how old the last span of a trace must be before its limits are
// judged: a process sends its spans up to five seconds after their end
// (OTEL_BSP_SCHEDULE_DELAY of the OpenTelemetry SDK), and the last one may be the
// one that breaks a limit.
const settled = 10 * time.Second

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

// Missing are the names of the expectations that do not hold.
func (r Report) Missing() []string {
	var missing []string
	for _, result := range r.Results {
		if !result.Met() {
			missing = append(missing, result.Expectation.Name)
		}
	}
	return missing
}

// Run looks until every expectation holds or the context ends. What has been
// seen once stays seen.
func (c Check) Run(ctx context.Context) Report {
	report := Report{Results: make([]Result, len(c.Expectations)), Services: map[string]int{}}
	held := make([]map[string]bool, len(c.Expectations))
	for i, expectation := range c.Expectations {
		report.Results[i] = Result{Expectation: expectation, Missing: expectation.Spans}
		held[i] = map[string]bool{}
	}
	for looked := false; ; looked = true {
		reason := c.look(ctx, &report, held)
		// A look that the deadline cut short says nothing about Jaeger if one before it
		// was not.
		if ctx.Err() == nil || !looked {
			report.Reason = reason
		}
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

// look asks Jaeger once for everything that is still missing. held are the traces
// that hold, by expectation.
func (c Check) look(ctx context.Context, report *Report, held []map[string]bool) error {
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
		result.take(spans, held[i])
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
	return Query{
		Service: selective.Service, Operation: selective.Operation, Since: c.Since,
		Limit: max(tracesPerQuery, 2*expectation.Traces),
	}
}

// take adds what a look saw of an expectation.
func (r *Result) take(spans []Span, held map[string]bool) {
	expectation := r.Expectation
	r.Missing, r.Broken, r.BrokenBy = expectation.Spans, nil, ""
	for _, trace := range traces(spans) {
		if missing := expectation.lacks(trace); len(missing) > 0 {
			if len(missing) < len(r.Missing) {
				r.Missing = missing
			}
			continue
		}
		r.Missing = nil
		sum := summary(trace)
		if broken := expectation.breaks(trace); len(broken) > 0 {
			r.Broken, r.BrokenBy = broken, sum.ID
			continue
		}
		if expectation.limited() && time.Since(sum.end()) < settled {
			continue
		}
		held[sum.ID] = true
		if r.Trace.ID == "" {
			r.Trace = sum
		}
	}
	r.Traces = len(held)
	if r.Traces > 0 {
		r.Missing = nil
	}
}

func (c Check) tell(report Report) {
	if c.Progress == nil {
		return
	}
	missing := report.Missing()
	c.Progress(len(report.Results)-len(missing), len(report.Results), missing)
}

// TraceURL is where Jaeger's UI shows a trace.
func TraceURL(baseURL, traceID string) string {
	return fmt.Sprintf("%s/trace/%s", strings.TrimSuffix(baseURL, "/"), traceID)
}
