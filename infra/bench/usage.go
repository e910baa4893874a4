package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/stacks"
)

// Parts of a stack whose use is measured, besides its container runtime, which is
// named as its process is.
const (
	// partK3s is one process: kube-apiserver, etcd or SQLite, scheduler, controllers and
	// kubelet. None of them can be told from the others.
	partK3s       = "k3s"
	partCollector = "collector"
	partJaeger    = "jaeger"
)

// clockTicks are those of a second in /proc/PID/stat, on every architecture that k3s
// is published for.
//
// Source: Linux include/asm-generic/param.h (USER_HZ).
const clockTicks = 100

// meter reads what the parts of a stack have used, as they or their kernel count it:
// the processes of the nodes in /proc, Collector and Jaeger in their own metrics.
// kube-apiserver's process_cpu_seconds_total has the same source and resolution as
// /proc (github.com/prometheus/procfs, ProcStat.CPUTime), but its page of metrics costs
// more than what is measured.
type meter struct {
	docker            *docker.Client
	nodes             []string
	runtime           string
	jaeger, collector string
}

// newMeter returns the meter of a stack that has a Collector.
func newMeter(stack stacks.Stack) (*meter, error) {
	if !stack.Settings.Collector.Enabled {
		return nil, fmt.Errorf("measure stack %q: it must have a Collector, which counts the spans", stack.Names.Owner)
	}
	return &meter{
		docker: docker.New(), nodes: stack.Layout().Nodes, runtime: string(stack.Runtime().Name),
		jaeger: stack.Names.Jaeger(), collector: tracing.CollectorAlias,
	}, nil
}

// reading is what the parts have used since they started, and what the Collector has
// counted since.
type reading struct {
	at time.Time
	// cpu are seconds, memory resident bytes, by part. The nodes' memory is not read.
	cpu, memory map[string]float64
	// processes identify the nodes' processes.
	processes map[string]string
	// spans are those that the Collector has accepted, refused those that it has asked to
	// send again, lost those that no destination has got.
	spans, refused, lost float64
}

// read takes a reading of every part at the same time.
func (m *meter) read(ctx context.Context) (reading, error) {
	group, ctx := errgroup.WithContext(ctx)
	nodes := make([]map[string]process, len(m.nodes))
	for i, node := range m.nodes {
		group.Go(func() (err error) {
			nodes[i], err = m.readNode(ctx, node)
			return err
		})
	}
	var collector, jaeger metrics
	group.Go(func() (err error) {
		collector, err = m.readMetrics(ctx, m.collector)
		return err
	})
	group.Go(func() (err error) {
		jaeger, err = m.readMetrics(ctx, "localhost")
		return err
	})
	if err := group.Wait(); err != nil {
		return reading{}, err
	}
	r := reading{
		at:        time.Now(),
		cpu:       map[string]float64{partCollector: collector.cpu, partJaeger: jaeger.cpu},
		memory:    map[string]float64{partCollector: collector.memory, partJaeger: jaeger.memory},
		processes: map[string]string{},
		spans:     collector.spans, refused: collector.refused, lost: collector.lost,
	}
	for i, found := range nodes {
		for part, process := range found {
			r.cpu[part] += process.cpu
			r.processes[part+" in "+m.nodes[i]] = process.identity
		}
	}
	return r, nil
}

// readNode reads the processes of a node.
func (m *meter) readNode(ctx context.Context, node string) (map[string]process, error) {
	// Processes that end meanwhile are not there any more.
	text, err := m.docker.Exec(ctx, node, "sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null || true")
	if err != nil {
		return nil, fmt.Errorf("read the processes of node %s: %w", node, err)
	}
	found, err := readProcesses(text, partK3s, m.runtime)
	if err != nil {
		return nil, fmt.Errorf("read the processes of node %s: %w", node, err)
	}
	return found, nil
}

// readMetrics reads the metrics of a host that Jaeger's container reaches: only its
// image has a client for HTTP.
func (m *meter) readMetrics(ctx context.Context, host string) (metrics, error) {
	text, err := m.docker.Exec(ctx, m.jaeger, "wget", "-q", "-O", "-", fmt.Sprintf("http://%s:%d/metrics", host, tracing.CollectorMetricsPort))
	if err != nil {
		return metrics{}, fmt.Errorf("read the metrics of %s in container %s: %w", host, m.jaeger, err)
	}
	return parseMetrics(text)
}

// process is one of a node's.
type process struct {
	// identity changes when the process is another one.
	identity string
	// cpu are the seconds that its threads have run, without its children.
	cpu float64
	// started is when it was, in clock ticks since the machine's start.
	started uint64
}

