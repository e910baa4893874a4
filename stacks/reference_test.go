package stacks

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

var update = flag.Bool("update", false, "rewrite docs/configuration.md")

const referencePath = "../docs/configuration.md"

// TestReference keeps docs/configuration.md up to date.
func TestReference(t *testing.T) {
	t.Parallel()
	got := renderReference(t)
	if *update {
		require.NoError(t, os.WriteFile(referencePath, []byte(got), 0o644)) //nolint:gosec // it is for everyone to read
	}
	want, err := os.ReadFile(referencePath)
	require.NoError(t, err, "no reference: make docs")
	assert.Equal(t, string(want), got, "if this is meant: make docs")
}

const referenceHead = `# Configuration

<!-- Written by ` + "`make docs`" + ` from the code that reads the configuration; a test fails while the two differ. -->

The settings of a stack are in ` + "`Pulumi.<stack>.yaml`" + `. Each key that is left out has the default shown here. Everything is
validated before anything is created: unknown keys, wrong types and values that break a rule are all reported at once,
each with its key, its value and the rule.

` + "```yaml" + `
config:
  kubetracing:cluster: {kubernetes: "1.36", agents: 1}
  kubetracing:sampling: {kubelet: 10000}
` + "```" + `
`

// renderReference renders the documentation of every key: prose from Pulumi.yaml, keys
// and types from Settings, defaults from Defaults.
func renderReference(t *testing.T) string {
	t.Helper()
	project, err := workspace.LoadProject("../Pulumi.yaml")
	require.NoError(t, err)
	var text strings.Builder
	text.WriteString(referenceHead)
	defaults := reflect.ValueOf(Defaults())
	for i := range defaults.NumField() {
		field := defaults.Type().Field(i)
		section := field.Tag.Get("mapstructure")
		declaration, declared := project.Config["kubetracing:"+section]
		if !declared {
			declaration = project.Config[section]
		}
		require.NotEmpty(t, declaration.Description, section)
		fmt.Fprintf(&text, "\n## kubetracing:%s\n\n%s\n\n| key | type | default |\n|---|---|---|\n", section, declaration.Description)
		if field.Type.Kind() != reflect.Struct {
			writeKey(t, &text, section, field.Type, defaults.Field(i))
			continue
		}
		writeKeys(t, &text, section, defaults.Field(i))
	}
	return text.String()
}

// writeKeys writes a line for every key of a struct and of the structs in it.
func writeKeys(t *testing.T, text *strings.Builder, prefix string, value reflect.Value) {
	t.Helper()
	for i := range value.NumField() {
		writeKey(t, text, prefix+"."+value.Type().Field(i).Tag.Get("mapstructure"), value.Type().Field(i).Type, value.Field(i))
	}
}

func writeKey(t *testing.T, text *strings.Builder, key string, kind reflect.Type, value reflect.Value) {
	t.Helper()
	fmt.Fprintf(text, "| `%s` | %s | %s |\n", key, kindName(t, kind), defaultOf(t, value))
	switch {
	case kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Struct:
		writeKeys(t, text, key+"[]", reflect.New(kind.Elem()).Elem())
	case kind == reflect.TypeFor[*TailSamplingSettings]():
		// Off by default; these are what the section means once it is there.
		writeKeys(t, text, key, reflect.ValueOf(defaultTailSampling()))
	case kind == reflect.TypeFor[*ServerSettings]():
		writeKeys(t, text, key, reflect.ValueOf(defaultServer()))
	case kind.Kind() == reflect.Pointer && kind.Elem().Kind() == reflect.Struct:
		writeKeys(t, text, key, reflect.New(kind.Elem()).Elem())
	case kind.Kind() == reflect.Struct:
		writeKeys(t, text, key, value)
	}
}

// choices are the values of the enumerated types.
func choices() map[reflect.Type][]string {
	return map[reflect.Type][]string{
		reflect.TypeFor[tracing.RuntimeName]():   texts(runtimeNames),
		reflect.TypeFor[tracing.OCIRuntime]():    texts(ociRuntimes),
		reflect.TypeFor[tracing.JaegerStorage](): texts(jaegerStorages),
		reflect.TypeFor[Queue]():                 texts(queues),
		reflect.TypeFor[Workload]():              texts(workloads),
	}
}

func texts[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, value := range values {
		out[i] = "`" + string(value) + "`"
	}
	return out
}

func kindName(t *testing.T, kind reflect.Type) string {
	t.Helper()
	if values, ok := choices()[kind]; ok {
		return strings.Join(values, ", ")
	}
	switch {
	case kind == reflect.TypeFor[time.Duration]():
		return "duration"
	case kind.Kind() == reflect.Pointer:
		return kindName(t, kind.Elem())
	case kind.Kind() == reflect.Slice:
		return "list of " + kindName(t, kind.Elem())
	case kind.Kind() == reflect.Map:
		return "object"
	case kind.Kind() == reflect.Struct:
		return "object"
	case kind.Kind() == reflect.Int:
		return "integer"
	case kind.Kind() == reflect.Bool:
		return "boolean"
	case kind.Kind() == reflect.Float64:
		return "number"
	case kind == reflect.TypeFor[Secret]():
		return "text, preferably a secret"
	case kind.Kind() == reflect.String:
		require.Empty(t, kind.PkgPath(), "%s is enumerated, and choices does not say what there is to choose from", kind)
		return "text"
	default:
		require.Fail(t, "a type without a name", "%s", kind)
		return ""
	}
}

// defaultOf returns a default as a user would write it; empty if there is none.
func defaultOf(t *testing.T, value reflect.Value) string {
	t.Helper()
	kind := value.Kind()
	if kind == reflect.Struct || (value.IsZero() && kind != reflect.Int && kind != reflect.Bool) {
		return ""
	}
	if duration, ok := reflect.TypeAssert[time.Duration](value); ok {
		return "`" + duration.String() + "`"
	}
	encoded, err := json.Marshal(value.Interface())
	require.NoError(t, err)
	return "`" + string(encoded) + "`"
}

func TestReference_Sections(t *testing.T) {
	t.Parallel()
	text := renderReference(t)
	for _, section := range []string{"cluster", "runtime", "sampling", "jaeger", "collector", "workloads", "verify"} {
		assert.Contains(t, text, "\n## kubetracing:"+section+"\n")
	}
	assert.Contains(t, text, "| `sampling.kubelet` | integer | `1000000` |\n")
	assert.Contains(t, text, "| `collector.exporters[].endpoint` | text |  |\n")
	assert.Contains(t, text, "| `verify.timeout` | duration | `2m0s` |\n")
}
