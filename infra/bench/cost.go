package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"golang.org/x/perf/benchmath"
)

// sampledRates are the shares of requests that are traced, per million.
var sampledRates = []int{0, 10_000, 100_000, 1_000_000}

// confidence is that of the intervals.
const confidence = 0.95

// costQuantity is something whose time is measured at every rate.
type costQuantity struct {
	name, unit string
	perUnit    time.Duration
}

var costQuantities = []costQuantity{
	{"read a config map", "ms", time.Millisecond},
	{"write a config map", "ms", time.Millisecond},
	{"start a pod", "s", time.Second},
}

// costFlags say how much is measured.
type costFlags struct {
	rounds, requests, pods int
	image, results         string
}

// costRound is what one round measured: the median of every quantity, in its unit,
// by rate.
type costRound map[int][]float64

// cost measures what tracing costs those who use the cluster: the latency of API
// requests and the start of pods, on one cluster whose rates change in place, all
// rates in every round.
func cost(flags *flag.FlagSet) func() error {
	var c costFlags
	flags.IntVar(&c.rounds, "rounds", 6, "rounds, earlier ones included; fewer than 6 give no interval of 95 %")
	flags.IntVar(&c.requests, "requests", 300, "requests of each kind in a round, at each rate")
	flags.IntVar(&c.pods, "pods", 5, "pods in a round, at each rate")
	flags.StringVar(&c.image, "image", "docker.io/library/busybox:1.37.0", "the pods' image")
	flags.StringVar(&c.results, "results", "", "a file that collects the rounds of several runs; the table is of all of them")
	stackFile := stackFileOf(flags)
	return func() error { return measureCost(os.Stdout, *stackFile, c) }
}

func measureCost(w io.Writer, stackFile string, c costFlags) (err error) {
	ours, err := newStack(stackFile)
	if err != nil {
		return err
	}
	defer ours.remove()
	// A rate of 0 shows nothing that could be waited for. Without etcd, whose tracing
	// some releases cannot sample and which cannot be turned off in place.
	if err := ours.configure("verify", map[string]any{"enabled": false}); err != nil {
		return err
	}
	if err := ours.rate(sampledRates[0]); err != nil {
		return err
	}
	defer func() {
		if failed := ours.kubetracing("destroy"); err == nil {
			err = failed
		}
	}()
	if err := ours.kubetracing("up"); err != nil {
		return err
	}
	kubeconfig, err := ours.command("pulumi", "--", "stack", "output", "kubeconfig", "--show-secrets", "--stack", stackName).Output()
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	cluster, err := newKubernetes(kubeconfig)
	if err != nil {
		return err
	}
	rounds, err := c.earlier()
	if err != nil {
		return err
	}
	for len(rounds) < c.rounds {
		number, round := len(rounds), costRound{}
		for i := range sampledRates {
			// Another order every time: what drifts must not fall on one rate.
			rate := sampledRates[(i+number)%len(sampledRates)]
			if err := ours.rate(rate); err != nil {
				return err
			}
			if err := ours.kubetracing("up"); err != nil {
				return err
			}
			if round[rate], err = c.measure(cluster, fmt.Sprintf("r%d-%d", number, rate)); err != nil {
				return fmt.Errorf("round %d, rate %d: %w", number, rate, err)
			}
			fmt.Fprintf(os.Stderr, "round %d: rate %d: %v\n", number, rate, round[rate])
		}
		rounds = append(rounds, round)
		if err := c.keep(rounds); err != nil {
			return err
		}
	}
	return reportCost(w, c, rounds)
}

// earlier are the rounds of earlier runs.
func (c costFlags) earlier() ([]costRound, error) {
	if c.results == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.results)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var rounds []costRound
	if err := json.Unmarshal(text, &rounds); err != nil {
		return nil, fmt.Errorf("read earlier rounds: %w", err)
	}
	return rounds, nil
}