// readProcesses finds the oldest process of each name in the text of /proc/PID/stat of
// all. Its later namesakes are its own, or run in pods.
//
// Source: proc_pid_stat(5).
func readProcesses(text string, names ...string) (map[string]process, error) {
	found := map[string]process{}
	for line := range strings.Lines(text) {
		// The name may contain anything, also parentheses.
		open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
		if open < 0 || end < open || !slices.Contains(names, line[open+1:end]) {
			continue
		}
		name, fields := line[open+1:end], strings.Fields(line[end+1:])
		const user, system, start = 11, 12, 19 // fields 14, 15 and 22 of the line
		if len(fields) <= start {
			return nil, fmt.Errorf("%q is no line of /proc/PID/stat", line)
		}
		var numbers [3]uint64
		for i, field := range []int{user, system, start} {
			var err error
			if numbers[i], err = strconv.ParseUint(fields[field], 10, 64); err != nil {
				return nil, fmt.Errorf("%q is no line of /proc/PID/stat: %w", line, err)
			}
		}
		if earlier, ok := found[name]; !ok || numbers[2] < earlier.started {
			found[name] = process{
				identity: strings.TrimSpace(line[:open]) + "/" + fields[start],
				cpu:      float64(numbers[0]+numbers[1]) / clockTicks, started: numbers[2],
			}
		}
	}
	for _, name := range names {
		if _, ok := found[name]; !ok {
			return nil, fmt.Errorf("there is no process %q", name)
		}
	}
	return found, nil
}

// metrics are those of a Collector; Jaeger is one too.
type metrics struct{ cpu, memory, spans, refused, lost float64 }

// parseMetrics reads metrics in Prometheus' text format. The suffixes of their names
// depend on how they are served.
//
// Source: https://opentelemetry.io/docs/collector/internal-telemetry/.
func parseMetrics(text string) (metrics, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return metrics{}, fmt.Errorf("read metrics: %w", err)
	}
	sums := map[string]float64{}
	for name, family := range families {
		name = strings.TrimSuffix(strings.TrimSuffix(name, "_total"), "_bytes")
		for _, metric := range family.GetMetric() {
			sums[name] += value(metric)
		}
	}
	destinations, err := verify.ReadDestinations(strings.NewReader(text))
	if err != nil {
		return metrics{}, err
	}
	lost := 0
	for _, destination := range destinations {
		lost += destination.Lost()
	}
	for _, name := range []string{"otelcol_process_cpu_seconds", "otelcol_process_memory_rss"} {
		if sums[name] == 0 {
			return metrics{}, fmt.Errorf("read metrics: there is no %s", name)
		}
	}
	return metrics{
		cpu: sums["otelcol_process_cpu_seconds"], memory: sums["otelcol_process_memory_rss"],
		spans: sums["otelcol_receiver_accepted_spans"], refused: sums["otelcol_receiver_refused_spans"], lost: float64(lost),
	}, nil
}

// value is that of a metric which is a number.
func value(metric *dto.Metric) float64 {
	return cmp.Or(metric.GetCounter().GetValue(), metric.GetGauge().GetValue(), metric.GetUntyped().GetValue())
}

// use is what was used between two readings.
type use struct {
	took                 time.Duration
	cpu                  map[string]float64
	spans, refused, lost float64
}

// since returns what was used since an earlier reading. A part that has been started
// again meanwhile is an error: nobody knows what it used before.
func (r reading) since(earlier reading) (use, error) {
	for _, name := range slices.Sorted(maps.Keys(r.processes)) {
		if r.processes[name] != earlier.processes[name] {
			return use{}, fmt.Errorf("%s was started again while it was measured", name)
		}
	}
	u := use{
		took: r.at.Sub(earlier.at), cpu: map[string]float64{},
		spans: r.spans - earlier.spans, refused: r.refused - earlier.refused, lost: r.lost - earlier.lost,
	}
	for _, part := range slices.Sorted(maps.Keys(r.cpu)) {
		if u.cpu[part] = r.cpu[part] - earlier.cpu[part]; u.cpu[part] < 0 {
			return use{}, fmt.Errorf("%s was started again while it was measured", part)
		}
	}
	return u, nil
}

// beyond returns what each of a number of operations used beyond what would have been
// used at rest.
func (u use) beyond(rest use, operations int) use {
	share := u.took.Seconds() / rest.took.Seconds()
	each := func(used, atRest float64) float64 { return (used - share*atRest) / float64(operations) }
	one := use{
		took: u.took / time.Duration(operations), cpu: map[string]float64{},
		spans: each(u.spans, rest.spans), refused: each(u.refused, rest.refused), lost: each(u.lost, rest.lost),
	}
	for part, used := range u.cpu {
		one.cpu[part] = each(used, rest.cpu[part])
	}
	return one
}
