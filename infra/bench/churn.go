package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"golang.org/x/perf/benchfmt"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/kubetracing/kubetracing/test/project"
)

// memoryInterval is the pause between two readings of memory: each of them takes some
// of the machine's time.
const memoryInterval = 5 * time.Second

// churnTimeout bounds a run.
const churnTimeout = time.Hour

// churnFlags define how much is measured.
type churnFlags struct {
	runs, pods, atOnce int
	settle, rest       time.Duration
	image              string
}

// churn measures a stack at rest and while pods come and go: spans per second, and
// what its parts use.
func churn(flags *flag.FlagSet) func(*results) error {
	var c churnFlags
	countVar(flags, &c.runs, "runs", 1, "runs")
	countVar(flags, &c.pods, "pods", 1000, "pods in a run")
	countVar(flags, &c.atOnce, "at-once", 50, "pods that exist at the same time; a node takes 110, those of the cluster's own included")
	flags.DurationVar(&c.settle, "settle", 30*time.Second, "pause after the stack's creation")
	flags.DurationVar(&c.rest, "rest", 30*time.Second, "how long the stack is watched at rest")
	flags.StringVar(&c.image, "image", "", "the pods' image; default the pause image that the node has")
	stackFile := stackFileFlag(flags)
	return func(measured *results) error {
		return withProject(*stackFile, func(ours *project.Project) error { return c.measure(measured, ours) })
	}
}

func (c churnFlags) measure(measured *results, ours *project.Project) error {
	stack, err := openStack(ours)
	if err != nil {
		return err
	}
	meter, err := newMeter(stack)
	if err != nil {
		return err
	}
	if err := quietly(ours.Command("up")); err != nil {
		return err
	}
	cluster, err := connect(ours)
	if err != nil {
		return err
	}
	time.Sleep(c.settle)
	for run := range c.runs {
		if err := c.run(measured, meter, cluster, fmt.Sprintf("churn%d", run)); err != nil {
			return fmt.Errorf("run %d: %w", run, err)
		}
	}
	return nil
}

func (c churnFlags) run(measured *results, meter *meter, cluster client.CoreV1Interface, label string) error {
	ctx, cancel := context.WithTimeout(context.Background(), churnTimeout)
	defer cancel()
	image := c.image
	if image == "" {
		nodes, err := cluster.Nodes().List(ctx, meta.ListOptions{})
		if err != nil {
			return fmt.Errorf("look for the pause image: %w", err)
		}
		if image, err = pauseImage(nodes.Items); err != nil {
			return err
		}
	}
	atRest, err := meter.watch(ctx, func() error {
		time.Sleep(c.rest)
		return nil
	})
	if err != nil {
		return err
	}
	var took []time.Duration
	busy, err := meter.watch(ctx, func() (err error) {
		took, err = turnover{
			pods: cluster.Pods(meta.NamespaceDefault), name: label, count: c.pods, atOnce: c.atOnce, phase: core.PodRunning,
			container: core.Container{Name: "pause", Image: image, ImagePullPolicy: core.PullIfNotPresent},
		}.run(ctx)
		return err
	})
	if err != nil {
		return err
	}
	loads := map[string][]benchfmt.Value{
		"rest": atRest.values(meter),
		"churn": append(busy.values(meter),
			benchfmt.Value{Value: float64(c.pods) / busy.took.Seconds(), Unit: "pods/sec"},
			benchfmt.Value{Value: busy.spans / float64(c.pods), Unit: "spans/pod"},
			seconds(median(took)),
		),
	}
	for _, load := range []string{"rest", "churn"} {
		if err := measured.add(name("Churn", "load", load), loads[load]...); err != nil {
			return err
		}
	}
	return nil
}

// pauseImages are the names of the images that hold the sandboxes of pods.
var pauseImages = regexp.MustCompile(`(^|[/-])pause:`)

// pauseImage returns an image that every node has, as it starts each pod with it, and
// that does nothing until it is stopped.
func pauseImage(nodes []core.Node) (string, error) {
	for _, node := range nodes {
		for _, image := range node.Status.Images {
			if i := slices.IndexFunc(image.Names, pauseImages.MatchString); i >= 0 {
				return image.Names[i], nil
			}
		}
	}
	return "", errors.New("no node has a pause image with a tag: name an image with -image")
}

// watched is what was used while something was done, and the most memory that it took.
type watched struct {
	use
	memory map[string]float64
}

// watch measures what is used while something is done.
func (m *meter) watch(ctx context.Context, do func() error) (watched, error) {
	first, err := m.read(ctx)
	if err != nil {
		return watched{}, err
	}
	done := make(chan error, 1)
	go func() { done <- do() }()
	most := maps.Clone(first.memory)
	ticker := time.NewTicker(memoryInterval)
	defer ticker.Stop()
	for finished := false; ; {
		select {
		case err := <-done:
			if err != nil {
				return watched{}, err
			}
			finished = true
		case <-ticker.C:
		}
		last, err := m.read(ctx)
		if err != nil {
			if !finished {
				err = errors.Join(err, <-done)
			}
			return watched{}, err
		}
		for part, bytes := range last.memory {
			most[part] = max(most[part], bytes)
		}
		if finished {
			used, err := last.since(first)
			return watched{used, most}, err
		}
	}
}

// values are those of a benchmark.
func (w watched) values(m *meter) []benchfmt.Value {
	return append(m.perSecond(w.use),
		benchfmt.Value{Value: w.memory[partCollector], Unit: partCollector + "-B"},
		benchfmt.Value{Value: w.memory[partJaeger], Unit: partJaeger + "-B"},
		benchfmt.Value{Value: w.refused, Unit: "refused-spans"},
		benchfmt.Value{Value: w.lost, Unit: "lost-spans"},
	)
}
