package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/pipeline/load"
	"github.com/kubetracing/kubetracing/test/pipeline/rig"
	"github.com/kubetracing/kubetracing/test/processes"
)

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
	article, err := recipe.ReadFile("recipe/collector.yaml")
	if err != nil {
		panic(err) // it is embedded
	}
	memory := tracing.JaegerSpec{Storage: tracing.StorageMemory, MaxTraces: maxTraces}
	all := tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax}
	onDisk := all
	onDisk.DiskQueue = true
	return []variant{
		{"article", rig.Spec{Jaeger: memory, CollectorConfig: string(article), JaegerExporter: "otlp/jaeger"}},
		{"memory", rig.Spec{Jaeger: memory, Collector: all}},
		{"badger-disk-queue", rig.Spec{
			Jaeger:    tracing.JaegerSpec{Storage: tracing.StorageBadger, Retention: "72h0m0s"},
			Collector: onDisk,
		}},
	}
}

// pipeline sends the same spans through the recipe's Collector and through ours,
// to Jaeger, in turns.
func pipeline(flags *flag.FlagSet) func(*results) error {
	var runs, requests, workers int
	countVar(flags, &runs, "runs", 3, "counted runs of each variant")
	countVar(flags, &requests, "requests", 200, fmt.Sprintf("requests of %d spans in a run", tracesPerRequest*spansPerTrace))
	countVar(flags, &workers, "workers", 4, "exporters that send at the same time")
	return func(measured *results) error {
		fmt.Fprintf(os.Stderr, "a run sends %d spans, of %d bytes on the wire\n", requests*tracesPerRequest*spansPerTrace,
			load.Shape{Run: 1, Spans: spansPerTrace, Start: time.Now()}.BytesPerSpan(tracesPerRequest))
		// One uncounted round builds what is missing and warms the caches.
		for i := range runs + 1 {
			for _, variant := range variants(2 * requests * tracesPerRequest) {
				values, err := measure(variant.spec, requests, workers)
				if err != nil {
					return fmt.Errorf("%s: %w", variant.name, err)
				}
				if i == 0 {
					continue
				}
				if err := measured.add(name("Pipeline", "variant", variant.name), values...); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// measure runs the pipeline once, from nothing until everything is in Jaeger.
func measure(spec rig.Spec, requests, workers int) (values []benchfmt.Value, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	if spec.Folder, err = os.MkdirTemp("", "kubetracing-bench-"); err != nil {
		return nil, fmt.Errorf("create the pipeline's folder: %w", err)
	}
	defer os.RemoveAll(spec.Folder)
	running, err := rig.New(spec)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, running.Kill()) }()
	if err := running.Start(ctx); err != nil {
		return nil, err
	}
	before, err := usages(running)
	if err != nil {
		return nil, err
	}
	sender := &load.Sender{
		Address: running.Collector.OTLPGRPC, Requests: requests, Traces: tracesPerRequest, Workers: workers, Retry: true,
		Shape: load.Shape{Run: uint64(time.Now().UnixNano()), Spans: spansPerTrace, Start: time.Now()},
	}
	watched, stop := context.WithCancel(ctx)
	defer stop()
	peaks := make(chan [2]uint64, 1)
	go func() { peaks <- watchMemory(watched, running) }()
	started := time.Now()
	acknowledged, err := sender.Send(ctx)
	if err != nil {
		_, last := sender.Failures()
		return nil, errors.Join(err, last)
	}
	// Jaeger having the last ones ends the run.
	if err := waitLast(ctx, running.Jaeger.QueryURL, sender.Shape, acknowledged); err != nil {
		return nil, err
	}
	took := time.Since(started)
	after, err := usages(running)
	stop()
	peak := <-peaks
	if err != nil {
		return nil, err
	}
	refused, _ := sender.Failures()
	lost, err := load.WaitStored(ctx, running.Jaeger.QueryURL, sender.Shape, acknowledged, 10*time.Second)
	spans := float64(requests * tracesPerRequest * spansPerTrace)
	return []benchfmt.Value{
		{Value: spans / (after[0].CPU - before[0].CPU).Seconds(), Unit: "spans/collector-cpu-sec"},
		{Value: spans / took.Seconds(), Unit: "spans/sec"},
		{Value: (after[1].CPU - before[1].CPU).Seconds() / spans, Unit: "jaeger-cpu-sec/span"},
		{Value: float64(peak[0]), Unit: "collector-B"},
		{Value: float64(peak[1]), Unit: "jaeger-B"},
		{Value: float64(refused), Unit: "refused-attempts"},
		{Value: float64(len(lost)), Unit: "lost-traces"},
	}, err
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

func usages(running *rig.Rig) (usage [2]processes.Usage, err error) {
	if usage[0], err = running.Collector.Usage(); err != nil {
		return usage, err
	}
	usage[1], err = running.Jaeger.Usage()
	return usage, err
}

// watchMemory returns the highest resident sets of Collector and Jaeger until the
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
