package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// StateFile is where the local backend keeps a stack's state.
//
// Source: pulumi/pulumi pkg/backend/diy/store.go (projectReferenceStore).
func (w Workspace) StateFile(project string) string {
	return filepath.Join(w.Folder("state"), ".pulumi", "stacks", project, w.Stack+".json")
}

// lockFolder is where the local backend keeps the locks of a stack.
//
// Source: pulumi/pulumi pkg/backend/diy/lock.go (stackLockDir).
func (w Workspace) lockFolder(project string) string {
	return filepath.Join(w.Folder("state"), ".pulumi", "locks", "organization", project, w.Stack)
}

// Abandoned tells whether all that locks the stack in the local backend are
// processes of this machine that have ended without taking their locks away.
func (w Workspace) Abandoned(project string) (bool, error) {
	locks, err := filepath.Glob(filepath.Join(w.lockFolder(project), "*.json"))
	if err != nil || len(locks) == 0 {
		return false, err
	}
	host, err := os.Hostname()
	if err != nil {
		return false, fmt.Errorf("look for locks: %w", err)
	}
	for _, path := range locks {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			// Taken away just now.
			return false, nil
		}
		var lock struct {
			PID      int    `json:"pid"`
			Hostname string `json:"hostname"`
		}
		if err == nil {
			err = json.Unmarshal(text, &lock)
		}
		if err != nil {
			return false, fmt.Errorf("read lock %s: %w", path, err)
		}
		if lock.Hostname != host || running(lock.PID) {
			return false, nil
		}
	}
	return true, nil
}

// running tells whether there is a process of that number, whoever's it is.
func running(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = process.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, fs.ErrPermission)
}
