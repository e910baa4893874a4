package main

import (
	"errors"
	"flag"
	"strconv"

	"github.com/kubetracing/kubetracing/test/project"
)

// count is a flag's number of things that are measured. None would leave nothing to
// report.
type count int

func (c *count) String() string { return strconv.Itoa(int(*c)) }

// Set implements [flag.Value].
func (c *count) Set(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return errors.New("must be a whole number, at least 1")
	}
	*c = count(number)
	return nil
}

// countVar defines a flag for a number of at least 1.
func countVar(flags *flag.FlagSet, variable *int, name string, value int, usage string) {
	*variable = value
	flags.Var((*count)(variable), name, usage)
}

// stackFileFlag defines the flag that names the stack's file.
func stackFileFlag(flags *flag.FlagSet) *string {
	return flags.String("stack-file", "", "the stack's file; default $"+project.StackFileVariable+" or Pulumi.dev.yaml")
}
