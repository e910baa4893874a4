package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/test/processes/build"
)

// stack is our way.
type stack struct {
	root string
}

// newStack makes a project that shares its program with the checkout but keeps
// its configuration and state to itself.
func newStack(folder, stackFile string) (stack, error) {
	checkout, err := build.Repository()
	if err != nil {
		return stack{}, err
	}
	if stackFile == "" {
		stackFile = filepath.Join(checkout, "Pulumi.dev.yaml")
	}
	s := stack{root: filepath.Join(folder, "project")}
	if err := os.MkdirAll(s.root, 0o755); err != nil {
		return stack{}, err
	}
	for _, name := range []string{"infra", "components"} {
		if err := os.Symlink(filepath.Join(checkout, name), filepath.Join(s.root, name)); err != nil {
			return stack{}, err
		}
	}
	for from, to := range map[string]string{
		filepath.Join(checkout, "Pulumi.yaml"): "Pulumi.yaml",
		stackFile:                              "Pulumi." + stackName + ".yaml",
	} {
		content, err := os.ReadFile(from)
		if err != nil {
			return stack{}, fmt.Errorf("read stack: %w", err)
		}
		if err := os.WriteFile(filepath.Join(s.root, to), content, 0o600); err != nil {
			return stack{}, err
		}
	}
	return s, nil
}

func (s stack) kubetracing(name string) error {
	command := exec.Command(filepath.Join(s.root, "infra", "run"), name, "--root", s.root, "--stack", stackName)
	command.Dir = s.root
	return quietly(command)
}

// changeRate lets the kubelet sample half of what it does, and updates the stack.
// The file has the other rate again afterwards: the next life begins with it.
func (s stack) changeRate() error {
	path := filepath.Join(s.root, "Pulumi."+stackName+".yaml")
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	defer os.WriteFile(path, before, 0o600) //nolint:errcheck // in a temporary folder
	var file struct {
		Config map[string]map[string]any `json:"config"`
	}
	if err := yaml.Unmarshal(before, &file); err != nil {
		return fmt.Errorf("read stack: %w", err)
	}
	const section = "kubetracing:sampling"
	if file.Config == nil {
		file.Config = map[string]map[string]any{}
	}
	if file.Config[section] == nil {
		file.Config[section] = map[string]any{}
	}
	file.Config[section]["kubelet"] = 500_000
	after, err := yaml.Marshal(file)
	if err != nil {
		return fmt.Errorf("write stack: %w", err)
	}
	if err := os.WriteFile(path, after, 0o600); err != nil {
		return err
	}
	return s.kubetracing("up")
}
