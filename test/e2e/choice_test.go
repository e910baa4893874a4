//go:build e2e

package e2e_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// choices are environment variables that replace a choice of the stack's file, for
// a matrix of versions and runtimes.
var choices = map[string]struct{ section, key string }{
	"KUBETRACING_E2E_KUBERNETES": {"kubetracing:cluster", "kubernetes"},
	"KUBETRACING_E2E_RUNTIME":    {"kubetracing:runtime", "name"},
	"KUBETRACING_E2E_OCI":        {"kubetracing:runtime", "oci"},
}

// choose writes what the environment chooses into the stack's file.
func choose(t *testing.T, p *project) {
	t.Helper()
	for variable, choice := range choices {
		if value := os.Getenv(variable); value != "" {
			set(t, p, choice.section, choice.key, value)
		}
	}
}

// set writes one key of a section into the stack's file.
func set(t *testing.T, p *project, section, key string, value any) {
	t.Helper()
	values := readStackFile(t, p).section(section)
	values[key] = value
	setSection(t, p, section, values)
}

// setSection writes a whole section into the stack's file.
func setSection(t *testing.T, p *project, section string, value any) {
	t.Helper()
	file := readStackFile(t, p)
	if file.Config == nil {
		file.Config = map[string]any{}
	}
	file.Config[section] = value
	text, err := yaml.Marshal(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(p.stackFile(), text, 0o600))
}

// stackFile is Pulumi.<stack>.yaml.
type stackFile struct {
	Config map[string]any `json:"config"`
}

// section gives the keys of a section that is an object.
func (f stackFile) section(name string) map[string]any {
	if values, ok := f.Config[name].(map[string]any); ok {
		return values
	}
	return map[string]any{}
}

func readStackFile(t *testing.T, p *project) stackFile {
	t.Helper()
	text, err := os.ReadFile(p.stackFile())
	require.NoError(t, err)
	var file stackFile
	require.NoError(t, yaml.Unmarshal(text, &file))
	return file
}

// runtimeService is the name under which the stack's container runtime traces.
func runtimeService(t *testing.T, p *project) string {
	t.Helper()
	if name, chosen := readStackFile(t, p).section("kubetracing:runtime")["name"].(string); chosen {
		return name
	}
	return "containerd"
}
