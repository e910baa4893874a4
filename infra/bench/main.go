// Command bench measures what a stack costs, next to the published recipe. Each
// benchmark prints its measurements on standard error and one table on standard
// output; it judges nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/kubetracing/kubetracing/stacks"
	"github.com/kubetracing/kubetracing/test/project"
)

// benchmarks are the benchmarks by name. Each defines its flags and returns what
// runs once they are parsed.
var benchmarks = map[string]func(*flag.FlagSet) func(*results) error{
	"churn":     churn,
	"cost":      cost,
	"follow":    followed,
	"lifecycle": lifecycle,
	"pipeline":  pipeline,
	"scale":     scale,
	"timeline":  timelines,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	names := strings.Join(slices.Sorted(maps.Keys(benchmarks)), ", ")
	if len(args) == 0 {
		return errors.New("name a benchmark: " + names)
	}
	benchmark, ok := benchmarks[args[0]]
	if !ok {
		return fmt.Errorf("there is no benchmark %q: name one of %s", args[0], names)
	}
	flags := flag.NewFlagSet("bench "+args[0], flag.ContinueOnError)
	path := flags.String("results", "", "a file of results in Go's benchmark format, as benchstat reads it; earlier results in it count too")
	measure := benchmark(flags)
	// An error says which flag is wrong; only who asks for help gets all of them.
	flags.SetOutput(io.Discard)
	switch err := flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(os.Stdout)
		flags.Usage()
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	measured, err := openResults(*path, os.Stderr)
	if err != nil {
		return err
	}
	if err := measure(measured); err != nil {
		return err
	}
	return measured.report(os.Stdout)
}

// withProject runs do with a project of its own, and destroys its stack afterwards.
func withProject(stackFile string, do func(*project.Project) error) (err error) {
	folder, err := os.MkdirTemp("", "kubetracing-bench-")
	if err != nil {
		return fmt.Errorf("create the benchmark's project: %w", err)
	}
	defer os.RemoveAll(folder)
	ours, err := project.New(folder, "bench", stackFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, quietly(ours.Command("destroy"))) }()
	return do(ours)
}

// openStack reads the stack of a project.
func openStack(ours *project.Project) (stacks.Stack, error) {
	stack, err := stacks.OpenFiles(ours.Root, ours.Stack)
	if err != nil {
		return stacks.Stack{}, fmt.Errorf("read stack %q: %w", ours.Stack, err)
	}
	return stack, nil
}

// quietly runs a command and shows what it printed only if it fails.
func quietly(command *exec.Cmd) error {
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, output)
	}
	return nil
}
