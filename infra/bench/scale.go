package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/kubetracing/kubetracing/components/workloads/catalog"
	"github.com/kubetracing/kubetracing/test/project"
)

// scaleFlags define how often and how far.
type scaleFlags struct {
	runs          int
	previews, ups bool
}

// size is one size of one thing.
type size struct {
	what  string
	count int
	// up is whether the stack is created too, not only previewed: few are, because
	// each takes a cluster.
	up bool
	// prepare makes a fresh stack that large, and returns the stacks it has put
	// beside it.
	prepare func(ours *project.Project, up bool) ([]*project.Project, error)
}

func sizes() []size {
	var all []size
	for _, nodes := range []int{1, 2, 4, 8, 16, 32, 64} {
		all = append(all, size{"nodes", nodes, nodes <= 2, func(ours *project.Project, _ bool) ([]*project.Project, error) {
			return nil, ours.Merge("cluster", map[string]any{"servers": 1, "agents": nodes - 1})
		}})
	}
	workloads := catalog.Names()
	for count := range len(workloads) + 1 {
		all = append(all, size{"workloads", count, count%2 == 1, func(ours *project.Project, _ bool) ([]*project.Project, error) {
			return nil, ours.Set("workloads", workloads[:count])
		}})
	}
	for _, count := range []int{1, 2, 4, 8} {
		all = append(all, size{"stacks", count, count <= 2, func(ours *project.Project, up bool) ([]*project.Project, error) {
			return neighbours(ours, count-1, up)
		}})
	}
	return all
}

// scale measures previews and updates against the number of nodes, workloads and
// stacks.
func scale(flags *flag.FlagSet) func(*results) error {
	var s scaleFlags
	countVar(flags, &s.runs, "runs", 5, "counted previews of each size")
	flags.BoolVar(&s.previews, "previews", false, "previews only: no cluster is created")
	flags.BoolVar(&s.ups, "ups", false, "only the sizes that are created, not only previewed")
	stackFile := stackFileFlag(flags)
	return func(measured *results) error {
		for _, size := range sizes() {
			if s.ups && !size.up {
				continue
			}
			if err := withProject(*stackFile, func(ours *project.Project) error { return s.measure(measured, ours, size) }); err != nil {
				return fmt.Errorf("%d %s: %w", size.count, size.what, err)
			}
		}
		return nil
	}
}

func (s scaleFlags) measure(measured *results, ours *project.Project, size size) (err error) {
	up := size.up && !s.previews
	others, err := size.prepare(ours, up)
	defer func() {
		for _, other := range slices.Backward(others) {
			err = errors.Join(err, quietly(other.Command("destroy")))
		}
	}()
	if err != nil {
		return err
	}
	timed := func(command, as string) error {
		prepared := ours.Command(command)
		started := time.Now()
		if err := quietly(prepared); err != nil || as == "" {
			return err
		}
		// Other programs on the machine disturb the processor's time less.
		used := prepared.ProcessState.UserTime() + prepared.ProcessState.SystemTime()
		return measured.add(name("Scale", size.what, size.count, "command", as),
			seconds(time.Since(started)), benchfmt.Value{Value: used.Seconds(), Unit: "cpu-sec"})
	}
	previews := func(as string) error {
		// The first creates Pulumi's stack, or warms the caches, and does not count.
		if err := timed("preview", ""); err != nil {
			return err
		}
		for range s.runs {
			if err := timed("preview", as); err != nil {
				return err
			}
		}
		return nil
	}
	if err := previews("first-preview"); err != nil || !up {
		return err
	}
	if err := timed("up", "up"); err != nil {
		return err
	}
	return previews("no-op-preview")
}

// neighbours makes other stacks beside the one that is measured: created where it
// will be, else only known to Pulumi.
func neighbours(ours *project.Project, count int, up bool) (others []*project.Project, err error) {
	command := "preview"
	if up {
		command = "up"
	}
	for i := range count {
		other, err := ours.With(fmt.Sprintf("%s-%d", ours.Stack, i))
		if err != nil {
			return others, err
		}
		others = append(others, other)
		if err := errors.Join(
			other.Merge("cluster", map[string]any{"apiPort": 7550 + i}),
			other.Merge("jaeger", map[string]any{"uiPort": 17686 + i}),
			quietly(other.Command(command)),
		); err != nil {
			return others, err
		}
	}
	return others, nil
}
