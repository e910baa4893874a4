package verify

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteTable writes the report as a table for people.
func (r Report) WriteTable(w io.Writer, baseURL string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows := [][]string{{"RESULT", "EXPECTATION", "TRACES", "SPANS", "DURATION", "TRACE"}}
	for _, result := range r.Results {
		rows = append(rows, result.row(baseURL))
	}
	for _, row := range rows {
		if _, err := fmt.Fprintln(table, strings.Join(row, "\t")); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (r Result) row(baseURL string) []string {
	row := []string{"seen", r.Expectation.Name, fmt.Sprint(r.Traces), "-", "-", ""}
	if r.Trace.ID != "" {
		row[3], row[4], row[5] = fmt.Sprint(r.Trace.Spans), rounded(r.Trace.Duration), TraceURL(baseURL, r.Trace.ID)
	}
	if r.Expectation.Phase != "" {
		row[3] = "-"
	}
	switch {
	case r.Met():
	case len(r.Missing) > 0:
		names := make([]string, len(r.Missing))
		for i, match := range r.Missing {
			names[i] = match.String()
		}
		row[0], row[5] = "MISSING", "no trace has: "+strings.Join(names, "; ")
	case len(r.Broken) > 0:
		row[0], row[5] = "BROKEN", TraceURL(baseURL, r.BrokenBy)+": "+strings.Join(r.Broken, "; ")
	case r.Expectation.Phase != "" && r.Traces == 0:
		row[0], row[5] = "MISSING", fmt.Sprintf("no pod %s has had the phase %s", r.Expectation.pods(), r.Expectation.Phase)
	case r.Traces > 0:
		row[0], row[5] = "MISSING", fmt.Sprintf("only %d of %d traces", r.Traces, r.Expectation.Traces)
	default:
		row[0], row[5] = "MISSING", "seen, but still growing: increase the timeout"
	}
	return row
}

// rounded returns a duration with at most millisecond or microsecond precision.
func rounded(d time.Duration) string {
	if d >= time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// Outputs is a report for programs.
type Outputs struct {
	// Services counts the spans seen per service, in the newest traces.
	Services map[string]int `json:"services"`
	// Traces maps an expectation's name to its trace in Jaeger's UI.
	Traces map[string]string `json:"traces"`
}

// Outputs returns the report for programs.
func (r Report) Outputs(baseURL string) Outputs {
	outputs := Outputs{Services: r.Services, Traces: map[string]string{}}
	for _, result := range r.Results {
		if result.Met() {
			outputs.Traces[result.Expectation.Name] = TraceURL(baseURL, result.Trace.ID)
		}
	}
	return outputs
}
