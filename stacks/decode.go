package stacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/kubetracing/kubetracing/components/strict"
)

// projectName is the project namespace of the shipped stacks. A copy made by
// `pulumi new` may have another.
const projectName = "kubetracing"

// settingsTag is the struct tag with the configuration keys.
const settingsTag = "mapstructure"

// decode reads the configured values over the defaults. It ignores keys of other
// namespaces.
func decode(project string, config Config) (Settings, secretSections, []Problem) {
	settings := Defaults()
	secret := secretSections{}
	var problems []Problem
	sections := map[string]any{}
	known := strict.Keys(reflect.TypeFor[Settings](), settingsTag)
	for _, key := range slices.Sorted(maps.Keys(config.Values)) {
		namespace, name, _ := strings.Cut(key, ":")
		switch {
		case namespace == project && strings.ContainsAny(name, ".["):
			problems = append(problems, Problem{Field: key, Rule: pathRule(project, name, known)})
		case namespace == project && name == "config":
			problems = append(problems, Problem{Field: key, Rule: "stands inside config itself: write what is below it one level further out"})
		case namespace == project:
			value, err := decodeValue(config.Values[key])
			if err != nil {
				// Without the text, which may hold a password.
				problems = append(problems, Problem{Field: key, Rule: "must be an object or a list: " + err.Error()})
				continue
			}
			sections[name] = value
			if hidden := isBlinded(value); hidden || slices.Contains(config.Secret, key) {
				secret[name] = !hidden
			}
		case namespace == projectName:
			problems = append(problems, Problem{Field: key, Rule: fmt.Sprintf(
				"belongs to a project named %s, but this one is named %s: write %s:%s", projectName, project, project, name)})
		case misspelt(namespace, project) && known.TypeOf(name) != nil:
			problems = append(problems, Problem{Field: key, Rule: fmt.Sprintf("unknown namespace; the nearest valid key is %s:%s", project, name)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		problems = append(problems, removeBlinded(project, name, sections, known)...)
	}

	if sections["workloads"] != nil {
		// A list replaces its default instead of overwriting its first entries.
		settings.Workloads = nil
	}
	if isObject(sections, "collector", "tailSampling") {
		// An optional section has defaults of its own once it is there.
		defaults := defaultTailSampling()
		settings.Collector.TailSampling = &defaults
	}
	if isObject(sections, "jaeger", "server") {
		defaults := defaultServer()
		settings.Jaeger.Server = &defaults
	}
	for _, mistake := range strict.Decode(sections, &settings, settingsTag) {
		problem := Problem{Field: project + ":" + mistake.Key, Rule: mistake.Rule}
		switch {
		case mistake.Type == nil:
			problem.Rule = strings.Replace(mistake.Rule, "nearest valid one is ", "nearest valid one is "+project+":", 1)
		case !holdsSecret(mistake.Type):
			problem.Value = strict.Text(mistake.Value)
		}
		problems = append(problems, problem)
	}
	return settings, secret, problems
}

// misspelt reports whether a namespace, which could be that of another Pulumi package, is
// the project's but for two letters at most.
func misspelt(namespace, project string) bool {
	return levenshtein.ComputeDistance(strings.ToLower(namespace), strings.ToLower(project)) <= min(2, len(project)/2)
}

// pathRule describes what is wrong with a path that is written as a key.
func pathRule(project, path string, known strict.Types) string {
	if known.TypeOf(path) == nil {
		return fmt.Sprintf("unknown key; the nearest valid one is %s:%s, which `pulumi config set` sets with --path",
			project, known.Nearest(path))
	}
	return fmt.Sprintf("is a path, but was set as a key of its own: remove it and write `pulumi config set --path '%s:%s' VALUE`",
		project, path)
}

// isObject reports whether a section has an object at a key.
func isObject(sections map[string]any, section, key string) bool {
	values, _ := sections[section].(map[string]any)
	_, ok := values[key].(map[string]any)
	return ok
}

// decodeValue reads a configuration value: JSON for objects and lists, else plain
// text. No text at all is a section without keys. Numbers keep their digits, so that
// 0.5 is not silently rounded and 1.36 can still be a version. The error does not
// quote the text.
func decodeValue(text string) (any, error) {
	switch {
	case text == "":
		return nil, nil
	case text == string(blinded), !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "["):
		return text, nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	syntax := &json.SyntaxError{}
	switch err := decoder.Decode(&value); {
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("its JSON is malformed at character %d", syntax.Offset)
	case err != nil:
		return nil, errors.New("its JSON ends too early")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows its JSON at character %d", decoder.InputOffset())
	}
	return value, nil
}

// holdsSecret reports whether a value of the type is, or contains, a [Secret]. A
// mistake there is reported without the value.
func holdsSecret(kind reflect.Type) bool {
	switch kind.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return holdsSecret(kind.Elem())
	case reflect.Struct:
		for field := range kind.Fields() {
			if holdsSecret(field.Type) {
				return true
			}
		}
		return false
	default:
		return kind == reflect.TypeFor[Secret]()
	}
}
