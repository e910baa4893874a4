package docker

import "syscall"

// endWithParent makes the kernel end a program when this process is gone: nobody
// would know of what it goes on to create.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
