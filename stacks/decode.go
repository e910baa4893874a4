package stacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

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
			if config[key] == "" {
				// A key with nothing below it: its defaults.
				sections[name] = nil
				continue
			}
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

	known := fieldTypes(reflect.TypeFor[Settings](), "")
	values := flatten(sections, "")
	unknown := ""
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if unknown != "" && strings.HasPrefix(key, unknown+".") {
			// What stands below an unknown key is not a mistake of its own.
			continue
		}
		if typeOf(key, known) == nil {
			unknown = key
			problems = append(problems, Problem{Field: project + ":" + key, Rule: fmt.Sprintf(
				"unknown key; the nearest valid one is %s:%s", project, nearestKey(withoutIndexes(key), known))})
		}
	}

	if sections["workloads"] != nil {
		// A list replaces its default instead of overwriting its first entries.
		settings.Workloads = nil
	}
	if _, chosen := values["collector.tailSampling"].(map[string]any); chosen {
		// An optional section has defaults of its own once it is there.
		defaults := defaultTailSampling()
		settings.Collector.TailSampling = &defaults
	}
	if _, chosen := values["jaeger.server"].(map[string]any); chosen {
		defaults := defaultServer()
		settings.Jaeger.Server = &defaults
	}
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:     &settings,
		DecodeHook: decodeDuration,
		MatchName:  func(key, field string) bool { return key == field },
	})
	if err != nil {
		return settings, []Problem{{Field: project, Rule: err.Error()}}
	}
	for _, key := range wrongFields(decoder.Decode(sections)) {
		problem := Problem{Field: project + ":" + key, Rule: "must be " + typeName(typeOf(key, known))}
		if !holdsSecret(typeOf(key, known)) {
			problem.Value = fmt.Sprint(values[key])
		}
		problems = append(problems, problem)
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
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows it")
	}
	return value, nil
}

// decodeDuration reads a duration from text and from nothing else: a number has
// no unit. The hook of mapstructure panics on a [json.Number], which is a string
// by its kind but not by its type.
func decodeDuration(_, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() {
		return value, nil
	}
	text, ok := value.(string)
	if !ok {
		return nil, errors.New("not a text")
	}
	return time.ParseDuration(text)
}

// wrongFields lists the fields that could not be decoded, sorted. mapstructure
// nests one error a field inside those of the objects around it.
func wrongFields(err error) []string {
	var fields []string
	switch wrapper := err.(type) { //nolint:errorlint // it is the tree itself that is walked
	case nil:
	case interface{ Unwrap() []error }:
		for _, inner := range wrapper.Unwrap() {
			fields = append(fields, wrongFields(inner)...)
		}
	case *mapstructure.DecodeError:
		if fields = wrongFields(wrapper.Unwrap()); len(fields) == 0 {
			// mapstructure writes a free key as an index: headers[authorization].
			fields = []string{freeKey.ReplaceAllString(wrapper.Name(), ".$1")}
		}
	case interface{ Unwrap() error }:
		fields = wrongFields(wrapper.Unwrap())
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// typeOf is the type of a field, of a list's element if the key ends with an
// index, or of what a field with free keys holds; nil if there is no such key.
func typeOf(key string, known map[string]reflect.Type) reflect.Type {
	plain := withoutIndexes(key)
	t, ok := known[plain]
	switch {
	case ok && strings.HasSuffix(key, "]") && t.Kind() == reflect.Slice:
		return t.Elem()
	case ok: // also an object that was given as a list
		return t
	}
	for field, t := range known {
		if t.Kind() == reflect.Map && strings.HasPrefix(plain, field+".") {
			return t.Elem()
		}
	}
	return nil
}

// holdsSecret tells whether a value of the type is, or has in it, a [Secret]. A
// mistake there is reported without what was found.
func holdsSecret(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return holdsSecret(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsSecret(t.Field(i).Type) {
				return true
			}
		}
		return false
	default:
		return t == reflect.TypeFor[Secret]()
	}
}

// typeName says what a value must be, in words.
func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[time.Duration]() {
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
func nearestKey(key string, known map[string]reflect.Type) string {
	return slices.MinFunc(slices.Sorted(maps.Keys(known)), func(a, b string) int {
		return levenshtein.ComputeDistance(key, a) - levenshtein.ComputeDistance(key, b)
	})
}

// fieldTypes maps the dotted keys of a settings type to their types.
func fieldTypes(t reflect.Type, prefix string) map[string]reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	types := map[string]reflect.Type{}
	if t.Kind() != reflect.Struct {
		return types
	}
	for i := range t.NumField() {
		field := t.Field(i)
		key := prefix + field.Tag.Get("mapstructure")
		types[key] = field.Type
		maps.Copy(types, fieldTypes(field.Type, key+"."))
	}
	return types
}

// flatten maps the dotted keys of a configured value to what is there; entries
// of lists have their index, as collector.exporters[0].name.
func flatten(value any, prefix string) map[string]any {
	values := map[string]any{}
	visit := func(key string, inner any) {
		values[key] = inner
		maps.Copy(values, flatten(inner, key))
	}
	switch typed := value.(type) {
	case map[string]any:
		for key, inner := range typed {
			if strings.ContainsAny(key, "[.") {
				// Quoted, it cannot pass for the path of something else.
				key = strconv.Quote(key)
			}
			visit(strings.TrimPrefix(prefix+"."+key, "."), inner)
		}
	case []any:
		for i, inner := range typed {
			visit(fmt.Sprintf("%s[%d]", prefix, i), inner)
		}
	}
	return values
}

var (
	index   = regexp.MustCompile(`\[\d+\]`)
	freeKey = regexp.MustCompile(`\[([^]\d][^]]*)\]`)
)

func withoutIndexes(key string) string { return index.ReplaceAllString(key, "") }
