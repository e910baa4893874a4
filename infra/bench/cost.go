package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/project"
)

// ratesOf are the shares of requests that are traced, per million.
type ratesOf []int

// String implements [flag.Value].
func (r *ratesOf) String() string {
	texts := make([]string, len(*r))
	for i, rate := range *r {
		texts[i] = strconv.Itoa(rate)
	}
	return strings.Join(texts, ",")
}

// Set implements [flag.Value].
func (r *ratesOf) Set(text string) error {
	var rates []int
	for part := range strings.SplitSeq(text, ",") {
		rate, err := strconv.Atoi(part)
		if err != nil || rate < 0 || rate > tracing.SamplingRateMax || slices.Contains(rates, rate) {
			return fmt.Errorf("must be different rates from 0 to %d, separated by commas", tracing.SamplingRateMax)
		}
		rates = append(rates, rate)
	}
	if !slices.Contains(rates, 0) || !slices.Contains(rates, tracing.SamplingRateMax) {
		return fmt.Errorf("must have 0, with which the others are compared, and %d", tracing.SamplingRateMax)
	}
	*r = rates
	return nil
}

// roundsOfAnInterval are the fewest that have an interval of 95 %.
//
// Source: golang.org/x/perf/benchmath (AssumeNothing).
const roundsOfAnInterval = 6

// precision is how far the interval of a ratio may reach to either side.
const precision = 0.05

// costFlags define how much is measured.
type costFlags struct {
	rounds, maxRounds, requests, pods int
	settle, rest                      time.Duration
	rates                             ratesOf
	image                             string
}

// cost measures what tracing costs those who use the cluster: the latency of API
// requests and of pods, and the CPU time of the cluster's processes, on one cluster
// whose rates change in place, all rates in every round.
func cost(flags *flag.FlagSet) func(*results) error {
	c := costFlags{rates: ratesOf{0, 10_000, 100_000, tracing.SamplingRateMax}}
	countVar(flags, &c.rounds, "rounds", roundsOfAnInterval, fmt.Sprintf("rounds, earlier ones included; fewer than %d have no interval of 95 %%", roundsOfAnInterval))
	countVar(flags, &c.maxRounds, "max-rounds", 2*roundsOfAnInterval, fmt.Sprintf("rounds at most, if -rounds do not show the CPU time at 100 %% to within %.0f %%", 100*precision))
	countVar(flags, &c.requests, "requests", 1000, "requests of each kind in a round, at each rate")
	countVar(flags, &c.pods, "pods", 20, "pods in a round, at each rate, all at once")
	flags.Var(&c.rates, "rates", "rates per million")
	flags.DurationVar(&c.settle, "settle", 15*time.Second, "pause after a change of the rate")
	flags.DurationVar(&c.rest, "rest", 10*time.Second, "how long the cluster is watched at rest")
	flags.StringVar(&c.image, "image", "docker.io/library/busybox:1.37.0", "the pods' image")
	stackFile := stackFileFlag(flags)
	return func(measured *results) error {
		return withProject(*stackFile, func(ours *project.Project) error { return c.measure(measured, ours) })
	}
}

func (c costFlags) measure(measured *results, ours *project.Project) error {
	stack, err := openStack(ours)
	if err != nil {
		return err
	}
	meter, err := newMeter(stack)
	if err != nil {
		return err
	}
	// A rate of 0 shows nothing to wait for.
	if err := ours.Merge("verify", map[string]any{"enabled": false}); err != nil {
		return err
	}
	if err := update(ours, 0); err != nil {
		return err
	}
	cluster, err := connect(ours)
	if err != nil {
		return err
	}
	for round := measured.count(costName("read", 0)); c.another(measured, round); round++ {
		var all []costOf
		for i := range c.rates {
			// Another order every time: what drifts must not fall on one rate.
			rate := c.rates[(i+round)%len(c.rates)]
			if err := update(ours, rate); err != nil {
				return err
			}
			found, err := c.measureRate(meter, cluster, rate, fmt.Sprintf("r%d-%d", round, rate))
			if err != nil {
				return fmt.Errorf("round %d, rate %d: %w", round, rate, err)
			}
			all = append(all, found...)
		}
		// A round counts once it has every rate.
		for _, quantity := range costQuantities {
			for _, rate := range c.rates {
				i := slices.IndexFunc(all, func(of costOf) bool { return of.quantity == quantity && of.rate == rate })
				if err := measured.add(costName(quantity, rate), all[i].values...); err != nil {
					return err
				}
			}
		}
	}
	measured.note(precisionReached(measured))
	return nil
}

