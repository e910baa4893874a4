package verify

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteTable prints a report for people: what was seen, where, and what is
// missing.
func (r Report) WriteTable(w io.Writer, baseURL string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, result := range r.Results {
		verdict, detail := "seen", TraceURL(baseURL, result.TraceID)
		if !result.Met() {
			names := make([]string, len(result.Missing))
			for i, match := range result.Missing {
				names[i] = match.String()
			}
			verdict, detail = "MISSING", "no trace has: "+strings.Join(names, "; ")
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\n", verdict, result.Expectation.Name, detail); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Outputs is a report for programs.
type Outputs struct {
	// Services counts the spans seen per service, in the newest traces.
	Services map[string]int `json:"services"`
	// Traces maps an expectation's name to its trace in Jaeger's UI.
	Traces map[string]string `json:"traces"`
}

// Outputs gives the report for programs.
func (r Report) Outputs(baseURL string) Outputs {
	outputs := Outputs{Services: r.Services, Traces: map[string]string{}}
	for _, result := range r.Results {
		if result.Met() {
			outputs.Traces[result.Expectation.Name] = TraceURL(baseURL, result.TraceID)
		}
	}
	return outputs
}
