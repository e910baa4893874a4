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
	var runs int
	countVar(flags, &runs, "runs", 3, "counted pairs")
	stackFile := stackFileFlag(flags)
	var m manual
	flags.StringVar(&m.jaeger, "jaeger", "", "Jaeger image of the manual way; default the stack's")
	flags.StringVar(&m.collector, "collector", "", "Collector image of the manual way; default the stack's")
	flags.StringVar(&m.k3s, "k3s", "", "k3s image of the manual way; default the stack's base image")
	flags.BoolVar(&m.etcd, "etcd", false, "embedded etcd in the manual way too; the recipe has none")
	return func(measured *results) error {
		return withProject(*stackFile, func(ours *project.Project) error {
			stack, err := openStack(ours)
			if err != nil {
				return err
			}
			if err := m.complete(stack); err != nil {
				return err
			}
			return compareLives(measured, runs, ours, &m)
		})
	}
}

func compareLives(measured *results, runs int, ours *project.Project, m *manual) error {
	kubetracing := func(command string) func() error { return func() error { return quietly(ours.Command(command)) } }
	steps := []struct {
		step, way string
		do        func() error
		// check is not part of what is measured.
		check func() error
	}{
		{"up", "kubetracing", kubetracing("up"), nil},
		{"no-op-up", "kubetracing", kubetracing("up"), nil},
		{"no-op-preview", "kubetracing", kubetracing("preview"), nil},
		{"rate-change", "kubetracing", func() error { return changeRate(ours) }, nil},
		{"plan", "kubetracing", kubetracing("plan"), nil},
		{"destroy", "kubetracing", kubetracing("destroy"), nil},
		{"up", "manual", m.up, m.traces},
		{"destroy", "manual", m.down, nil},
	}
	// One uncounted pair warms the caches of both.
	for i := range runs + 1 {
		for _, step := range steps {
			started := time.Now()
			if err := step.do(); err != nil {
				return fmt.Errorf("%s, %s: %w", step.way, step.step, err)
			}
			took := time.Since(started)
			if step.check != nil {
				if err := step.check(); err != nil {
					return errors.Join(fmt.Errorf("%s, %s: %w", step.way, step.step, err), m.down())
				}
			}
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