// costQuantities are what is measured at each rate: the cluster at rest, and requests
// and pods.
var costQuantities = []string{"rest", "read", "write", "pod"}

// costOf is what is measured of one quantity at one rate, in one round.
type costOf struct {
	quantity string
	rate     int
	values   []benchfmt.Value
}

func costName(quantity string, rate int) string {
	return name("Cost", "quantity", quantity, "rate", rate)
}

// another reports whether to measure another round.
func (c costFlags) another(measured *results, round int) bool {
	return round < c.rounds || round < c.maxRounds && len(imprecise(measured, cpuUnit)) > 0
}

// imprecise returns the series at 100 % whose ratio to 0 % is not known to within the
// precision, of those whose unit is chosen, and how far their intervals reach.
func imprecise(measured *results, chosen func(unit string) bool) map[series]float64 {
	found := map[series]float64{}
	for _, quantity := range []string{"read", "write", "pod"} {
		for _, s := range measured.seriesOf(costName(quantity, tracing.SamplingRateMax)) {
			// Only what is used without tracing too has a ratio.
			if used := !strings.HasPrefix(s.unit, partCollector) && !strings.HasPrefix(s.unit, partJaeger); !used || !chosen(s.unit) {
				continue
			}
			if reach := measured.reach(s); reach > precision {
				found[s] = reach
			}
		}
	}
	return found
}

func cpuUnit(unit string) bool { return strings.HasSuffix(unit, "cpu-sec") }

// precisionReached says to within what the ratios at 100 % are known.
func precisionReached(measured *results) string {
	missed, rounds := imprecise(measured, func(string) bool { return true }), measured.count(costName("read", 0))
	switch {
	case len(missed) == 0:
		return fmt.Sprintf("Every ratio at 100 %% is known to within %.0f %%.", 100*precision)
	case rounds < roundsOfAnInterval:
		return fmt.Sprintf("The ratios have no intervals: these take at least %d rounds.", roundsOfAnInterval)
	}
	texts := make([]string, 0, len(missed))
	for s, reach := range missed {
		texts = append(texts, fmt.Sprintf("%s %s (%.0f %%)", s.name, s.unit, 100*reach))
	}
	slices.Sort(texts)
	return fmt.Sprintf("Not known to within %.0f %% after %d rounds, as the rounds differ by more than that: %s.",
		100*precision, rounds, strings.Join(texts, ", "))
}

// update makes kube-apiserver, the kubelet and the runtime sample a share. etcd's
// tracing is off: some releases cannot sample it, and it does not change in place.
func update(ours *project.Project, perMillion int) error {
	if err := ours.Merge("sampling", map[string]any{
		"apiserver": perMillion, "kubelet": perMillion, "runtime": perMillion, "etcd": 0,
	}); err != nil {
		return err
	}
	return quietly(ours.Command("up"))
}

// connect returns a client of the stack's cluster.
func connect(ours *project.Project) (*client.CoreV1Client, error) {
	kubeconfig, err := ours.Command("pulumi", "--", "stack", "output", "kubeconfig", "--show-secrets", "--stack", ours.Stack).Output()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	// The client must not slow down what is measured.
	config.QPS = -1
	cluster, err := client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return cluster, nil
}

