package pulumi

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/kubetracing/kubetracing/stacks"
)

// folderName is the ignored folder that holds everything local.
const folderName = ".kubetracing"

// Workspace is a folder with copies of a project's and a stack's file.
//
// Pulumi writes the salt of a stack's secrets into the stack's file. A first update
// must not leave the checkout changed, so Pulumi works on copies.
type Workspace struct {
	// Directory is where Pulumi runs.
	Directory string
	// Project is the name of the project.
	Project string
	// Stack is the name of the stack.
	Stack string

	// base is the ignored folder.
	base string
	// original is the stack's own file; empty if there is none to read.
	original string
	// program is the folder of the Pulumi program; empty if unknown.
	program string
}

// Locate returns the workspace of a stack without creating or reading anything.
func Locate(root, stack string) (Workspace, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return Workspace{}, fmt.Errorf("find the workspace: %w", err)
	}
	base := filepath.Join(absolute, folderName)
	return Workspace{Directory: filepath.Join(base, "workspace"), Stack: stack, base: base}, nil
}

// Prepare copies the project's and the stack's file, as they are now, into the
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
	space.Project, space.original = files.Project.Name, files.Stack.Path
	space.program = filepath.Join(filepath.Dir(space.base), files.Project.Main)
	salt := files.Stack.EncryptionSalt
	if salt == "" {
		if earlier, err := stacks.ReadFiles(space.Directory, stack); err == nil {
			salt = earlier.Stack.EncryptionSalt
		} else if !errors.Is(err, fs.ErrNotExist) {
			return Workspace{}, fmt.Errorf("prepare the workspace: %s: %w", space.Directory, err)
		}
	}
	if err := space.write(files, salt); err != nil {
		return Workspace{}, fmt.Errorf("prepare the workspace: %w", err)
	}
	return space, nil
}

// write writes the copies.
func (w Workspace) write(files stacks.Files, salt string) error {
	project, err := files.Project.WithMain(filepath.ToSlash(filepath.Join("..", "..", files.Project.Main)))
	if err != nil {
		return err
	}
	stack, err := files.Stack.WithSalt(salt)
	if err != nil {
		return err
	}
	for _, folder := range []string{w.Directory, w.Folder("state")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	if err := replaceFile(filepath.Join(w.Directory, "Pulumi.yaml"), project); err != nil {
		return err
	}
	return replaceFile(w.stackPath(), stack)
}

// replaceFile writes a file that is complete whenever it is read.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// Reopen returns the workspace as the last command left it, for a stack whose own
// file is gone or cannot be read.
func Reopen(root, stack string) (Workspace, error) {
	space, err := Locate(root, stack)
	if err != nil {
		return Workspace{}, err
	}
	files, err := stacks.ReadFiles(space.Directory, stack)
	if err != nil {
		return Workspace{}, err
	}
	space.Project, space.program = files.Project.Name, filepath.Join(space.Directory, files.Project.Main)
	return space, nil
}

// Folder returns a folder for local things, below the ignored one.
func (w Workspace) Folder(name string) string { return filepath.Join(w.base, name) }

// StackFile returns the copy of the stack's file, as it is now.
func (w Workspace) StackFile() ([]byte, error) {
	text, err := os.ReadFile(w.stackPath())
	if err != nil {
		return nil, fmt.Errorf("read the workspace: %w", err)
	}
	return text, nil
}

// Return writes the copy of the stack's file over the original, with the salt that
// its secrets need.
func (w Workspace) Return() error {
	text, err := w.StackFile()
	if err != nil {
		return err
	}
	info, err := os.Stat(w.original)
	if err == nil {
		err = os.WriteFile(w.original, text, info.Mode().Perm())
	}
	if err != nil {
		return fmt.Errorf("update the stack's file: %w", err)
	}
	return nil
}

func (w Workspace) stackPath() string {
	return filepath.Join(w.Directory, "Pulumi."+w.Stack+".yaml")
}

// LocalBackend returns the URL of the state folder that is used unless another one is chosen
// backend.
func (w Workspace) LocalBackend() string {
	// A '#', '?' or '%' in the path must not be read as part of the URL's syntax.
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(w.Folder("state"))}).String()
}

// stateFile is where the local backend keeps the stack's state.
//
// Source: pulumi/pulumi pkg/backend/diy/store.go (projectReferenceStore).
func (w Workspace) stateFile() string {
	return filepath.Join(w.Folder("state"), ".pulumi", "stacks", w.Project, w.Stack+".json")
}

// Forget removes the local state folder and the workspace once no stack is left in
// them. It is for the local backend below the project's folder only.
func (w Workspace) Forget() error {
	// A stack is a file of its own; backups and attributes are files beside it.
	for _, suffix := range []string{".json", ".json.gz"} {
		stacks, err := filepath.Glob(filepath.Join(globQuote(w.Folder("state")), ".pulumi", "stacks", "*", "*"+suffix))
		if err != nil {
			return fmt.Errorf("look for stacks: %w", err)
		}
		if len(stacks) > 0 {
			return nil
		}
	}
	for _, folder := range []string{w.Folder("state"), w.Directory} {
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("remove the workspace: %w", err)
		}
	}
	return nil
}
