package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/pipeline/load"
	"github.com/kubetracing/kubetracing/test/pipeline/rig"
	"github.com/kubetracing/kubetracing/test/processes"
)

// articleConfig is the Collector's configuration of the published recipe
// (https://opentelemetry.io/blog/2023/k8s-runtime-observability/), changed only
// where today's Collector does not accept it any more: the exporter logging is now
// debug, its logLevel debug is verbosity detailed. It has health_check in addition,
// to know when it is up.
//
//go:embed pipeline/article.yaml
var articleConfig string

// tracesPerRequest and spansPerTrace make 500 spans a request, about what the
// batch processors of the Kubernetes components send at once (512).
const (
	tracesPerRequest = 100
	spansPerTrace    = 5
)

// storedInterval is the pause between two questions for the last traces, short
// against a run of a second; each question is for at most lastRequests traces,
// which costs Jaeger next to nothing. So many requests are in the batches that our
// queue has under way at once.
const (
	storedInterval = 20 * time.Millisecond
	lastRequests   = 20
)

// variant is one way to run the pipeline.
type variant struct {
	name string
	spec rig.Spec
}

func variants(maxTraces int) []variant {
	memory := tracing.JaegerSpec{Storage: tracing.StorageMemory, MaxTraces: maxTraces}
	everything := tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax}
	onDisk := everything
	onDisk.DiskQueue = true
	return []variant{
		{"article", rig.Spec{Jaeger: memory, CollectorConfig: articleConfig, JaegerExporter: "otlp/jaeger"}},
		{"memory", rig.Spec{Jaeger: memory, Collector: everything}},
		{"badger, queue on disk", rig.Spec{
			Jaeger:    tracing.JaegerSpec{Storage: tracing.StorageBadger, Retention: "72h0m0s"},
			Collector: onDisk,
		}},
	}
}

// measurement is what one run of a variant took.
type measurement struct {
	seconds, collectorCPU, jaegerCPU float64 // seconds
	collectorMiB, jaegerMiB          float64 // highest seen
	refused                          int     // attempts
	lost                             int     // traces, acknowledged but not in Jaeger
}

// pipeline sends the same spans through the article's Collector and through ours,
// to Jaeger, in turns.
func pipeline(flags *flag.FlagSet) func() error {
	runs := flags.Int("runs", 3, "counted runs of each variant")
	requests := flags.Int("requests", 200, fmt.Sprintf("requests of %d spans in a run", tracesPerRequest*spansPerTrace))
	workers := flags.Int("workers", 4, "exporters that send at the same time")
	return func() error { return measurePipelines(os.Stdout, *runs, *requests, *workers) }
}

func measurePipelines(w io.Writer, runs, requests, workers int) error {
	traces := requests * tracesPerRequest
	all := variants(2 * traces)
	results := map[string][]measurement{}
	// One uncounted round builds what is missing and warms the caches.
	for i := range runs + 1 {
		for _, candidate := range all {
			result, err := measure(candidate, requests, workers)
			if err != nil {
				return fmt.Errorf("%s: %w", candidate.name, err)
			}
			fmt.Fprintf(os.Stderr, "run %d: %s: %+v\n", i, candidate.name, result)
			if i > 0 {
				results[candidate.name] = append(results[candidate.name], result)
			}
		}
	}
	spans := float64(traces * spansPerTrace)
	shape := load.Shape{Run: 1, Spans: spansPerTrace, Start: time.Now()}
	fmt.Fprintf(w, "%d runs of %.0f spans in %d traces each, %d bytes per span on the wire, %d exporters\n\n",
		runs, spans, traces, shape.BytesPerSpan(tracesPerRequest), workers)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "variant\tspans per Collector CPU-second\tratio\tspans per second\tratio\t"+
		"Jaeger CPU µs per span\tCollector MiB\tJaeger MiB\trefused attempts\tlost traces")
	for _, candidate := range all {
		measured := results[candidate.name]
		row := func(value func(measurement) float64) float64 {
			values := make([]float64, len(measured))
			for i, m := range measured {
				values[i] = value(m)
			}
			return median(values)
		}
		// Ratios run by run: the machine's other load differs between rounds.
		ratio := func(value func(measurement) float64) float64 {
			values := make([]float64, len(measured))
			for i, m := range measured {
				values[i] = value(m) / value(results[all[0].name][i])
			}
			return median(values)
		}
		perCPU := func(m measurement) float64 { return spans / m.collectorCPU }
		perSecond := func(m measurement) float64 { return spans / m.seconds }
		refused, lost := 0, 0
		for _, m := range measured {
			refused, lost = refused+m.refused, lost+m.lost
		}
		fmt.Fprintf(table, "%s\t%.0f\t%.2f\t%.0f\t%.2f\t%.0f\t%.0f\t%.0f\t%d\t%d\n", candidate.name,
			row(perCPU), ratio(perCPU), row(perSecond), ratio(perSecond),
			row(func(m measurement) float64 { return m.jaegerCPU / spans * 1e6 }),
			row(func(m measurement) float64 { return m.collectorMiB }),
			row(func(m measurement) float64 { return m.jaegerMiB }), refused, lost)
	}
	return table.Flush()
}

