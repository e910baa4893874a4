// Package strict decodes values of no fixed type, as JSON and YAML have them, into
// structs. It accepts no unknown key and no value of another type, and reports every
// mistake at once.
package strict

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/go-viper/mapstructure/v2"
)

// Mistake is a part of a value that its target does not accept.
type Mistake struct {
	// Key is its path, as exporters[0].name; empty for the whole value.
	Key string
	// Value is what was found; nil for an unknown key.
	Value any
	// Type is the type that the target has there; nil for an unknown key.
	Type reflect.Type
	// Rule describes what the value must be; for an unknown key, which key is nearest.
	Rule string
}

// Decode decodes a value into the struct, or the list of structs, that target points
// to and returns every mistake: unknown keys first, each group sorted by key. The
// struct tags tag name the keys. What is not in the value keeps what it has.
func Decode(value, target any, tag string) []Mistake {
	known := Keys(reflect.TypeOf(target).Elem(), tag)
	values := Flatten(value)
	mistakes := known.unknown(values)
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:     target,
		TagName:    tag,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(decodeText, decodeInteger),
		MatchName:  func(key, field string) bool { return key == field },
	})
	if err != nil {
		return []Mistake{{Rule: err.Error()}}
	}
	wrong := map[string]Mistake{}
	for _, leaf := range leaves(decoder.Decode(value)) {
		key := leaf.key
		if key == reflect.TypeOf(target).Elem().String() {
			key = "" // mapstructure names the whole value after its type
		}
		if kind := known.TypeOf(key); kind != nil {
			wrong[key] = Mistake{Key: key, Value: values[key], Type: kind, Rule: rule(kind, leaf.err)}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(wrong)) {
		mistakes = append(mistakes, wrong[key])
	}
	return mistakes
}

var (
	durationType        = reflect.TypeFor[time.Duration]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// textError is a mistake that a type's own UnmarshalText found.
type textError struct{ error }

// decodeText decodes durations, from nothing but text, and types that read text. A
// number has no unit. The hooks of mapstructure panic on a [json.Number], whose kind
// is a string but whose type is not.
func decodeText(_, to reflect.Type, value any) (any, error) {
	reads := reflect.PointerTo(to).Implements(textUnmarshalerType)
	if to != durationType && !reads {
		return value, nil
	}
	text, ok := value.(string)
	if to == durationType {
		if !ok {
			return nil, errors.New("not text")
		}
		return time.ParseDuration(text) //nolint:wrapcheck // reported with the field and the value
	}
	if !ok {
		text = Text(value)
	}
	result := reflect.New(to)
	if err := result.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		return nil, textError{err}
	}
	return result.Elem().Interface(), nil
}

// decodeInteger refuses fractions, which mapstructure cuts off.
func decodeInteger(_, to reflect.Type, value any) (any, error) {
	if number, ok := value.(float64); ok && to.Kind() == reflect.Int && number != math.Trunc(number) {
		return nil, errors.New("not an integer")
	}
	return value, nil
}

// rule describes what a value must be.
func rule(kind reflect.Type, err error) string {
	if own := (textError{}); errors.As(err, &own) {
		return own.Error()
	}
	return "must be " + typeName(kind)
}

// typeName describes a type.
func typeName(kind reflect.Type) string {
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if kind == durationType {
		return "a duration, such as 120s"
	}
	switch kind.Kind() {
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

// leaf is one value that could not be decoded.
type leaf struct {
	key string
	err error
}

// leaves returns the single mistakes in an error of mapstructure, which nests the
// error of a field inside those of the objects around it.
func leaves(err error) []leaf {
	var found []leaf
	switch wrapper := err.(type) { //nolint:errorlint // the tree of errors is walked
	case nil:
	case interface{ Unwrap() []error }:
		for _, inner := range wrapper.Unwrap() {
			found = append(found, leaves(inner)...)
		}
	case *mapstructure.DecodeError:
		if found = leaves(wrapper.Unwrap()); len(found) == 0 {
			// mapstructure writes a free key as an index: headers[authorization].
			found = []leaf{{freeKey.ReplaceAllString(wrapper.Name(), ".$1"), wrapper.Unwrap()}}
		}
	case interface{ Unwrap() error }:
		found = leaves(wrapper.Unwrap())
	}
	return found
}

// Types maps the keys of a struct, dotted and without indexes, to their types.
type Types struct {
	root  reflect.Type
	known map[string]reflect.Type
}

// Keys returns the keys of a struct type, or of a list of structs, and of all structs
// inside it.
func Keys(kind reflect.Type, tag string) Types {
	return Types{kind, fields(kind, tag, "")}
}

func fields(kind reflect.Type, tag, prefix string) map[string]reflect.Type {
	for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
		kind = kind.Elem()
	}
	types := map[string]reflect.Type{}
	if kind.Kind() != reflect.Struct {
		return types
	}
	for field := range kind.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get(tag), ",")
		types[prefix+name] = field.Type
		maps.Copy(types, fields(field.Type, tag, prefix+name+"."))
	}
	return types
}

