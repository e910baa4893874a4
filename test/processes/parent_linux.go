package processes

import "syscall"

// endWithParent lets the kernel kill a process whose parent has exited.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
