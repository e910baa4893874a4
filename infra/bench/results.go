package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchunit"
)

// confidence is that of the intervals.
const confidence = 0.95

// results are the measurements of a benchmark, in Go's benchmark format.
type results struct {
	writer *benchfmt.Writer
	// order lists the series in the order in which they were first measured.
	order  []series
	values map[series][]float64
	// notes are printed below the table.
	notes []string
}

// bases are the values of a benchmark's keys with which the others are compared.
var bases = map[string]string{
	"way": "manual", "rate": "0", "load": "rest", "variant": "article", "nodes": "1", "workloads": "0", "stacks": "1",
}

// keyAndValue is a key of a benchmark's name.
var keyAndValue = regexp.MustCompile(`/(\w+)=[^/]*`)

// series is everything measured of one benchmark in one unit.
type series struct{ name, unit string }

// openResults reads earlier results from a file and appends further ones to it.
// Results are also printed as progress; without a path, that is all.
func openResults(path string, progress io.Writer) (*results, error) {
	r := &results{values: map[series][]float64{}}
	if path == "" {
		r.writer = benchfmt.NewWriter(progress)
		return r, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open results: %w", err)
	}
	reader := benchfmt.NewReader(file, path)
	for reader.Scan() {
		if result, ok := reader.Result().(*benchfmt.Result); ok {
			r.record(result)
		}
	}
	if err := reader.Err(); err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	r.writer = benchfmt.NewWriter(io.MultiWriter(progress, file))
	return r, nil
}

// add records a measurement. Its name is without the leading "Benchmark".
func (r *results) add(name string, values ...benchfmt.Value) error {
	result := &benchfmt.Result{Name: benchfmt.Name(name), Iters: 1, Values: values}
	r.record(result)
	if err := r.writer.Write(result); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

func (r *results) record(result *benchfmt.Result) {
	for _, value := range result.Values {
		s := series{result.Name.String(), value.Unit}
		if !slices.Contains(r.order, s) {
			r.order = append(r.order, s)
		}
		r.values[s] = append(r.values[s], value.Value)
	}
}

// count returns how often a benchmark was measured.
func (r *results) count(name string) int {
	count := 0
	for s, values := range r.values {
		if s.name == name {
			count = max(count, len(values))
		}
	}
	return count
}

// note adds a sentence to the report.
func (r *results) note(text string) { r.notes = append(r.notes, text) }

// seriesOf returns the series of a benchmark, in the order in which they were measured.
func (r *results) seriesOf(name string) []series {
	return slices.DeleteFunc(slices.Clone(r.order), func(s series) bool { return s.name != name })
}

// ratios returns the ratios of a series to its base, round by round; none if it has no
// base, or if the base is not always positive: nothing is a multiple of none.
func (r *results) ratios(s series) []float64 {
	return r.compared(s, func(value, base float64) (float64, bool) { return value / base, base > 0 })
}

// differences returns those of a series from its base, round by round; none if it has
// no base.
func (r *results) differences(s series) []float64 {
	return r.compared(s, func(value, base float64) (float64, bool) { return value - base, true })
}

// compared compares a series with its base, round by round; it returns nothing if they
// cannot be compared in some round.
func (r *results) compared(s series, compare func(value, base float64) (compared float64, possible bool)) []float64 {
	if baseOf(s.name) == s.name {
		return nil
	}
	values, base := r.values[s], r.values[series{baseOf(s.name), s.unit}]
	var all []float64
	for i := range min(len(values), len(base)) {
		compared, possible := compare(values[i], base[i])
		if !possible {
			return nil
		}
		all = append(all, compared)
	}
	return all
}

// reach returns how far the interval of a series' ratios reaches from their median, as
// a share of it: infinitely far if they are too few for an interval. It returns 0 if
// there are no ratios.
func (r *results) reach(s series) float64 {
	ratios := r.ratios(s)
	if len(ratios) == 0 {
		return 0
	}
	low, center, high, known := summarize(ratios)
	if !known {
		return math.Inf(1)
	}
	return max(center-low, high-center) / center
}

// report prints a row for each series: its median and, against its base, the medians of
// the ratios and of the differences round by round, and the probability that both are
// the same.
func (r *results) report(w io.Writer) error {
	fmt.Fprintf(w, "medians; in brackets their %.0f %% intervals or, of fewer than 6 rounds, the lowest and the highest\n\n", 100*confidence)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "benchmark\tunit\trounds\tmedian\tratio\tdifference\tsame")
	for _, s := range r.order {
		scaled := func(value float64) string { return benchunit.Scale(value, benchunit.ClassOf(s.unit)) }
		ratio, difference, same := "", "", ""
		if ratios := r.ratios(s); len(ratios) > 0 {
			ratio = interval(ratios, func(ratio float64) string { return fmt.Sprintf("%.2f", ratio) })
		}
		if differences := r.differences(s); len(differences) > 0 {
			difference = interval(differences, scaled)
			base := r.values[series{baseOf(s.name), s.unit}]
			same = fmt.Sprintf("p=%.3f", benchmath.AssumeNothing.Compare(sample(base), sample(r.values[s])).P)
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n",
			s.name, s.unit, len(r.values[s]), interval(r.values[s], scaled), ratio, difference, same)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print results: %w", err)
	}
	for _, note := range r.notes {
		fmt.Fprintf(w, "\n%s\n", note)
	}
	return nil
}

// baseOf returns the name of the benchmark with which one is compared.
func baseOf(name string) string {
	return keyAndValue.ReplaceAllStringFunc(name, func(pair string) string {
		key, _, _ := strings.Cut(pair, "=")
		if base, ok := bases[key[1:]]; ok {
			return key + "=" + base
		}
		return pair
	})
}

// sample copies the values, because a sample sorts its own.
func sample(values []float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
}

// interval formats a median and how far apart the values are.
func interval(values []float64, format func(float64) string) string {
	low, center, high, _ := summarize(values)
	return fmt.Sprintf("%s [%s, %s]", format(center), format(low), format(high))
}

// summarize returns the median of values and its interval or, of too few values for
// that to be known, the lowest and the highest.
func summarize(values []float64) (low, center, high float64, known bool) {
	s := sample(values)
	summary := benchmath.AssumeNothing.Summary(s, confidence)
	if len(summary.Warnings) > 0 {
		return s.Values[0], summary.Center, s.Values[len(s.Values)-1], false
	}
	return summary.Lo, summary.Center, summary.Hi, true
}

// seconds is a duration as a benchmark's value.
func seconds(took time.Duration) benchfmt.Value {
	return benchfmt.Value{Value: took.Seconds(), Unit: "sec"}
}

// name joins a benchmark's name and its keys, as Lifecycle/step=up/way=manual.
func name(benchmark string, keys ...any) string {
	var text strings.Builder
	text.WriteString(benchmark)
	for i := 0; i+1 < len(keys); i += 2 {
		fmt.Fprintf(&text, "/%v=%v", keys[i], keys[i+1])
	}
	return text.String()
}
