// Package workspace prepares the folder in which Pulumi runs a local stack.
//
// Pulumi writes the salt of a stack's secrets into the stack's configuration
// file. A first `make up` must not leave the checkout changed, so Pulumi works on
// copies below an ignored folder.
package workspace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/kubetracing/kubetracing/stacks"
)

// folderName is the ignored folder that holds everything local.
const folderName = ".kubetracing"

// Workspace is a folder with a project and a stack file for Pulumi.
type Workspace struct {
	// Directory is where to run Pulumi.
	Directory string
	// Stack is the stack's name.
	Stack string

	base string
}

// Folder is a folder for local things, below the ignored one.
func (w Workspace) Folder(name string) string {
	return filepath.Join(w.base, name)
}

// StackFile is the copy of the stack's file, as it is now.
func (w Workspace) StackFile() ([]byte, error) {
	text, err := os.ReadFile(w.stackPath(w.Directory))
	if err != nil {
		return nil, fmt.Errorf("read workspace: %w", err)
	}
	return text, nil
}

// Return writes the copy of the stack's file over the original, with the salt that
// its secrets need.
func (w Workspace) Return(root string) error {
	text, err := w.StackFile()
	if err != nil {
		return err
	}
	path := w.stackPath(root)
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("return the stack's file: %w", err)
	}
	if err := os.WriteFile(path, text, info.Mode().Perm()); err != nil {
		return fmt.Errorf("return the stack's file: %w", err)
	}
	return nil
}

func (w Workspace) stackPath(folder string) string {
	return filepath.Join(folder, "Pulumi."+w.Stack+".yaml")
}

// Forget removes the local state folder and the workspace once no stack is left
// in them. It is for the local backend below the project's folder only.
func (w Workspace) Forget() error {
	// A stack is a file of its own; a backup or attribute file beside it is none.
	for _, suffix := range []string{".json", ".json.gz"} {
		stacks, err := filepath.Glob(filepath.Join(w.Folder("state"), ".pulumi", "stacks", "*", "*"+suffix))
		if err != nil {
			return fmt.Errorf("look for stacks: %w", err)
		}
		if len(stacks) > 0 {
			return nil
		}
	}
	for _, folder := range []string{w.Folder("state"), w.Directory} {
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("forget the stack: %w", err)
		}
	}
	return nil
}

// Locate says where a stack's workspace is, without making anything.
func Locate(root, stack string) (Workspace, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return Workspace{}, fmt.Errorf("find workspace: %w", err)
	}
	base := filepath.Join(absolute, folderName)
	return Workspace{Directory: filepath.Join(base, "workspace"), Stack: stack, base: base}, nil
}

// Prepare copies the project and the stack's file, as they are now, into the
// workspace. A salt that Pulumi wrote into an earlier copy stays, unless the
// original has its own.
func Prepare(root, stack string) (Workspace, error) {
	files, err := stacks.ReadFiles(root, stack)
	if err != nil {
		return Workspace{}, err
	}
	space, err := Locate(root, stack)
	if err != nil {
		return Workspace{}, err
	}
	for _, folder := range []string{space.Directory, space.Folder("state")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return Workspace{}, fmt.Errorf("prepare workspace: %w", err)
		}
	}

	project := *files.Project
	project.Main = filepath.Join("..", "..", project.Main)
	if err := project.Save(filepath.Join(space.Directory, "Pulumi.yaml")); err != nil {
		return Workspace{}, fmt.Errorf("prepare workspace: %w", err)
	}
	copied := space.stackPath(space.Directory)
	if files.Stack.EncryptionSalt == "" {
		earlier, err := workspace.LoadProjectStack(nil, &project, copied)
		switch {
		case err == nil:
			files.Stack.EncryptionSalt = earlier.EncryptionSalt
		case !errors.Is(err, os.ErrNotExist):
			return Workspace{}, fmt.Errorf("prepare workspace: %w", err)
		}
	}
	if err := files.Stack.Save(copied); err != nil {
		return Workspace{}, fmt.Errorf("prepare workspace: %w", err)
	}
	return space, nil
}
