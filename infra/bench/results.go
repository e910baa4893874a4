package main

import (
	"fmt"
	"io"
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
}

// bases are the values of a benchmark's keys with which the others are compared.
var bases = map[string]string{"way": "manual", "rate": "0", "variant": "article", "nodes": "1", "workloads": "0", "stacks": "1"}

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

// report prints a row for each series: its median and, against its base, the
// median of the ratios round by round and the probability that both are the same.
func (r *results) report(w io.Writer) error {
	fmt.Fprintf(w, "medians; in brackets their %.0f %% intervals or, of fewer than 6 rounds, the lowest and the highest\n\n", 100*confidence)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "benchmark\tunit\trounds\tmedian\tratio\tsame")
	for _, s := range r.order {
		values := r.values[s]
		ratio, same := "", ""
		// Nothing is a multiple of none.
		if base := r.values[series{baseOf(s.name), s.unit}]; baseOf(s.name) != s.name && len(base) > 0 && !slices.Contains(base, 0) {
			ratios := make([]float64, min(len(values), len(base)))
			for i := range ratios {
				ratios[i] = values[i] / base[i]
			}
			ratio = interval(ratios, func(ratio float64) string { return fmt.Sprintf("%.2f", ratio) })
			same = fmt.Sprintf("p=%.3f", benchmath.AssumeNothing.Compare(sample(base), sample(values)).P)
		}
		median := interval(values, func(value float64) string { return benchunit.Scale(value, benchunit.ClassOf(s.unit)) })
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\n", s.name, s.unit, len(values), median, ratio, same)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print results: %w", err)
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
	s := sample(values)
	summary := benchmath.AssumeNothing.Summary(s, confidence)
	low, high := summary.Lo, summary.Hi
	if len(summary.Warnings) > 0 {
		low, high = s.Values[0], s.Values[len(s.Values)-1]
	}
	return fmt.Sprintf("%s [%s, %s]", format(summary.Center), format(low), format(high))
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
