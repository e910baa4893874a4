package stacks_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

// badConfigurations is how many configurations the generator makes.
const badConfigurations = 100

func TestNew_GeneratedMistakes(t *testing.T) {
	t.Parallel()
	keys := settingsIn(reflect.TypeFor[stacks.Settings](), "")
	require.Greater(t, len(keys), 20)
	settingsOf(t, encoded(t, everyKey()))

	mistaken := map[string]bool{}
	for seed := range uint64(badConfigurations) {
		random := rand.New(rand.NewPCG(1, seed))
		config, mistakes := everyKey(), map[string]string{}
		// Every key has its turn; one or two more are chosen.
		chosen := []setting{keys[int(seed)%len(keys)]}
		for range random.IntN(3) {
			chosen = append(chosen, keys[random.IntN(len(keys))])
		}
		for _, k := range chosen {
			if related(mistakes, k.path) {
				continue
			}
			path, value := k.mistake(random)
			set(config, path, value)
			mistakes[path] = fmt.Sprint(value)
			mistaken[k.path] = true
		}
		text := encoded(t, config)
		problems := problemsOf(t, text)
		for path, value := range mistakes {
			assert.True(t, slices.ContainsFunc(problems, func(p stacks.Problem) bool {
				return about(p, path)
			}), "%s = %q is not refused in %v: %v", path, value, text, problems)
		}
		for _, problem := range problems {
			assert.NotEmpty(t, problem.Rule, "%v", problem)
			assert.True(t, problem.Value != "" || strings.HasPrefix(problem.Rule, "unknown key") ||
				slices.ContainsFunc(hidden, func(key string) bool { return strings.HasSuffix(problem.Field, key) }),
				"%v names no value", problem)
			assert.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(mistakes)), func(path string) bool {
				return about(problem, path)
			}), "%v is no mistake of %v", problem, mistakes)
		}
	}
	for _, k := range keys {
		assert.True(t, mistaken[k.path], "%s was never wrong", k.path)
	}
}

// hidden are the keys whose values are not for everyone to read, hold such, or are
// too long.
var hidden = []string{
	":collector", ".exporters", ".exporters[0]", ".headers", ".ca", ":jaeger", ".server", ".password",
	":cluster", ".registries", ".registries[0]",
}

// about reports whether a problem names a key or what the key is a part of.
func about(problem stacks.Problem, path string) bool {
	field := strings.TrimPrefix(problem.Field, "kubetracing:")
	return field == path || strings.HasPrefix(path, field+".") ||
		strings.HasPrefix(field, path+".") || strings.HasPrefix(field, path+"[")
}

// related reports whether a mistake was already made at, above or below a key.
func related(mistakes map[string]string, path string) bool {
	path = strings.ReplaceAll(path, "[0]", "")
	for other := range mistakes {
		other = strings.ReplaceAll(other, "[0]", "")
		if strings.HasPrefix(other+".", path+".") || strings.HasPrefix(path+".", other+".") ||
			strings.HasPrefix(path, "runtime.bundle") && strings.HasPrefix(other, "runtime.bundle") ||
			strings.HasPrefix(path, "jaeger.server") && strings.HasPrefix(other, "jaeger.server") {
			return true
		}
	}
	return false
}

// setting is a key and the type of what stands there.
type setting struct {
	path string
	kind reflect.Type
}

// settingsIn lists the keys of a settings type; those of a list's entries are the
// first entry's.
func settingsIn(kind reflect.Type, path string) []setting {
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	switch kind.Kind() {
	case reflect.Struct:
		var keys []setting
		if path != "" {
			keys = append(keys, setting{path, kind})
		}
		for field := range kind.Fields() {
			keys = append(keys, settingsIn(field.Type, strings.TrimPrefix(path+"."+field.Tag.Get("mapstructure"), "."))...)
		}
		return keys
	case reflect.Slice:
		return append(settingsIn(kind.Elem(), path+"[0]"), setting{path, kind})
	default:
		return []setting{{path, kind}}
	}
}

