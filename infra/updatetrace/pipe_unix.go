//go:build unix

package updatetrace

import "syscall"

// makePipe creates a named pipe that only its user can open.
func makePipe(path string) error { return syscall.Mkfifo(path, 0o600) }