// keep writes the rounds down for later runs.
func (c costFlags) keep(rounds []costRound) error {
	if c.results == "" {
		return nil
	}
	text, err := json.Marshal(rounds)
	if err != nil {
		return fmt.Errorf("keep rounds: %w", err)
	}
	return os.WriteFile(c.results, text, 0o600)
}

// rate makes kube-apiserver, the kubelet and the runtime sample that share.
func (s stack) rate(perMillion int) error {
	return s.configure("sampling", map[string]any{
		"apiserver": perMillion, "kubelet": perMillion, "runtime": perMillion, "etcd": 0,
	})
}

// measure gives the median of every quantity, in its unit.
func (c costFlags) measure(cluster *kubernetes, name string) ([]float64, error) {
	ctx := context.Background()
	const path = objects + "configmaps"
	object := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name), "data": map[string]string{"key": "value"}}
	if _, err := cluster.take(ctx, http.MethodPost, path, object); err != nil {
		return nil, err
	}
	// What has just been restarted is slow at first.
	if _, err := cluster.takePod(ctx, name+"-warm", c.image); err != nil {
		return nil, err
	}
	quantities := []struct {
		count int
		take  func(i int) (time.Duration, error)
	}{
		{c.requests, func(int) (time.Duration, error) { return cluster.take(ctx, http.MethodGet, path+"/"+name, nil) }},
		{c.requests, func(i int) (time.Duration, error) {
			object["data"] = map[string]string{"key": fmt.Sprint(i)}
			return cluster.take(ctx, http.MethodPut, path+"/"+name, object)
		}},
		{c.pods, func(i int) (time.Duration, error) {
			return cluster.takePod(ctx, fmt.Sprintf("%s-%d", name, i), c.image)
		}},
	}
	medians := make([]float64, len(quantities))
	for i, quantity := range quantities {
		// A tenth more, to warm up.
		warm := quantity.count / 10
		var values []float64
		for j := range quantity.count + warm {
			took, err := quantity.take(j)
			if err != nil {
				return nil, err
			}
			if j >= warm {
				values = append(values, float64(took)/float64(costQuantities[i].perUnit))
			}
		}
		medians[i] = median(values)
	}
	_, err := cluster.take(ctx, http.MethodDelete, path+"/"+name, nil)
	return medians, err
}

func reportCost(w io.Writer, c costFlags, rounds []costRound) error {
	fmt.Fprintf(w, "%d rounds; each gives the median of %d reads, %d writes and %d pods at every rate; in brackets the %.0f %% interval of the median of rounds\n\n",
		len(rounds), c.requests, c.requests, c.pods, 100*confidence)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "quantity\tsampled\tmedian\tratio to 0 %, round by round\tdifferent from 0 %")
	for i, quantity := range costQuantities {
		at := func(rate int) []float64 {
			values := make([]float64, len(rounds))
			for j, round := range rounds {
				values[j] = round[rate][i]
			}
			return values
		}
		none := at(sampledRates[0])
		for _, rate := range sampledRates {
			values := at(rate)
			ratio, difference := "", ""
			if rate != sampledRates[0] {
				ratios := make([]float64, len(values))
				for j := range values {
					ratios[j] = values[j] / none[j]
				}
				ratio = interval(ratios, "%.2f", "")
				difference = fmt.Sprintf("p=%.3f", benchmath.AssumeNothing.Compare(sample(none), sample(values)).P)
			}
			fmt.Fprintf(table, "%s\t%g %%\t%s\t%s\t%s\n", quantity.name, float64(rate)/10_000,
				interval(values, "%.2f", " "+quantity.unit), ratio, difference)
		}
	}
	return table.Flush()
}

// sample takes a copy: it sorts.
func sample(values []float64) *benchmath.Sample {
	return benchmath.NewSample(append([]float64{}, values...), &benchmath.DefaultThresholds)
}

// interval is a median with its confidence interval.
func interval(values []float64, format, unit string) string {
	summary := benchmath.AssumeNothing.Summary(sample(values), confidence)
	return fmt.Sprintf(format+unit+" ["+format+", "+format+"]", summary.Center, summary.Lo, summary.Hi)
}
