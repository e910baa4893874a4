package pulumi

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// process is a running process.
type process struct {
	parent     int
	executable string
}

// EndOrphans ends the plugins and programs of a Pulumi that was killed, which would
// go on without it: processes of executables below the workspace's own folder that
// have no Pulumi above them.
func (w Workspace) EndOrphans(out io.Writer) {
	for _, pid := range w.orphans(processes()) {
		if err := syscall.Kill(pid, syscall.SIGTERM); err == nil {
			fmt.Fprintf(out, "kubetracing: ending process %d, which a killed Pulumi left behind\n", pid)
		}
	}
}

// orphans returns the numbers of the processes that a killed Pulumi left behind,
// sorted.
func (w Workspace) orphans(running map[int]process) []int {
	var orphans []int
	for _, pid := range slices.Sorted(maps.Keys(running)) {
		p := running[pid]
		isOurs := strings.HasPrefix(p.executable, w.Folder("pulumi")+string(filepath.Separator)) ||
			strings.HasPrefix(p.executable, w.Folder("tools")+string(filepath.Separator)) &&
				strings.HasPrefix(filepath.Base(p.executable), "pulumi-language-") ||
			p.executable == filepath.Join(w.Folder("bin"), "program")
		if isOurs && pid != os.Getpid() && !hasPulumi(running, p.parent) {
			orphans = append(orphans, pid)
		}
	}
	return orphans
}

// hasPulumi reports whether a process or one above it is Pulumi itself.
func hasPulumi(running map[int]process, pid int) bool {
	for range len(running) {
		p, exists := running[pid]
		if !exists {
			return false
		}
		if filepath.Base(p.executable) == "pulumi" {
			return true
		}
		pid = p.parent
	}
	return false
}
