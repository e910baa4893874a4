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

// LostSpans counts the spans that a Collector could not deliver to a destination
// since it started.
type LostSpans struct {
	// Exporter is the exporter's name, as otlp_grpc/vendor, and Destination its last
	// part.
	Exporter, Destination string
	// Dropped counts the spans for which the queue had no room, Failed those that the
	// destination did not accept: refused for good, or not accepted in time.
	Dropped, Failed int
}

func (l LostSpans) String() string {
	var parts []string
	if l.Dropped > 0 {
		parts = append(parts, fmt.Sprintf("%d because its queue was full", l.Dropped))
	}
	if l.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d that it did not accept", l.Failed))
	}
	return fmt.Sprintf("%s lost spans: %s", l.Destination, strings.Join(parts, ", "))
}

// The Collector's counters of spans that an exporter lost. The suffix _total depends
// on how its metrics are served.
//
// Source: go.opentelemetry.io/collector/exporter/exporterhelper documentation.md.
const (
	enqueueFailedMetric = "otelcol_exporter_enqueue_failed_spans"
	sendFailedMetric    = "otelcol_exporter_send_failed_spans"
)

// sample is a line of Prometheus' text format: a name, labels and a value, and
// perhaps a time.
//
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/.
var (
	sample        = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)\{(.*)\}\s+(\S+)(\s+-?\d+)?$`)
	exporterLabel = regexp.MustCompile(`(?:^|,)\s*exporter="((?:[^"\\]|\\.)*)"`)
)

// ReadLostSpans reads a Collector's own metrics, in Prometheus' text format, and
// returns the exporters that lost spans, sorted by name.
func ReadLostSpans(metrics io.Reader) ([]LostSpans, error) {
	byExporter := map[string]*LostSpans{}
	scanner := bufio.NewScanner(metrics)
	for scanner.Scan() {
		parts := sample.FindStringSubmatch(scanner.Text())
		if parts == nil {
			continue
		}
		name := strings.TrimSuffix(parts[1], "_total")
		if name != enqueueFailedMetric && name != sendFailedMetric {
			continue
		}
		value, err := strconv.ParseFloat(parts[3], 64)
		if err != nil || math.IsNaN(value) || value < 0 {
			return nil, fmt.Errorf("read the Collector's metrics: %s has the value %q", name, parts[3])
		}
		label := exporterLabel.FindStringSubmatch(parts[2])
		if value == 0 || label == nil {
			continue
		}
		lost := byExporter[label[1]]
		if lost == nil {
			lost = &LostSpans{Exporter: label[1], Destination: label[1][strings.LastIndexByte(label[1], '/')+1:]}
			byExporter[label[1]] = lost
		}
		if name == enqueueFailedMetric {
			lost.Dropped += int(value)
		} else {
			lost.Failed += int(value)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read the Collector's metrics: %w", err)
	}
	losses := make([]LostSpans, 0, len(byExporter))
	for _, lost := range byExporter {
		losses = append(losses, *lost)
	}
	slices.SortFunc(losses, func(a, b LostSpans) int { return cmp.Compare(a.Exporter, b.Exporter) })
	return losses, nil
}
