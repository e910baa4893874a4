// Command bench measures what a stack costs, next to the published recipe. Each
// benchmark prints its measurements on standard error and one table on standard
// output; it judges nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/kubetracing/kubetracing/test/project"
)

// benchmarks are the benchmarks by name. Each defines its flags and returns what
// runs once they are parsed.
var benchmarks = map[string]func(*flag.FlagSet) func(*results) error{
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
	flags := flag.NewFlagSet("bench "+args[0], flag.ExitOnError)
	path := flags.String("results", "", "a file of results in Go's benchmark format, as benchstat reads it; earlier results in it count too")
	measure := benchmark(flags)
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("parse flags: %w", err)
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

// stackFileFlag defines the flag that names the stack's file.
func stackFileFlag(flags *flag.FlagSet) *string {
	return flags.String("stack-file", "", "the stack's file; default $"+project.StackFileVariable+" or Pulumi.dev.yaml")
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

// quietly runs a command and shows what it printed only if it fails.
func quietly(command *exec.Cmd) error {
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, output)
	}
	return nil
}
