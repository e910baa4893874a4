package pulumi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Lock is what the local backend writes while an update runs.
//
// Source: pulumi/pulumi pkg/backend/diy/lock.go (lockContent).
type Lock struct {
	PID       int       `json:"pid"`
	Username  string    `json:"username"`
	Hostname  string    `json:"hostname"`
	Timestamp time.Time `json:"timestamp"`
}

// lockFolder is where the local backend keeps the locks of the stack.
//
// Source: pulumi/pulumi pkg/backend/diy/lock.go (stackLockDir).
func (w Workspace) lockFolder() string {
	return filepath.Join(w.Folder("state"), ".pulumi", "locks", "organization", w.Project, w.Stack)
}

// Locks returns the locks of the stack in the local backend that are held, and how
// many are stale: their processes have ended without removing them.
func (w Workspace) Locks() (held []Lock, stale int, err error) {
	paths, err := filepath.Glob(filepath.Join(globQuote(w.lockFolder()), "*.json"))
	if err != nil {
		return nil, 0, fmt.Errorf("look for locks: %w", err)
	}
	if len(paths) == 0 {
		return nil, 0, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, 0, fmt.Errorf("look for locks: %w", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			// Removed just now.
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("look for locks: %w", err)
		}
		var lock Lock
		switch {
		case json.Unmarshal(text, &lock) != nil:
			// The backend renames complete files into place: only a full disk or a crash
			// leaves such a one.
			stale++
		case lock.Hostname == host && !lock.alive():
			stale++
		default:
			held = append(held, lock)
		}
	}
	return held, stale, nil
}

// clockStep bounds by how much the start of a process and its own clock may differ.
const clockStep = 2 * time.Second

// alive reports whether the process that wrote the lock runs. A process with its
// number that started after the lock was written is another one.
func (l Lock) alive() bool {
	process, err := os.FindProcess(l.PID)
	if err != nil {
		return false
	}
	if err := process.Signal(syscall.Signal(0)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return false
	}
	started, err := processStart(l.PID)
	return err != nil || l.Timestamp.IsZero() || !started.After(l.Timestamp.Add(clockStep))
}

// Explain describes who holds a lock, and what to do if it is stale.
func (l Lock) Explain(stack string) string {
	return fmt.Sprintf("the stack is locked by %s@%s (process %d, since %s). Wait for that update to end; "+
		"if it no longer runs, remove its lock: ./kubetracing pulumi --stack %s -- cancel --yes --stack %s",
		l.Username, l.Hostname, l.PID, l.Timestamp.Local().Format("2006-01-02 15:04:05"), stack, stack)
}

// globQuote quotes what has a meaning in a pattern of [filepath.Glob].
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
