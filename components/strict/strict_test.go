package strict_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/strict"
)

// size is a type that reads itself from text.
type size int64

func (s *size) UnmarshalText(text []byte) error {
	if string(text) != "small" {
		return errors.New(`must be "small"`)
	}
	*s = 1
	return nil
}

type server struct {
	Name    string            `json:"name"`
	Ports   []int             `json:"ports,omitempty"`
	Headers map[string]string `json:"headers"`
	Wait    time.Duration     `json:"wait"`
	Size    size              `json:"size"`
	Backup  *server2          `json:"backup"`
}

type server2 struct {
	On bool `json:"on"`
}

// value parses JSON as the callers of Decode do, with numbers of either type.
func value(t *testing.T, text string, useNumber bool) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	if useNumber {
		decoder.UseNumber()
	}
	var parsed any
	require.NoError(t, decoder.Decode(&parsed))
	return parsed
}

func TestDecode(t *testing.T) {
	t.Parallel()

	for name, useNumber := range map[string]bool{"json.Number": true, "float64": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			decoded := []server{{Name: "kept"}}
			mistakes := strict.Decode(value(t, `[{"ports": [1, 2], "headers": {"a.b": "c"}, "wait": "2s", "size": "small", "backup": {"on": true}}]`,
				useNumber), &decoded, "json")
			assert.Empty(t, mistakes)
			assert.Equal(t, []server{{
				Name: "kept", Ports: []int{1, 2}, Headers: map[string]string{"a.b": "c"}, Wait: 2 * time.Second, Size: 1,
				Backup: &server2{On: true},
			}}, decoded)
		})
	}
}

func TestDecode_Mistakes(t *testing.T) {
	t.Parallel()

	text := reflect.TypeFor[string]()
	tests := map[string]struct {
		text string
		want []strict.Mistake
	}{
		"every mistake, unknown keys first": {
			text: `[{"nam": 1, "name": 2, "size": "large", "wait": 5, "ports": ["x", 1.5]}, {"backup": {"of": {"a": 1}}}]`,
			want: []strict.Mistake{
				{Key: "[0].nam", Rule: "unknown key; the nearest valid one is name"},
				{Key: "[1].backup.of", Rule: "unknown key; the nearest valid one is backup.on"},
				{Key: "[0].name", Value: 2.0, Type: text, Rule: "must be a string"},
				{Key: "[0].ports[0]", Value: "x", Type: reflect.TypeFor[int](), Rule: "must be an integer"},
				{Key: "[0].ports[1]", Value: 1.5, Type: reflect.TypeFor[int](), Rule: "must be an integer"},
				{Key: "[0].size", Value: "large", Type: reflect.TypeFor[size](), Rule: `must be "small"`},
				{Key: "[0].wait", Value: 5.0, Type: reflect.TypeFor[time.Duration](), Rule: "must be a duration, such as 120s"},
			},
		},
		"a number where text with a unit belongs": {
			text: `[{"size": 5}]`,
			want: []strict.Mistake{{Key: "[0].size", Value: 5.0, Type: reflect.TypeFor[size](), Rule: `must be "small"`}},
		},
		"an entry of another type": {
			text: `["x"]`,
			want: []strict.Mistake{{Key: "[0]", Value: "x", Type: reflect.TypeFor[server](), Rule: "must be an object"}},
		},
		"the whole value": {
			text: `{"name": "a"}`,
			want: []strict.Mistake{
				{Value: map[string]any{"name": "a"}, Type: reflect.TypeFor[[]server](), Rule: "must be a list"},
			},
		},
		"a value below a free key that looks like a path": {
			text: `[{"headers": {"a.b": 1}}]`,
			want: []strict.Mistake{{Key: "[0].headers.a.b", Type: text, Rule: "must be a string"}},
		},
		"a key that looks like a path": {
			text: `[{"backup.on": true}]`,
			want: []strict.Mistake{{Key: `[0]."backup.on"`, Rule: "unknown key; the nearest valid one is backup.on"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var decoded []server
			assert.Equal(t, test.want, strict.Decode(value(t, test.text, false), &decoded, "json"))
		})
	}
}

func TestTypes_Nearest(t *testing.T) {
	t.Parallel()

	keys := strict.Keys(reflect.TypeFor[server](), "json")
	assert.Equal(t, "name", keys.Nearest("nam"))
	assert.Equal(t, "backup.on", keys.Nearest("on"), "a name that an object inside has")
	assert.Equal(t, "ports", keys.Nearest("port[0]"))
}
