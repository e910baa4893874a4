package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/test/processes/build"
)

// stack is our way.
type stack struct {
	// folder is removed in the end; root is the project in it.
	folder, root, name string
}

// stackFileOf adds the flag that names the stack's file.
func stackFileOf(flags *flag.FlagSet) *string {
	return flags.String("stack-file", os.Getenv("KUBETRACING_E2E_STACK"), "the stack's file; default Pulumi.dev.yaml")
}

// newStack makes a project, in a temporary folder, that shares its program with the
// checkout but keeps its configuration and state to itself.
func newStack(stackFile string) (s stack, err error) {
	checkout, err := build.Repository()
	if err != nil {
		return stack{}, err
	}
	if stackFile == "" {
		stackFile = filepath.Join(checkout, "Pulumi.dev.yaml")
	}
	folder, err := os.MkdirTemp("", "kubetracing-bench-")
	if err != nil {
		return stack{}, err
	}
	s = stack{folder: folder, root: filepath.Join(folder, "project"), name: stackName}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	if err := os.MkdirAll(s.root, 0o755); err != nil {
		return s, err
	}
	for _, name := range []string{"infra", "components"} {
		if err := os.Symlink(filepath.Join(checkout, name), filepath.Join(s.root, name)); err != nil {
			return s, err
		}
	}
	for from, to := range map[string]string{
		filepath.Join(checkout, "Pulumi.yaml"): "Pulumi.yaml",
		stackFile:                              "Pulumi." + stackName + ".yaml",
	} {
		content, err := os.ReadFile(from)
		if err != nil {
			return s, fmt.Errorf("read stack: %w", err)
		}
		if err := os.WriteFile(filepath.Join(s.root, to), content, 0o600); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s stack) remove() { os.RemoveAll(s.folder) } //nolint:errcheck // in the folder for temporary files

// kubetracing runs one of the program's commands on the stack.
func (s stack) kubetracing(name string) error { return quietly(s.command(name)) }

func (s stack) command(name string, extra ...string) *exec.Cmd {
	arguments := append([]string{name, "--root", s.root, "--stack", s.name}, extra...)
	command := exec.Command(filepath.Join(s.root, "infra", "run"), arguments...)
	command.Dir = s.root
	return command
}

// changeRate lets the kubelet sample half of what it does, and updates the stack.
// The file has the other rate again afterwards: the next life begins with it.
func (s stack) changeRate() error {
	before, err := os.ReadFile(s.file())
	if err != nil {
		return err
	}
	defer os.WriteFile(s.file(), before, 0o600) //nolint:errcheck // in a temporary folder
	if err := s.configure("sampling", map[string]any{"kubelet": 500_000}); err != nil {
		return err
	}
	return s.kubetracing("up")
}

func (s stack) file() string { return filepath.Join(s.root, "Pulumi."+s.name+".yaml") }

// configure sets keys of a section of the stack's file; others stay.
func (s stack) configure(section string, keys map[string]any) error {
	return s.edit(func(config map[string]any) {
		existing, ok := config["kubetracing:"+section].(map[string]any)
		if !ok {
			existing = map[string]any{}
		}
		maps.Copy(existing, keys)
		config["kubetracing:"+section] = existing
	})
}

// edit changes the configuration in the stack's file.
func (s stack) edit(change func(config map[string]any)) error {
	text, err := os.ReadFile(s.file())
	if err != nil {
		return fmt.Errorf("read stack: %w", err)
	}
	var file struct {
		Config map[string]any `json:"config"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("read stack: %w", err)
	}
	if file.Config == nil {
		file.Config = map[string]any{}
	}
	change(file.Config)
	if text, err = yaml.Marshal(file); err != nil {
		return fmt.Errorf("write stack: %w", err)
	}
	return os.WriteFile(s.file(), text, 0o600)
}
