package stacks

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// Files are a project's configuration files on disk.
type Files struct {
	// Project is Pulumi.yaml.
	Project *workspace.Project
	// Stack is Pulumi.<stack>.yaml.
	Stack *workspace.ProjectStack
}

// ReadFiles reads the project in the folder root and one of its stacks' files.
// A stack without a file is a stack that configures nothing only if it is the
// one that a copy of the project starts with, so a missing file is an error.
func ReadFiles(root, stack string) (Files, error) {
	project, err := workspace.LoadProject(filepath.Join(root, "Pulumi.yaml"))
	if err != nil {
		return Files{}, fmt.Errorf("read the project: %w", err)
	}
	path := filepath.Join(root, "Pulumi."+stack+".yaml")
	if _, err := os.Stat(path); err != nil {
		return Files{}, fmt.Errorf("stack %q has no file: %w", stack, err)
	}
	projectStack, err := workspace.LoadProjectStack(nil, project, path)
	if err != nil {
		return Files{}, fmt.Errorf("read stack %q: %w", stack, err)
	}
	return Files{Project: project, Stack: projectStack}, nil
}

// Config gives the stack's configuration in the form that [New] takes. Encrypted
// values are blinded, inside objects too: what is planned does not depend on them.
func (f Files) Config() (map[string]string, error) {
	values, err := f.Stack.Config.Decrypt(config.NewBlindingDecrypter())
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	plain := make(map[string]string, len(values))
	for key, value := range values {
		plain[key.String()] = value
	}
	return plain, nil
}
