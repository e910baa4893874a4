package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/poll"
)

// Check is one run of assertions.
type Check struct {
	// Client asks Jaeger.
	Client Client
	// Expectations must all hold.
	Expectations []Expectation
	// Since is the earliest start of a span that counts, by the clock of the processes
	// that send spans; zero means everything that Jaeger has. See [Query].
	Since time.Time
	// ClockOffset is by how much that clock is ahead of ours; negative if it is behind.
	ClockOffset time.Duration
	// Interval is the pause between two polls of Jaeger.
	Interval time.Duration
	// Phases returns the phases of pods, for expectations that bound one. Optional.
	Phases PhaseSource
	// Progress is called after every poll but the last with the number of expectations
	// that hold so far. Optional.
	Progress func(met, all int, missing []string)
}

// Everything returns the earliest start of a span that a Jaeger may have; zero means any.
// maxAge is the age at which a search server deletes traces, and 0 with other storage.
// Jaeger asks a server for the index of each day since then: one more than the age,
// because whole days are deleted.
func Everything(maxAge time.Duration) time.Time {
	if maxAge == 0 {
		return time.Time{}
	}
	return time.Now().Add(-maxAge - 24*time.Hour)
}

// settled is how old the last span of a trace must be before its limits are
// evaluated: a process sends its spans up to five seconds after their end
// (OTEL_BSP_SCHEDULE_DELAY of the OpenTelemetry SDK), and the last one may break a
// limit.
const settled = 10 * time.Second

// Report is the outcome of a check.
type Report struct {
	// Results are in the order of the expectations.
	Results []Result
	// Services counts the spans of each expected service in the newest traces.
	Services map[string]int
	// Reason is why the last poll of Jaeger failed, if it did.
	Reason error
}

// Met reports whether every expectation holds.
func (r Report) Met() bool {
	return !slices.ContainsFunc(r.Results, func(result Result) bool { return !result.Met() })
}

// Missing returns the names of the expectations that do not hold.
func (r Report) Missing() []string {
	var missing []string
	for _, result := range r.Results {
		if !result.Met() {
			missing = append(missing, result.Expectation.Name)
		}
	}
	return missing
}

// Run polls Jaeger until every expectation holds or the context ends. A trace that
// was seen once counts even after Jaeger has dropped it.
func (c Check) Run(ctx context.Context) Report {
	report := Report{Results: make([]Result, len(c.Expectations)), Services: map[string]int{}}
	searches := make([]*search, len(c.Expectations))
	for i, expectation := range c.Expectations {
		report.Results[i] = Result{Expectation: expectation, Missing: expectation.Spans}
		searches[i] = &search{client: c.Client, clockOffset: c.ClockOffset, held: map[string]bool{}}
		if expectation.Phase == "" {
			searches[i].query = selective(expectation, c.Since)
		}
	}
	polled := false
	// An error means that the context has ended: the report lists what is missing.
	_ = poll.Loop{Interval: c.Interval}.Until(ctx, func(ctx context.Context) (string, bool, error) {
		reason := c.poll(ctx, &report, searches)
		// An interrupted poll says nothing about Jaeger if an earlier one was complete.
		if ctx.Err() == nil || !polled {
			report.Reason = reason
		}
		polled = true
		if !report.Met() {
			c.progress(report)
		}
		return "", report.Met(), nil
	})
	return report
}

// poll searches once for every expectation that does not hold yet.
func (c Check) poll(ctx context.Context, report *Report, searches []*search) error {
	var failures []error
	for i := range report.Results {
		result := &report.Results[i]
		if result.Met() {
			continue
		}
		if result.Expectation.Phase != "" {
			failures = append(failures, c.pollPhases(ctx, result, searches[i].held))
			continue
		}
		size := max(firstPage, 2*result.Expectation.Traces)
		newest, err := searches[i].poll(ctx, size, func(spans []Span) bool {
			result.add(spans, searches[i].held, time.Now().Add(c.ClockOffset))
			// A single trace can still break an expectation about every trace.
			return result.Met() && !result.Expectation.EveryTrace
		})
		if err != nil {
			failures = append(failures, err)
		}
		report.count(result.Expectation, newest)
	}
	return errors.Join(failures...)
}

// count adds the spans of an expectation's services, unless an earlier poll
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

// add evaluates traces at a time of the clock that the spans have. held are the ids of
// the traces that hold.
func (r *Result) add(spans []Span, held map[string]bool, now time.Time) {
	expectation := r.Expectation
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
		if expectation.limited() && now.Sub(sum.end()) < settled {
			continue
		}
		held[sum.ID] = true
		if r.Trace.ID == "" {
			r.Trace = sum
		}
	}
	r.Traces = len(held)
}

func (c Check) progress(report Report) {
	if c.Progress == nil {
		return
	}
	missing := report.Missing()
	c.Progress(len(report.Results)-len(missing), len(report.Results), missing)
}

// TraceURL returns the address at which Jaeger's UI shows a trace.
func TraceURL(baseURL, traceID string) string {
	return fmt.Sprintf("%s/trace/%s", strings.TrimSuffix(baseURL, "/"), traceID)
}