// measure runs a variant once, from nothing until everything is in Jaeger.
func measure(candidate variant, requests, workers int) (result measurement, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	folder, err := os.MkdirTemp("", "kubetracing-bench-")
	if err != nil {
		return measurement{}, err
	}
	defer os.RemoveAll(folder)
	spec := candidate.spec
	spec.Folder = filepath.Join(folder, "pipeline")
	running, err := rig.New(spec)
	if err != nil {
		return measurement{}, err
	}
	defer func() { err = errors.Join(err, running.Kill()) }()
	if err := running.Start(ctx); err != nil {
		return measurement{}, err
	}
	before, err := usages(running)
	if err != nil {
		return measurement{}, err
	}
	sender := &load.Sender{
		Address: running.Collector.OTLPGRPC, Requests: requests, Traces: tracesPerRequest, Workers: workers, Retry: true,
		Shape: load.Shape{Run: uint64(time.Now().UnixNano()), Spans: spansPerTrace, Start: time.Now()},
	}
	watched, stop := context.WithCancel(ctx)
	peaks := make(chan [2]uint64, 1)
	go func() { peaks <- watchMemory(watched, running) }()
	started := time.Now()
	acknowledged, err := sender.Send(ctx)
	if err != nil {
		stop()
		return measurement{}, errors.Join(err, lastFailure(sender))
	}
	// Jaeger having the last ones ends the run.
	if err := waitLast(ctx, running.Jaeger.QueryURL, sender.Shape, acknowledged); err != nil {
		stop()
		return measurement{}, err
	}
	result.seconds = time.Since(started).Seconds()
	after, err := usages(running)
	stop()
	peak := <-peaks
	if err != nil {
		return measurement{}, err
	}
	result.collectorCPU = (after[0].CPU - before[0].CPU).Seconds()
	result.jaegerCPU = (after[1].CPU - before[1].CPU).Seconds()
	result.collectorMiB, result.jaegerMiB = float64(peak[0])/(1<<20), float64(peak[1])/(1<<20)
	result.refused, _ = sender.Failures()
	missing, err := load.WaitStored(ctx, running.Jaeger.QueryURL, sender.Shape, acknowledged, 10*time.Second)
	result.lost = len(missing)
	return result, err
}

// waitLast waits until Jaeger has the last trace and then, as requests overtake one
// another, the last of each of the last requests. It gives up only with the context:
// a run that ends while a queue still drains would not count what that costs.
func waitLast(ctx context.Context, queryURL string, shape load.Shape, numbers []uint64) error {
	var ends []uint64
	for i := len(numbers) - 1; i >= 0 && len(ends) < lastRequests; i -= tracesPerRequest {
		ends = append(ends, numbers[i])
	}
	for _, awaited := range [][]uint64{ends[:1], ends[1:]} {
		for len(awaited) > 0 {
			var err error
			if awaited, err = load.Stored(ctx, queryURL, shape, awaited); err != nil {
				return fmt.Errorf("wait for the last traces: %w", err)
			}
			if len(awaited) > 0 {
				time.Sleep(storedInterval)
			}
		}
	}
	return nil
}

func lastFailure(sender *load.Sender) error {
	_, err := sender.Failures()
	return err
}

func usages(running *rig.Rig) (usage [2]processes.Usage, err error) {
	if usage[0], err = running.Collector.Usage(); err != nil {
		return usage, err
	}
	usage[1], err = running.Jaeger.Usage()
	return usage, err
}

// watchMemory gives the highest resident sets of Collector and Jaeger until the
// context ends.
func watchMemory(ctx context.Context, running *rig.Rig) (peak [2]uint64) {
	for {
		if usage, err := usages(running); err == nil {
			peak[0], peak[1] = max(peak[0], usage[0].Memory), max(peak[1], usage[1].Memory)
		}
		select {
		case <-ctx.Done():
			return peak
		case <-time.After(100 * time.Millisecond):
		}
	}
}
