// Package faults_test breaks the parts of a real stack while numbered traces go
// through it, and counts which of those that were acknowledged are missing.
package faults_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// Names and addresses of the test's own stack.
const (
	stackName  = "faults"
	cluster    = "kubetracing-" + stackName
	jaeger     = cluster + "-jaeger"
	collector  = cluster + "-collector"
	server     = "k3d-" + cluster + "-server-0"
	otlpPort   = 25317
	uiPort     = 27686
	apiPort    = 27550
	ownerLabel = "kubetracing.stack=kubetracing/" + stackName
)

// stackFileVariable names a stack file to start from instead of the shipped dev
// stack, for machines whose images have other names.
const stackFileVariable = "KUBETRACING_E2E_STACK"

// project is a copy of the project's configuration whose program and components
// are those of the checkout.
type project struct{ root string }

func newProject(t *testing.T) *project {
	t.Helper()
	if output, err := exec.Command("docker", "info").CombinedOutput(); err != nil {
		t.Fatalf("the fault suite needs a Docker daemon: %v\n%s", err, output)
	}
	checkout, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	p := &project{root: t.TempDir()}
	for _, folder := range []string{"infra", "components"} {
		require.NoError(t, os.Symlink(filepath.Join(checkout, folder), filepath.Join(p.root, folder)))
	}
	project, err := os.ReadFile(filepath.Join(checkout, "Pulumi.yaml"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(p.root, "Pulumi.yaml"), project, 0o600))
	return p
}

// configure writes the stack's file: that of the machine with further choices.
func (p *project) configure(t *testing.T, choices map[string]map[string]any) {
	t.Helper()
	source := os.Getenv(stackFileVariable)
	if source == "" {
		source = filepath.Join("..", "..", "Pulumi.dev.yaml")
	}
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	file := struct {
		Config map[string]map[string]any `json:"config"`
	}{}
	require.NoError(t, yaml.Unmarshal(text, &file))
	if file.Config == nil {
		file.Config = map[string]map[string]any{}
	}
	for section, values := range choices {
		key := "kubetracing:" + section
		if file.Config[key] == nil {
			file.Config[key] = map[string]any{}
		}
		maps.Copy(file.Config[key], values)
	}
	text, err = yaml.Marshal(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(p.root, "Pulumi."+stackName+".yaml"), text, 0o600))
}

// run runs a kubetracing command on the stack.
func (p *project) run(t *testing.T, command string) error {
	t.Helper()
	run := exec.Command(filepath.Join(p.root, "infra", "run"), command, "--root", p.root, "--stack", stackName)
	run.Dir = p.root
	output, err := run.CombinedOutput()
	if err != nil {
		t.Logf("kubetracing %s:\n%s", command, output)
	}
	return err
}

func docker(t *testing.T, arguments ...string) string {
	t.Helper()
	output, err := exec.Command("docker", arguments...).CombinedOutput()
	require.NoError(t, err, "docker %s: %s", strings.Join(arguments, " "), output)
	return strings.TrimSpace(string(output))
}

// owned lists the Docker objects that carry the stack's label.
func owned(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, list := range [][]string{{"ps", "--all"}, {"network", "ls"}, {"volume", "ls"}, {"image", "ls"}} {
		found := docker(t, append(list, "--quiet", "--filter", "label="+ownerLabel)...)
		for id := range strings.FieldsSeq(found) {
			all = append(all, list[0]+" "+id)
		}
	}
	return all
}
