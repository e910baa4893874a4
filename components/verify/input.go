package verify

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/strict"
)

// ReadExpectations reads a YAML list of expectations. The error has every mistake,
// one a line: unknown keys, values of a wrong type, missing names, spans and services,
// and invalid patterns.
func ReadExpectations(text []byte) ([]Expectation, error) {
	var value any
	if err := yaml.UnmarshalStrict(text, &value); err != nil {
		return nil, fmt.Errorf("read expectations: %w", err)
	}
	var expectations []Expectation
	mistakes := strict.Decode(value, &expectations, "json")
	var problems []error
	for _, mistake := range mistakes {
		problems = append(problems, mistakeError(mistake))
	}
	for i, expectation := range expectations {
		entry := fmt.Sprintf("[%d]", i)
		// A value that could not be decoded must not be reported as missing, too.
		if !slices.ContainsFunc(mistakes, func(mistake strict.Mistake) bool { return strings.HasPrefix(mistake.Key, entry) }) {
			problems = append(problems, expectation.problems(entry)...)
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("read expectations: %w", errors.Join(problems...))
	}
	return expectations, nil
}

func mistakeError(mistake strict.Mistake) error {
	switch {
	case mistake.Key == "":
		return errors.New(mistake.Rule)
	case mistake.Value == nil:
		return fmt.Errorf("%s: %s", mistake.Key, mistake.Rule)
	default:
		return fmt.Errorf("%s: %s: %s", mistake.Key, strict.Text(mistake.Value), mistake.Rule)
	}
}

// problems returns the mistakes of an expectation whose types are right. entry is its
// place in the list.
func (e Expectation) problems(entry string) []error {
	var problems []error
	reject := func(format string, arguments ...any) {
		problems = append(problems, fmt.Errorf(entry+format, arguments...))
	}
	if e.Name == "" {
		reject(".name: must not be empty")
	}
	switch {
	case e.Phase != "":
		problems = append(problems, e.phaseProblems(entry)...)
	case e.Pod != "":
		reject(".pod: is only valid together with phase")
	case len(e.Spans) == 0:
		reject(".spans: must name at least one span")
	}
	if e.Traces < 0 || e.Traces > maxTraces {
		reject(".traces: %d: must be from 1 to %d", e.Traces, maxTraces)
	}
	if e.EveryTrace && !e.limited() {
		reject(".everyTrace: needs a limit: maxDuration or noErrors")
	}
	for j, span := range e.Spans {
		if span.Service == "" {
			reject(".spans[%d].service: must not be empty", j)
		}
		if span.MinSpans < 0 {
			reject(".spans[%d].minSpans: %d: must be at least 1", j, span.MinSpans)
		}
		for _, key := range slices.Sorted(maps.Keys(span.Attributes)) {
			pattern := span.Attributes[key]
			if _, err := path.Match(pattern, ""); err != nil {
				reject(".spans[%d].attributes[%q]: %q: %w", j, key, pattern, err)
			}
		}
	}
	return problems
}
