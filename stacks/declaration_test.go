package stacks_test

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

// root is the project's folder.
const root = ".."

// declared returns the sections that Pulumi.yaml declares, without the keys of
// Pulumi itself.
func declared(t *testing.T) map[string]workspace.ProjectConfigType {
	t.Helper()
	project, err := workspace.LoadProject(filepath.Join(root, "Pulumi.yaml"))
	require.NoError(t, err)
	require.Equal(t, "kubetracing", string(project.Name))
	sections := map[string]workspace.ProjectConfigType{}
	for key, declaration := range project.Config {
		if !strings.HasPrefix(key, "pulumi:") {
			sections[strings.TrimPrefix(key, "kubetracing:")] = declaration
		}
	}
	return sections
}

// Pulumi fills in the defaults of Pulumi.yaml before the program starts; the
// program fills in its own for what is still missing. They must be the same, or
// a key's default would depend on its neighbours.
func TestDeclaration_Defaults(t *testing.T) {
	t.Parallel()

	config := map[string]string{}
	for key, declaration := range declared(t) {
		require.NotNil(t, declaration.Default, "%s declares no default", key)
		text, err := json.Marshal(declaration.Default)
		require.NoError(t, err)
		config["kubetracing:"+key] = string(text)
	}
	assert.Equal(t, stacks.Defaults(), settingsOf(t, config))
}

// A default that decodes to Go's own could still be left out of Pulumi.yaml,
// where readers look for it. Only keys that default to "nothing" may be.
func TestDeclaration_Complete(t *testing.T) {
	t.Parallel()

	sections := declared(t)
	defaults := reflect.ValueOf(stacks.Defaults())
	for i := range defaults.NumField() {
		section, value := key(defaults.Type().Field(i)), defaults.Field(i)
		if value.Kind() != reflect.Struct {
			continue
		}
		declaration, ok := sections[section].Default.(map[string]any)
		require.True(t, ok, "the default of %s is %T", section, sections[section].Default)
		for j := range value.NumField() {
			if !value.Field(j).IsZero() {
				assert.Contains(t, declaration, key(value.Type().Field(j)), "default of %s", section)
			}
		}
	}
}

func TestDeclaration_Descriptions(t *testing.T) {
	t.Parallel()

	sections := declared(t)
	settings := reflect.TypeFor[stacks.Settings]()
	var names []string
	for field := range settings.Fields() {
		section := key(field)
		names = append(names, section)
		description := sections[section].Description
		assert.NotEmpty(t, description, "description of %s", section)
		for _, name := range keysBelow(field.Type) {
			assert.Regexp(t, `\b`+regexp.QuoteMeta(name)+`\b`, description, "description of %s", section)
		}
		kind := "object"
		if field.Type.Kind() == reflect.Slice {
			kind = "array"
		}
		assert.Equal(t, kind, *sections[section].Type, "type of %s", section)
	}
	var declaredNames []string
	for name := range sections {
		declaredNames = append(declaredNames, name)
	}
	assert.ElementsMatch(t, names, declaredNames)
}

func TestShippedStacks(t *testing.T) {
	t.Parallel()

	paths, err := filepath.Glob(filepath.Join(root, "Pulumi.*.yaml"))
	require.NoError(t, err)
	require.Contains(t, paths, filepath.Join(root, "Pulumi.dev.yaml"))
	for _, path := range paths {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "Pulumi."), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, err := stacks.ReadFiles(root, name)
			require.NoError(t, err)
			config, err := files.Config()
			require.NoError(t, err)
			_, err = stacks.New(files.Project.Name, name, config)
			assert.NoError(t, err)
		})
	}
}

// The first stack that one meets is the one whose values the documentation
// calls the defaults.
func TestShippedStacks_Dev(t *testing.T) {
	t.Parallel()

	files, err := stacks.ReadFiles(root, "dev")
	require.NoError(t, err)
	config, err := files.Config()
	require.NoError(t, err)
	assert.Equal(t, stacks.Defaults(), settingsOf(t, config))
}

// key is the configuration key of a settings field.
func key(field reflect.StructField) string { return field.Tag.Get("mapstructure") }

// keysBelow lists the keys of a settings type and of all types inside it.
func keysBelow(t reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var keys []string
	for field := range t.Fields() {
		keys = append(keys, key(field))
		keys = append(keys, keysBelow(field.Type)...)
	}
	return keys
}