// measureRate measures every quantity at a rate.
func (c costFlags) measureRate(meter *meter, cluster *client.CoreV1Client, rate int, name string) ([]costOf, error) {
	ctx, cancel := context.WithTimeout(context.Background(), costTimeout)
	defer cancel()
	maps := cluster.ConfigMaps(meta.NamespaceDefault)
	object := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: name}, Data: map[string]string{"key": "value"}}
	if _, err := maps.Create(ctx, object, meta.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("create config map: %w", err)
	}
	read := func(int) error {
		if _, err := maps.Get(ctx, name, meta.GetOptions{}); err != nil {
			return fmt.Errorf("read config map: %w", err)
		}
		return nil
	}
	write := func(i int) error {
		object.Data["key"] = strconv.Itoa(i)
		if _, err := maps.Update(ctx, object, meta.UpdateOptions{}); err != nil {
			return fmt.Errorf("write config map: %w", err)
		}
		return nil
	}
	turnOver := func(name string, count int) ([]time.Duration, error) {
		return turnover{
			pods: cluster.Pods(meta.NamespaceDefault), name: name, count: count, atOnce: count, phase: core.PodSucceeded,
			container: core.Container{Name: "true", Image: c.image, Command: []string{"true"}, ImagePullPolicy: core.PullIfNotPresent},
		}.run(ctx)
	}
	// What has just been restarted is slow at first, and has things to do.
	warm := c.requests/10 + 1
	if _, err := turnOver(name+"-warm", 1); err != nil {
		return nil, err
	}
	if _, err := times(warm, read); err != nil {
		return nil, err
	}
	if _, err := times(warm, write); err != nil {
		return nil, err
	}
	time.Sleep(c.settle)

	var rest use
	var found []costOf
	for _, quantity := range costQuantities {
		before, err := meter.read(ctx)
		if err != nil {
			return nil, err
		}
		var took []time.Duration
		switch quantity {
		case "rest":
			time.Sleep(c.rest)
		case "read":
			took, err = times(c.requests, read)
		case "write":
			took, err = times(c.requests, write)
		case "pod":
			took, err = turnOver(name, c.pods)
		}
		if err != nil {
			return nil, err
		}
		after, err := meter.read(ctx)
		if err != nil {
			return nil, err
		}
		used, err := after.since(before)
		if err != nil {
			return nil, err
		}
		of := costOf{quantity: quantity, rate: rate}
		if quantity == "rest" {
			rest = used
			of.values = meter.perSecond(used)
		} else {
			of.values = append([]benchfmt.Value{seconds(median(took))}, meter.each(quantity, used.beyond(rest, len(took)))...)
		}
		found = append(found, of)
	}
	if err := maps.Delete(ctx, name, meta.DeleteOptions{}); err != nil {
		return nil, fmt.Errorf("delete config map: %w", err)
	}
	return found, nil
}

// costTimeout bounds what is measured at one rate, in one round.
const costTimeout = 10 * time.Minute

// parts are those whose CPU time an operation is charged with. Requests take none of
// the runtime's.
func (m *meter) parts(quantity string) []string {
	if quantity == "read" || quantity == "write" {
		return []string{partK3s, partCollector, partJaeger}
	}
	return []string{partK3s, m.runtime, partCollector, partJaeger}
}

// each is what an operation used, as a benchmark's values.
func (m *meter) each(quantity string, one use) []benchfmt.Value {
	var values []benchfmt.Value
	for _, part := range m.parts(quantity) {
		values = append(values, benchfmt.Value{Value: one.cpu[part], Unit: part + "-cpu-sec"})
	}
	return append(values, benchfmt.Value{Value: one.spans, Unit: "spans"})
}

// perSecond is what was used in a second, as a benchmark's values: CPU time as the
// share of a CPU.
func (m *meter) perSecond(used use) []benchfmt.Value {
	var values []benchfmt.Value
	for _, part := range m.parts("rest") {
		values = append(values, benchfmt.Value{Value: used.cpu[part] / used.took.Seconds(), Unit: part + "-cpus"})
	}
	return append(values, benchfmt.Value{Value: used.spans / used.took.Seconds(), Unit: "spans/sec"})
}

// times does something so many times, and returns how long each took.
func times(count int, do func(i int) error) ([]time.Duration, error) {
	took := make([]time.Duration, count)
	for i := range took {
		started := time.Now()
		if err := do(i); err != nil {
			return nil, err
		}
		took[i] = time.Since(started)
	}
	return took, nil
}

// median returns the middle one of durations, of which there is at least one.
func median(durations []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[len(sorted)/2]
}
