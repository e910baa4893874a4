package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/kubetracing/kubetracing/test/project"
)

// lifecycle compares a stack's life with the manual way of the published recipe,
// side by side on the same Docker daemon: docker run of Jaeger and the Collector,
// k3d cluster create with hand-written files, kubectl run of a pod.
func lifecycle(flags *flag.FlagSet) func(*results) error {
	runs := flags.Int("runs", 3, "counted pairs")
	stackFile := stackFileFlag(flags)
	var m manual
	flags.StringVar(&m.jaeger, "jaeger", "jaegertracing/jaeger:2.21.0", "Jaeger image of the manual way")
	flags.StringVar(&m.collector, "collector", "otel/opentelemetry-collector:0.162.0", "Collector image of the manual way")
	flags.StringVar(&m.k3s, "k3s", "rancher/k3s:v1.37.1-k3s1", "k3s image of the manual way")
	flags.BoolVar(&m.etcd, "etcd", false, "embedded etcd in the manual way too; the recipe has none")
	return func(measured *results) error {
		return withProject(*stackFile, func(ours *project.Project) error { return compareLives(measured, *runs, ours, &m) })
	}
}

func compareLives(measured *results, runs int, ours *project.Project, m *manual) error {
	kubetracing := func(command string) func() error { return func() error { return quietly(ours.Command(command)) } }
	steps := []struct {
		step, way string
		do        func() error
	}{
		{"up", "kubetracing", kubetracing("up")},
		{"no-op-up", "kubetracing", kubetracing("up")},
		{"no-op-preview", "kubetracing", kubetracing("preview")},
		{"rate-change", "kubetracing", func() error { return changeRate(ours) }},
		{"plan", "kubetracing", kubetracing("plan")},
		{"destroy", "kubetracing", kubetracing("destroy")},
		{"up", "manual", m.up},
		{"destroy", "manual", m.down},
	}
	// One uncounted pair warms the caches of both.
	for i := range runs + 1 {
		for _, step := range steps {
			started := time.Now()
			if err := step.do(); err != nil {
				return fmt.Errorf("%s, %s: %w", step.way, step.step, err)
			}
			took := time.Since(started)
			if i == 0 {
				continue
			}
			if err := measured.add(name("Lifecycle", "step", step.step, "way", step.way), seconds(took)); err != nil {
				return err
			}
		}
	}
	return nil
}

// changeRate makes the kubelet sample half of what it does, and updates the stack.
// The file has the other rate again afterwards: the next life begins with it.
func changeRate(ours *project.Project) (err error) {
	before, err := os.ReadFile(ours.StackFile())
	if err != nil {
		return fmt.Errorf("read the stack: %w", err)
	}
	defer func() { err = errors.Join(err, os.WriteFile(ours.StackFile(), before, 0o600)) }()
	if err := ours.Merge("sampling", map[string]any{"kubelet": 500_000}); err != nil {
		return err
	}
	return quietly(ours.Command("up"))
}