// mistake chooses a value that a key refuses, or another key that does not exist.
func (k setting) mistake(random *rand.Rand) (path string, value any) {
	var values []any
	switch {
	case k.kind == reflect.TypeFor[time.Duration]():
		values = []any{"0s", "-1s", "soon", 60, true}
	case k.kind.Kind() == reflect.Int:
		values = []any{-1, 1 << 40, 1.5, "many", true, []any{}, map[string]any{}}
	case k.kind.Kind() == reflect.String:
		values = []any{"no\x00such thing", "$(reboot)\n", true, []any{}, map[string]any{}}
	case k.kind.Kind() == reflect.Bool:
		values = []any{"yes", 1, []any{}}
	case k.kind.Kind() == reflect.Struct:
		values = []any{"on", []any{map[string]any{"on": true}}, []any{1}}
	case k.kind.Kind() == reflect.Map:
		values = []any{"authorization", 1, []any{}}
	case k.kind.Kind() == reflect.Slice:
		values = []any{"echo", 1, map[string]any{"echo": true}}
	}
	if random.IntN(5) == 0 && !strings.HasSuffix(k.path, "]") {
		return k.path + "s", values[0]
	}
	return k.path, values[random.IntN(len(values))]
}

// everyKey is a configuration that uses every key and has nothing wrong.
func everyKey() map[string]any {
	return map[string]any{
		"cluster": map[string]any{
			"kubernetes": "1.37", "image": "registry.test/k3s:v1.37.1-k3s1", "servers": 3, "agents": 2, "apiPort": 7550,
			"proxy": map[string]any{"http": "http://proxy.test:3128", "https": "http://proxy.test:3128", "except": []any{".test"}},
			"registries": []any{map[string]any{
				"name": "docker.io", "mirrors": []any{"https://mirror.test/hub"}, "username": "me", "password": "Tr4ces!!", "insecure": true,
			}},
		},
		"runtime": map[string]any{
			"name": "containerd", "oci": "runc",
			"bundle": map[string]any{"url": "https://mirror.test/containerd.tar.gz", "sha256": strings.Repeat("a", 64)},
		},
		"sampling": map[string]any{"apiserver": 1, "etcd": 2, "kubelet": 3, "runtime": 4, "collector": 1_000_000},
		"jaeger": map[string]any{
			"image": "registry.test/jaeger:2", "uiPort": 17686, "storage": "opensearch", "retention": "48h",
			"server": map[string]any{
				"image": "registry.test/opensearch:3", "heapMiB": 2048, "cleanerImage": "registry.test/cleaner:2", "password": "Tr4ces!!",
			},
		},
		"collector": map[string]any{
			"image": "registry.test/collector:0.1", "otlpGrpcPort": 14317, "otlpHttpPort": 14318, "debug": true,
			"exporters": []any{map[string]any{"name": "tempo", "protocol": "grpc", "endpoint": "tempo:4317", "insecure": true}},
		},
		"workloads": []any{"echo"},
		"network":   map[string]any{"subnet": "172.30.8.0/22"},
		"verify":    map[string]any{"enabled": true, "timeout": "90s"},
	}
}

// set puts a value at a path, as collector.exporters[0].name.
func set(config map[string]any, path string, value any) {
	if path == "runtime.bundle.directory" {
		// A directory stands alone.
		config["runtime"].(map[string]any)["bundle"] = map[string]any{"directory": value}
		return
	}
	if path == "jaeger.server.url" {
		// So does the address of a server that exists.
		config["jaeger"].(map[string]any)["server"] = map[string]any{"url": value}
		return
	}
	if bundle, ok := strings.CutSuffix(path, ".url"); ok && strings.HasPrefix(path, "ociBundles.") {
		// A URL goes with a checksum.
		set(config, bundle+".sha256", strings.Repeat("a", 64))
	}
	key, rest, nested := strings.Cut(path, ".")
	name, first := strings.CutSuffix(key, "[0]")
	switch {
	case !nested && first:
		config[name] = []any{value}
	case !nested:
		config[name] = value
	case first:
		set(config[name].([]any)[0].(map[string]any), rest, value)
	default:
		if _, there := config[name].(map[string]any); !there {
			config[name] = map[string]any{}
		}
		set(config[name].(map[string]any), rest, value)
	}
}

// encoded is a configuration in the form that Pulumi hands to a program.
func encoded(t *testing.T, config map[string]any) map[string]string {
	t.Helper()
	text := map[string]string{}
	for name, value := range config {
		section, err := json.Marshal(value)
		require.NoError(t, err)
		text["kubetracing:"+name] = string(section)
		if plain, ok := value.(string); ok {
			text["kubetracing:"+name] = plain
		}
	}
	return text
}
