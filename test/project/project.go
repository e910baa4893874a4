// Package project lets suites and benchmarks work on a project of their own, which
// has the checkout's program and a stack file, a state and a lock of its own.
package project

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// StackFileVariable names a stack file to start from instead of the shipped dev
// stack, for machines whose images have other names.
const StackFileVariable = "KUBETRACING_E2E_STACK"

// Project is a copy of the checkout's configuration with one stack in it.
type Project struct {
	// Root is the project's folder, Stack the stack's name.
	Root, Stack string

	checkout string
}

// New creates a project in an empty folder. The stack starts from the file at
// source, by default the one named by StackFileVariable, else that of the dev stack.
func New(folder, stack, source string) (*Project, error) {
	checkout, err := Checkout()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"infra", "components"} {
		if err := os.Symlink(filepath.Join(checkout, name), filepath.Join(folder, name)); err != nil {
			return nil, fmt.Errorf("create project: %w", err)
		}
	}
	p := &Project{Root: folder, Stack: stack, checkout: checkout}
	source = cmp.Or(source, os.Getenv(StackFileVariable), filepath.Join(checkout, "Pulumi.dev.yaml"))
	for from, to := range map[string]string{filepath.Join(checkout, "Pulumi.yaml"): filepath.Join(folder, "Pulumi.yaml"), source: p.StackFile()} {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("create project: %w", err)
		}
	}
	return p, nil
}

// With returns another stack of the same project, with the same configuration.
func (p *Project) With(stack string) (*Project, error) {
	other := &Project{Root: p.Root, Stack: stack, checkout: p.checkout}
	text, err := os.ReadFile(p.StackFile())
	if err == nil {
		err = os.WriteFile(other.StackFile(), text, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("create stack %q: %w", stack, err)
	}
	return other, nil
}

// Command prepares a kubetracing command for the stack.
func (p *Project) Command(name string, arguments ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(p.checkout, "kubetracing"),
		append([]string{name, "--root", p.Root, "--stack", p.Stack}, arguments...)...)
	command.Dir = p.Root
	return command
}

// StackFile returns the path of the stack's file.
func (p *Project) StackFile() string { return filepath.Join(p.Root, "Pulumi."+p.Stack+".yaml") }

// Section returns the keys of a section of the stack's file, none if the section
// is absent or no object.
func (p *Project) Section(name string) (map[string]any, error) {
	file, err := p.read()
	if err != nil {
		return nil, err
	}
	keys, _ := file.Config[key(name)].(map[string]any)
	return keys, nil
}

// Set replaces a section of the stack's file.
func (p *Project) Set(section string, value any) error {
	file, err := p.read()
	if err != nil {
		return err
	}
	if file.Config == nil {
		file.Config = map[string]any{}
	}
	file.Config[key(section)] = value
	text, err := yaml.Marshal(file)
	if err != nil {
		return fmt.Errorf("encode stack %q: %w", p.Stack, err)
	}
	if err := os.WriteFile(p.StackFile(), text, 0o600); err != nil {
		return fmt.Errorf("write stack %q: %w", p.Stack, err)
	}
	return nil
}

// Merge sets keys of a section of the stack's file and leaves its other keys.
func (p *Project) Merge(section string, keys map[string]any) error {
	existing, err := p.Section(section)
	if err != nil {
		return err
	}
	merged := map[string]any{}
	maps.Copy(merged, existing)
	maps.Copy(merged, keys)
	return p.Set(section, merged)
}

func key(section string) string { return "kubetracing:" + section }

// stackFile is the part of Pulumi.<stack>.yaml that is kept.
type stackFile struct {
	Config map[string]any `json:"config"`
}

func (p *Project) read() (stackFile, error) {
	var file stackFile
	text, err := os.ReadFile(p.StackFile())
	if err == nil {
		err = yaml.Unmarshal(text, &file)
	}
	if err != nil {
		return stackFile{}, fmt.Errorf("read stack %q: %w", p.Stack, err)
	}
	return file, nil
}

// Checkout returns the folder around the working directory that holds Pulumi.yaml.
func Checkout() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for folder := start; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "Pulumi.yaml")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", errors.New("no Pulumi.yaml in " + start + " or above: run this inside the repository")
		}
	}
}
