package stacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/go-viper/mapstructure/v2"
)

// projectName is the project namespace of the stacks that are shipped. A copy
// made by `pulumi new` may have another.
const projectName = "kubetracing"

// decode fills in the configured values over the defaults. The keys of config
// are full ("kubetracing:cluster"), the values are as Pulumi hands them to a
// program: plain text, or JSON for objects and lists. Keys of other namespaces
// are none of our business.
func decode(project string, config map[string]string) (Settings, []Problem) {
	settings := Defaults()
	var problems []Problem
	sections := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		namespace, name, _ := strings.Cut(key, ":")
		switch namespace {
		case project:
			value, err := decodeValue(config[key])
			if err != nil {
				problems = append(problems, Problem{key, config[key], "must be an object or a list: " + err.Error()})
				continue
			}
			sections[name] = value
		case projectName:
			problems = append(problems, Problem{Field: key, Rule: fmt.Sprintf(
				"belongs to a project named %s, but this one is named %s: write %s:%s", projectName, project, project, name)})
		}
	}

	var metadata mapstructure.Metadata
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:     &settings,
		Metadata:   &metadata,
		DecodeHook: mapstructure.StringToTimeDurationHookFunc(),
		// A list replaces its default instead of overwriting its first entries.
		ZeroFields: false,
		MatchName:  func(key, field string) bool { return key == field },
	})
	if err != nil {
		return settings, []Problem{{Field: project, Rule: err.Error()}}
	}
	if _, chosen := sections["workloads"]; chosen {
		settings.Workloads = nil
	}
	problems = append(problems, typeProblems(project, decoder.Decode(sections))...)

	slices.Sort(metadata.Unused)
	for _, key := range metadata.Unused {
		problems = append(problems, Problem{Field: project + ":" + key, Rule: fmt.Sprintf(
			"unknown key; the nearest valid one is %s:%s", project, nearestKey(key))})
	}
	return settings, problems
}

// decodeValue reads a configuration value. Numbers keep their digits, so that
// 0.5 is not silently rounded and 1.36 can still be a version.
func decodeValue(text string) (any, error) {
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return text, nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}

// typeProblems lists the values that do not have their field's type.
func typeProblems(project string, err error) []Problem {
	if err == nil {
		return nil
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var problems []Problem
		for _, one := range several.Unwrap() {
			problems = append(problems, typeProblems(project, one)...)
		}
		return problems
	}
	var field *mapstructure.DecodeError
	if !errors.As(err, &field) {
		return []Problem{{Field: project, Rule: err.Error()}}
	}
	problem := Problem{Field: project + ":" + field.Name(), Rule: field.Unwrap().Error()}
	var unconvertible *mapstructure.UnconvertibleTypeError
	var unparsable *mapstructure.ParseError
	switch {
	case errors.As(err, &unconvertible):
		problem.Value, problem.Rule = fmt.Sprint(unconvertible.Value), "must be "+typeName(unconvertible.Expected.Type())
	case errors.As(err, &unparsable):
		problem.Value, problem.Rule = fmt.Sprint(unparsable.Value), "must be "+typeName(unparsable.Expected.Type())
	}
	return []Problem{problem}
}

// typeName says what a value must be, in words.
func typeName(t reflect.Type) string {
	if t == reflect.TypeFor[VerifySettings]().Field(1).Type {
		return "a duration, as 120s"
	}
	switch t.Kind() {
	case reflect.Int:
		return "an integer"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}

// nearestKey finds the valid key that takes the fewest edits.
func nearestKey(key string) string {
	known := keysOf(reflect.TypeFor[Settings](), "")
	return slices.MinFunc(known, func(a, b string) int {
		return levenshtein.ComputeDistance(key, a) - levenshtein.ComputeDistance(key, b)
	})
}

// keysOf lists the dotted keys of a settings type, in the order of declaration.
func keysOf(t reflect.Type, prefix string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	var keys []string
	if t.Kind() != reflect.Struct {
		return keys
	}
	for i := range t.NumField() {
		field := t.Field(i)
		key := prefix + field.Tag.Get("mapstructure")
		keys = append(keys, key)
		keys = append(keys, keysOf(field.Type, key+".")...)
	}
	return keys
}
