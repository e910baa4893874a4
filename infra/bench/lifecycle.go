package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// stackName keeps the benchmark's stack apart from a developer's.
const stackName = "bench"

// lifecycle compares a stack's life with the manual way of the published recipes,
// side by side on the same Docker daemon: docker run of Jaeger and the Collector,
// k3d cluster create with hand-written files, kubectl run of a pod.
func lifecycle(flags *flag.FlagSet) func() error {
	runs := flags.Int("runs", 3, "counted pairs")
	stackFile := stackFileOf(flags)
	jaeger := flags.String("jaeger", "jaegertracing/jaeger:2.20.0", "Jaeger image of the manual way")
	collector := flags.String("collector", "otel/opentelemetry-collector:0.161.0", "Collector image of the manual way")
	k3s := flags.String("k3s", "rancher/k3s:v1.37.1-k3s1", "k3s image of the manual way")
	etcd := flags.Bool("etcd", false, "embedded etcd in the manual way too; the recipe has none")
	return func() error {
		return compareLives(*runs, *stackFile, manual{jaeger: *jaeger, collector: *collector, k3s: *k3s, etcd: *etcd})
	}
}

func compareLives(runs int, stackFile string, m manual) error {
	ours, err := newStack(stackFile)
	if err != nil {
		return err
	}
	defer ours.remove()
	if m.folder, err = filepath.Abs(filepath.Join(ours.folder, "manual")); err != nil {
		return err
	}

	times := map[string][]time.Duration{}
	// One uncounted pair warms the caches of both.
	for i := range runs + 1 {
		steps := []struct {
			name string
			do   func() error
		}{
			{"up", func() error { return ours.kubetracing("up") }},
			{"no-op up", func() error { return ours.kubetracing("up") }},
			{"no-op preview", func() error { return ours.kubetracing("preview") }},
			{"rate change", ours.changeRate},
			{"plan", func() error { return ours.kubetracing("plan") }},
			{"destroy", func() error { return ours.kubetracing("destroy") }},
			{"manual up", m.up},
			{"manual down", m.down},
		}
		for _, step := range steps {
			started := time.Now()
			if err := step.do(); err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
			took := time.Since(started)
			fmt.Fprintf(os.Stderr, "run %d: %s %.2fs\n", i, step.name, took.Seconds())
			if i > 0 {
				times[step.name] = append(times[step.name], took)
			}
		}
	}
	return reportLives(os.Stdout, times)
}

func reportLives(w io.Writer, times map[string][]time.Duration) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "step\tmedian\tmin\tmax\tratio to manual, pair by pair (median)")
	for _, row := range []struct{ name, against string }{
		{"up", "manual up"},
		{"manual up", ""},
		{"destroy", "manual down"},
		{"manual down", ""},
		{"no-op up", ""},
		{"no-op preview", ""},
		{"rate change", ""},
		{"plan", ""},
	} {
		sorted := slices.Sorted(slices.Values(times[row.name]))
		ratio := ""
		if row.against != "" {
			ratios := make([]float64, len(times[row.name]))
			for i, took := range times[row.name] {
				ratios[i] = took.Seconds() / times[row.against][i].Seconds()
			}
			slices.Sort(ratios)
			ratio = fmt.Sprintf("%.2f", ratios[len(ratios)/2])
		}
		fmt.Fprintf(table, "%s\t%.2fs\t%.2fs\t%.2fs\t%s\n", row.name,
			sorted[len(sorted)/2].Seconds(), sorted[0].Seconds(), sorted[len(sorted)-1].Seconds(), ratio)
	}
	return table.Flush()
}

// quietly runs a command and shows what it printed only if it fails.
func quietly(command *exec.Cmd) error {
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, output)
	}
	return nil
}
