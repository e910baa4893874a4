// Command bench measures what a stack costs, next to the published recipes. Each
// part prints one table with medians and ratios; it judges nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// parts are the benchmarks, by the name that chooses them. Each defines its flags
// and gives what runs once they are parsed.
var parts = map[string]func(*flag.FlagSet) func() error{
	"cost":      cost,
	"lifecycle": lifecycle,
	"pipeline":  pipeline,
	"scale":     scale,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	names := strings.Join(slices.Sorted(maps.Keys(parts)), ", ")
	if len(args) == 0 {
		return errors.New("which part: " + names)
	}
	part, ok := parts[args[0]]
	if !ok {
		return fmt.Errorf("no part %q; there are: %s", args[0], names)
	}
	flags := flag.NewFlagSet("bench "+args[0], flag.ExitOnError)
	do := part(flags)
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return do()
}

// median is the middle of an odd number of values, else the upper of the two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
