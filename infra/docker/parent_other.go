//go:build !linux

package docker

import "syscall"

// endWithParent has no counterpart outside Linux. There, a program ends when it next
// writes to a pipe that nobody reads any more.
func endWithParent() *syscall.SysProcAttr { return nil }
