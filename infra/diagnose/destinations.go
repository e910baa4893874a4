package diagnose

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/docker"
)

// Collector is where the metrics of a stack's Collector are read.
type Collector struct {
	// Container is its name in Docker.
	Container string
	// Probe is the name of a container with wget on its network. The Collector's image
	// has no program that could ask.
	Probe string
	// DiskQueue reports whether its queues are on disk, and measured in bytes.
	DiskQueue bool
}

// Times of the search for destinations that accept nothing.
const (
	// stuckTime is how long a destination must accept nothing while spans wait for it:
	// longer than one attempt, which ends after five seconds.
	//
	// Source: go.opentelemetry.io/collector/exporter/exporterhelper/internal/
	// timeout_sender.go (NewDefaultTimeoutConfig).
	stuckTime = 6 * time.Second
	// stuckInterval is the pause between two readings of the metrics meanwhile.
	stuckInterval = time.Second
)

// Losses returns a line for each destination of a stack's spans that has lost some since
// the Collector started, or accepts none while some wait for it.
func (c Collector) Losses(ctx context.Context, client *docker.Client) ([]string, error) {
	first, err := c.destinations(ctx, client)
	if err != nil {
		return nil, err
	}
	last, stuck := first, withoutProgress(first, nil)
	for start := time.Now(); len(stuck) > 0 && time.Since(start) < stuckTime; {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("metrics of container %s: %w", c.Container, context.Cause(ctx))
		case <-time.After(stuckInterval):
		}
		if last, err = c.destinations(ctx, client); err != nil {
			return nil, err
		}
		stuck = withoutProgress(last, stuck)
	}
	var lines []string
	for _, d := range last {
		_, isStuck := stuck[d.Exporter]
		if line := c.describe(d, isStuck); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// withoutProgress returns, by exporter, how many spans those destinations have accepted for which
// some wait: of all of them, or of those in before that have accepted none since.
func withoutProgress(destinations []verify.Destination, before map[string]int) map[string]int {
	found := map[string]int{}
	for _, d := range destinations {
		sent, was := before[d.Exporter]
		if d.Queued > 0 && (before == nil || was && sent == d.Sent) {
			found[d.Exporter] = d.Sent
		}
	}
	return found
}

// destinations reads the Collector's metrics.
func (c Collector) destinations(ctx context.Context, client *docker.Client) ([]verify.Destination, error) {
	url := fmt.Sprintf("http://%s:%d/metrics", tracing.CollectorAlias, tracing.CollectorMetricsPort)
	text, err := client.Exec(ctx, c.Probe, "wget", "-q", "-O", "-", url)
	if err != nil {
		return nil, fmt.Errorf("metrics of container %s: %w", c.Container, err)
	}
	return verify.ReadDestinations(strings.NewReader(text))
}

// describe says what is wrong with a destination; empty if nothing is.
func (c Collector) describe(d verify.Destination, stuck bool) string {
	var wrong []string
	if d.Lost() > 0 {
		wrong = append(wrong, fmt.Sprintf("has lost %d spans since the Collector started (%s)", d.Lost(), d.Losses()))
	}
	unit := "spans"
	if c.DiskQueue {
		unit = "bytes"
	}
	if stuck {
		wrong = append(wrong, fmt.Sprintf("has accepted no spans for %s, and its queue holds %d of %d %s",
			stuckTime, d.Queued, d.Capacity, unit))
	}
	if len(wrong) == 0 {
		return ""
	}
	return fmt.Sprintf("destination %s %s: docker logs --tail 100 %s", d.Name, strings.Join(wrong, "; it "), c.Container)
}
