//go:build !linux

package processes

import "syscall"

// endWithParent has no counterpart outside Linux: there, processes of a killed
// test stay until they are ended by hand.
func endWithParent() *syscall.SysProcAttr { return nil }
