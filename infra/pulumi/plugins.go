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
	parent int
	// executable is its path, and dir its working directory; empty if unknown.
	executable, dir string
}

// EndOrphans ends the plugins and programs of a Pulumi that was killed, which would
// go on without it: processes that belong to the project by the folder of their
// executable or by their working directory, and that have no Pulumi above them.
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
	w.base, w.program = resolved(w.base), resolved(w.program)
	var orphans []int
	for _, pid := range slices.Sorted(maps.Keys(running)) {
		p := running[pid]
		if w.isPlugin(p) && pid != os.Getpid() && !hasPulumi(running, p.parent) {
			orphans = append(orphans, pid)
		}
	}
	return orphans
}

// resolved returns a path without symbolic links, as the system names the executable and
// the working directory of a process.
func resolved(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

// isPlugin reports whether a process is a program or a plugin of a Pulumi that works
// for the project.
//
// Source: github.com/pulumi/pulumi/sdk/v3 go/common/apitype/plugins.go (PluginKind):
// names of executables begin with pulumi-resource- or pulumi-language-.
func (w Workspace) isPlugin(p process) bool {
	name := filepath.Base(p.executable)
	if !strings.HasPrefix(name, "pulumi-resource-") && !strings.HasPrefix(name, "pulumi-language-") {
		return p.executable == filepath.Join(w.Folder("bin"), "program")
	}
	// Pulumi runs its plugins in the folder of the program.
	return strings.HasPrefix(p.executable, w.base+string(filepath.Separator)) || w.program != "" && p.dir == w.program
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
