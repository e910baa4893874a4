package verify

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"sigs.k8s.io/yaml"
)

// ReadExpectations reads a YAML list of expectations. Unknown keys are an error;
// missing names, spans and services and invalid patterns are errors that are
// reported all at once.
func ReadExpectations(text []byte) ([]Expectation, error) {
	var expectations []Expectation
	if err := yaml.UnmarshalStrict(text, &expectations); err != nil {
		return nil, fmt.Errorf("read expectations: %w", err)
	}
	var problems []error
	for i, expectation := range expectations {
		if expectation.Name == "" {
			problems = append(problems, fmt.Errorf("[%d].name: must not be empty", i))
		}
		if len(expectation.Spans) == 0 {
			problems = append(problems, fmt.Errorf("[%d].spans: must name at least one span", i))
		}
		for j, span := range expectation.Spans {
			if span.Service == "" {
				problems = append(problems, fmt.Errorf("[%d].spans[%d].service: must not be empty", i, j))
			}
			for _, key := range slices.Sorted(maps.Keys(span.Attributes)) {
				pattern := span.Attributes[key]
				if _, err := path.Match(pattern, ""); err != nil {
					problems = append(problems, fmt.Errorf("[%d].spans[%d].attributes[%q]: %q: %w", i, j, key, pattern, err))
				}
			}
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("read expectations: %w", errors.Join(problems...))
	}
	return expectations, nil
}
