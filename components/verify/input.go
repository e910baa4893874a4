package verify

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"sigs.k8s.io/yaml"
)

// ReadExpectations reads a YAML list of expectations. The error has every
// mistake, one a line: keys that do not exist, values of a wrong type, missing
// names, spans and services, and invalid patterns.
func ReadExpectations(text []byte) ([]Expectation, error) {
	var values []any
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		return nil, fmt.Errorf("read expectations: %w", err)
	}
	expectations := make([]Expectation, len(values))
	var problems []error
	for i, value := range values {
		where := fmt.Sprintf("[%d]", i)
		if mistakes := decode(where, value, &expectations[i]); len(mistakes) > 0 {
			// What could not be read must not be reported as missing, too.
			problems = append(problems, mistakes...)
			continue
		}
		problems = append(problems, expectations[i].problems(where)...)
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("read expectations: %w", errors.Join(problems...))
	}
	return expectations, nil
}

// decode reads one expectation strictly. where is its place in the list.
func decode(where string, value any, expectation *Expectation) []error {
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:      expectation,
		TagName:     "json",
		ErrorUnused: true,
		DecodeHook:  mapstructure.TextUnmarshallerHookFunc(),
		MatchName:   func(key, field string) bool { return key == field },
	})
	if err != nil {
		return []error{fmt.Errorf("%s: %w", where, err)}
	}
	var problems []error
	for _, err := range leaves(decoder.Decode(value)) {
		problems = append(problems, fmt.Errorf("%s%w", where, err))
	}
	return problems
}

// leaves are the single mistakes in what mapstructure says, sorted.
func leaves(err error) []error {
	var mistakes []error
	switch wrapper := err.(type) { //nolint:errorlint // it is the tree itself that is walked
	case nil:
	case interface{ Unwrap() []error }:
		for _, inner := range wrapper.Unwrap() {
			mistakes = append(mistakes, leaves(inner)...)
		}
	case *mapstructure.DecodeError:
		if mistakes = leaves(wrapper.Unwrap()); len(mistakes) == 0 {
			name := "." + wrapper.Name()
			if name == "." || name == "."+reflect.TypeFor[Expectation]().String() {
				name = "" // the expectation itself
			}
			mistakes = []error{fmt.Errorf("%s: %w", name, wrapper.Unwrap())}
		}
	case interface{ Unwrap() error }:
		mistakes = leaves(wrapper.Unwrap())
	}
	slices.SortFunc(mistakes, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return mistakes
}

// problems are the mistakes of an expectation whose types are right. where is
// its place in the list.
func (e Expectation) problems(where string) []error {
	var problems []error
	reject := func(format string, arguments ...any) {
		problems = append(problems, fmt.Errorf(where+format, arguments...))
	}
	if e.Name == "" {
		reject(".name: must not be empty")
	}
	if len(e.Spans) == 0 {
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
