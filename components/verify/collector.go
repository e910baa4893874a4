package verify

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Destination is what a Collector says of one of the destinations of its spans, since
// it started.
type Destination struct {
	// Exporter is the exporter's name, as otlp_grpc/vendor, and Name its last part.
	Exporter, Name string
	// Sent counts the spans that the destination has accepted.
	Sent int
	// Dropped counts the spans for which the queue had no room, Failed those that the
	// destination did not accept: refused for good, or not accepted in time.
	Dropped, Failed int
	// Queued is what waits for the destination or is being sent to it, Capacity what the
	// queue can hold: in spans, or in bytes if it is on disk.
	Queued, Capacity int
}

// Lost returns the number of spans that the destination will never get.
func (d Destination) Lost() int { return d.Dropped + d.Failed }

// Losses describes the spans that are lost, as "3 because its queue was full"; empty if
// there are none.
func (d Destination) Losses() string {
	var parts []string
	if d.Dropped > 0 {
		parts = append(parts, fmt.Sprintf("%d because its queue was full", d.Dropped))
	}
	if d.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d that it did not accept", d.Failed))
	}
	return strings.Join(parts, ", ")
}

// fields returns the fields of a destination by the Collector's metrics. The suffix
// _total of counters depends on how they are served.
//
// Source: go.opentelemetry.io/collector/exporter/exporterhelper documentation.md.
func (d *Destination) fields() map[string]*int {
	return map[string]*int{
		"otelcol_exporter_sent_spans":           &d.Sent,
		"otelcol_exporter_enqueue_failed_spans": &d.Dropped,
		"otelcol_exporter_send_failed_spans":    &d.Failed,
		"otelcol_exporter_queue_size":           &d.Queued,
		"otelcol_exporter_queue_capacity":       &d.Capacity,
	}
}

// sample is a line of Prometheus' text format: a name, labels and a value, and
// perhaps a time.
//
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/.
var (
	sample        = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)\{(.*)\}\s+(\S+)(\s+-?\d+)?$`)
	exporterLabel = regexp.MustCompile(`(?:^|,)\s*exporter="((?:[^"\\]|\\.)*)"`)
)

// ReadDestinations reads a Collector's own metrics, in Prometheus' text format, and
// returns its destinations, sorted by the names of their exporters.
func ReadDestinations(metrics io.Reader) ([]Destination, error) {
	byExporter := map[string]*Destination{}
	scanner := bufio.NewScanner(metrics)
	for scanner.Scan() {
		parts := sample.FindStringSubmatch(scanner.Text())
		if parts == nil {
			continue
		}
		label := exporterLabel.FindStringSubmatch(parts[2])
		if label == nil {
			continue
		}
		destination := byExporter[label[1]]
		if destination == nil {
			destination = &Destination{Exporter: label[1], Name: label[1][strings.LastIndexByte(label[1], '/')+1:]}
		}
		field := destination.fields()[strings.TrimSuffix(parts[1], "_total")]
		if field == nil {
			continue
		}
		value, err := strconv.ParseFloat(parts[3], 64)
		if err != nil || math.IsNaN(value) || value < 0 {
			return nil, fmt.Errorf("read the Collector's metrics: %s has the value %q", parts[1], parts[3])
		}
		*field += int(value)
		byExporter[label[1]] = destination
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read the Collector's metrics: %w", err)
	}
	destinations := make([]Destination, 0, len(byExporter))
	for _, destination := range byExporter {
		destinations = append(destinations, *destination)
	}
	slices.SortFunc(destinations, func(a, b Destination) int { return cmp.Compare(a.Exporter, b.Exporter) })
	return destinations, nil
}
