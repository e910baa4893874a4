package stacks

import (
	"fmt"
	"strings"
)

// Problem is one mistake in a stack's configuration.
type Problem struct {
	// Field is the full configuration key, as kubetracing:sampling.kubelet.
	Field string
	// Value is the value found there; empty where it must not be shown.
	Value string
	// Rule is the rule that the value breaks, with the valid choices.
	Rule string
}

func (p Problem) String() string {
	if p.Value == "" {
		return fmt.Sprintf("%s: %s", p.Field, p.Rule)
	}
	return fmt.Sprintf("%s: %s: %s", p.Field, p.Value, p.Rule)
}

// Problems holds every mistake in a stack's configuration, as one error.
type Problems []Problem

func (p Problems) Error() string {
	noun := "mistakes"
	if len(p) == 1 {
		noun = "mistake"
	}
	lines := make([]string, 0, len(p)+1)
	lines = append(lines, fmt.Sprintf("the stack configuration has %d %s:", len(p), noun))
	for _, problem := range p {
		lines = append(lines, "  - "+problem.String())
	}
	return strings.Join(lines, "\n")
}
