package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// scaleFlags say how often and how far.
type scaleFlags struct {
	runs          int
	previews, ups bool
}

// scalePoint is one size of one thing.
type scalePoint struct {
	what  string
	count int
	// up tells whether the stack is created too, not only previewed.
	up bool
	// prepare makes a fresh stack that large.
	prepare func(*scaleRun) error
}

var scaledWorkloads = []string{"echo", "crashloop", "imagepull", "churn", "traced-app"}

// scalePoints are the sizes; ups are few, because each takes a cluster.
func scalePoints() []scalePoint {
	var points []scalePoint
	for _, nodes := range []int{1, 2, 4, 8, 16, 32, 64} {
		points = append(points, scalePoint{"nodes", nodes, nodes <= 2, func(r *scaleRun) error {
			return r.stack.configure("cluster", map[string]any{"servers": 1, "agents": nodes - 1})
		}})
	}
	for count := range len(scaledWorkloads) + 1 {
		points = append(points, scalePoint{"workloads", count, count%2 == 1, func(r *scaleRun) error {
			return r.stack.edit(func(config map[string]any) {
				config["kubetracing:workloads"] = append([]string{}, scaledWorkloads[:count]...)
			})
		}})
	}
	for _, stacks := range []int{1, 2, 4, 8} {
		points = append(points, scalePoint{"stacks", stacks, stacks <= 2, func(r *scaleRun) error { return r.neighbours(stacks - 1) }})
	}
	return points
}

// scale measures previews and updates against the number of nodes, workloads and
// stacks.
func scale(flags *flag.FlagSet) func() error {
	var s scaleFlags
	flags.IntVar(&s.runs, "runs", 5, "counted previews of each size")
	flags.BoolVar(&s.previews, "previews", false, "previews only: no cluster is created")
	flags.BoolVar(&s.ups, "ups", false, "only the sizes that are created, not only previewed")
	stackFile := stackFileOf(flags)
	return func() error { return measureScale(os.Stdout, *stackFile, s) }
}

// scaleResult is what one size took; what was not measured is empty.
type scaleResult struct{ previews, up, noop takes }

// takes are what the runs of a command took, in seconds: by the clock, and of the
// processor, which other programs on the machine disturb less.
type takes struct{ clock, cpu []float64 }

// scaleRun is one size at work.
type scaleRun struct {
	stack stack
	up    bool
	// others are the stacks beside it, in the order in which they were made.
	others []stack
}

func measureScale(w io.Writer, stackFile string, s scaleFlags) error {
	points := scalePoints()
	if s.ups {
		points = slices.DeleteFunc(points, func(p scalePoint) bool { return !p.up })
	}
	results := make([]scaleResult, len(points))
	for i, point := range points {
		var err error
		if results[i], err = s.measure(stackFile, point); err != nil {
			return fmt.Errorf("%d %s: %w", point.count, point.what, err)
		}
		fmt.Fprintf(os.Stderr, "%d %s: %+v\n", point.count, point.what, results[i])
	}
	return reportScale(w, points, results)
}

func (s scaleFlags) measure(stackFile string, point scalePoint) (result scaleResult, err error) {
	run := &scaleRun{up: point.up && !s.previews}
	if run.stack, err = newStack(stackFile); err != nil {
		return result, err
	}
	defer run.stack.remove()
	defer func() {
		for _, each := range slices.Backward(append([]stack{run.stack}, run.others...)) {
			if failed := each.kubetracing("destroy"); err == nil {
				err = failed
			}
		}
	}()
	if err := point.prepare(run); err != nil {
		return result, err
	}
	// The first creates Pulumi's stack and is not counted.
	if result.previews, err = timed(s.runs, run.stack, "preview"); err != nil || !run.up {
		return result, err
	}
	if result.up, err = timed(0, run.stack, "up"); err != nil {
		return result, err
	}
	result.noop, err = timed(s.runs, run.stack, "preview")
	return result, err
}

// timed runs a command once and so many times more, and gives what the latter took;
// the only one, if there are no more.
func timed(more int, s stack, name string) (takes, error) {
	var took takes
	for i := range more + 1 {
		command := s.command(name)
		started := time.Now()
		if err := quietly(command); err != nil {
			return takes{}, err
		}
		if i > 0 || more == 0 {
			used := command.ProcessState.UserTime() + command.ProcessState.SystemTime()
			took.clock = append(took.clock, time.Since(started).Seconds())
			took.cpu = append(took.cpu, used.Seconds())
		}
	}
	return took, nil
}

// neighbours makes other stacks beside the one that is measured: created where it
// will be, else only known to Pulumi.
func (r *scaleRun) neighbours(count int) error {
	text, err := os.ReadFile(r.stack.file())
	if err != nil {
		return err
	}
	for i := range count {
		other := stack{root: r.stack.root, name: fmt.Sprintf("%s-%d", stackName, i)}
		if err := os.WriteFile(other.file(), text, 0o600); err != nil {
			return err
		}
		if err := other.configure("cluster", map[string]any{"apiPort": 7550 + i}); err != nil {
			return err
		}
		if err := other.configure("jaeger", map[string]any{"uiPort": 17686 + i}); err != nil {
			return err
		}
		r.others = append(r.others, other)
		command := "preview"
		if r.up {
			command = "up"
		}
		if err := other.kubetracing(command); err != nil {
			return err
		}
	}
	return nil
}

func reportScale(w io.Writer, points []scalePoint, results []scaleResult) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "what\tcount\tfirst preview, CPU (median)\tms per further one\tby the clock (median, min, max)\tup\tpreview of no change (median)")
	for i, point := range points {
		previews := results[i].previews
		clock := slices.Sorted(slices.Values(previews.clock))
		further, up, noop := "", "", ""
		if i > 0 && points[i-1].what == point.what {
			more := median(previews.cpu) - median(results[i-1].previews.cpu)
			further = fmt.Sprintf("%.0f", 1000*more/float64(point.count-points[i-1].count))
		}
		if len(results[i].up.clock) > 0 {
			up, noop = fmt.Sprintf("%.1f s", results[i].up.clock[0]), fmt.Sprintf("%.2f s", median(results[i].noop.clock))
		}
		fmt.Fprintf(table, "%s\t%d\t%.2f s\t%s\t%.2f s, %.2f, %.2f\t%s\t%s\n", point.what, point.count, median(previews.cpu), further,
			median(clock), clock[0], clock[len(clock)-1], up, noop)
	}
	return table.Flush()
}