// TypeOf returns the type of a field, of a list's element if the key ends with an
// index, or of the values of a field with free keys; nil if there is no such key.
func (t Types) TypeOf(key string) reflect.Type {
	plain := withoutIndexes(key)
	kind, ok := t.known[plain]
	if plain == "" {
		kind, ok = t.root, true
	}
	switch {
	case ok && strings.HasSuffix(key, "]") && kind.Kind() == reflect.Slice:
		return kind.Elem()
	case ok: // also an object that was given as a list
		return kind
	}
	for field, kind := range t.known {
		if kind.Kind() == reflect.Map && strings.HasPrefix(plain, field+".") {
			return kind.Elem()
		}
	}
	return nil
}

// Nearest returns the valid key that takes the fewest edits, of those in the same
// object if there are any. A single name that is valid only inside an object stands
// for that.
func (t Types) Nearest(key string) string {
	key = withoutIndexes(key)
	keys := slices.Sorted(maps.Keys(t.known))
	for _, better := range []func(valid string) bool{
		func(valid string) bool { return strings.HasSuffix(valid, "."+key) },
		func(valid string) bool { return parent(valid) == parent(key) },
	} {
		if slices.ContainsFunc(keys, better) {
			keys = slices.DeleteFunc(keys, func(valid string) bool { return !better(valid) })
			break
		}
	}
	return slices.MinFunc(keys, func(a, b string) int {
		return levenshtein.ComputeDistance(key, a) - levenshtein.ComputeDistance(key, b)
	})
}

// parent returns the key of the object that a key belongs to.
func parent(key string) string { return key[:max(0, strings.LastIndexByte(key, '.'))] }

// unknown returns a mistake for every key that no struct has, but none for the keys
// below such a key.
func (t Types) unknown(values map[string]any) []Mistake {
	var mistakes []Mistake
	unknown := ""
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if unknown != "" && (strings.HasPrefix(key, unknown+".") || strings.HasPrefix(key, unknown+"[")) {
			continue
		}
		if t.TypeOf(key) == nil {
			unknown = key
			mistakes = append(mistakes, Mistake{Key: key, Rule: "unknown key; the nearest valid one is " + t.Nearest(key)})
		}
	}
	return mistakes
}

// Flatten maps the dotted keys of a value, and of all values inside it, to what is
// there. Entries of lists have their index, as exporters[0].name. The key of the
// value itself is empty.
func Flatten(value any) map[string]any {
	values := map[string]any{"": value}
	flatten(values, value, "")
	return values
}

func flatten(values map[string]any, value any, prefix string) {
	switch typed := value.(type) {
	case map[string]any:
		for name, inner := range typed {
			if strings.ContainsAny(name, "[.") {
				// Quoted, it cannot be mistaken for the path of another value.
				name = strconv.Quote(name)
			}
			key := strings.TrimPrefix(prefix+"."+name, ".")
			values[key] = inner
			flatten(values, inner, key)
		}
	case []any:
		for i, inner := range typed {
			key := fmt.Sprintf("%s[%d]", prefix, i)
			values[key] = inner
			flatten(values, inner, key)
		}
	}
}

var (
	index   = regexp.MustCompile(`\[\d+\]`)
	freeKey = regexp.MustCompile(`\[([^]\d][^]]*)\]`)
)

func withoutIndexes(key string) string {
	return strings.TrimPrefix(index.ReplaceAllString(key, ""), ".")
}

// Text shows a value that was found as one would write it.
func Text(value any) string {
	switch typed := value.(type) {
	case string:
		return typed
	case json.Number:
		return typed.String()
	case nil:
		return ""
	default:
		return fmt.Sprint(typed)
	}
}
