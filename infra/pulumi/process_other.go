//go:build !linux

package pulumi

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// psLimit bounds ps.
const psLimit = 5 * time.Second

// ps returns what ps prints in the C locale.
func ps(arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), psLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "ps", arguments...)
	command.Env = append(command.Environ(), "LC_ALL=C")
	output, err := command.Output()
	return strings.TrimSpace(string(output)), err
}

// processStart returns when a process started.
func processStart(pid int) (time.Time, error) {
	text, err := ps("-o", "lstart=", "-p", strconv.Itoa(pid))
	if err != nil {
		return time.Time{}, err
	}
	return time.ParseInLocation("Mon Jan _2 15:04:05 2006", text, time.Local)
}

// processes returns this user's processes by their numbers.
func processes() map[int]process {
	found := map[int]process{}
	text, err := ps("-x", "-o", "pid=,ppid=,comm=")
	if err != nil {
		return found
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		pid, _ := strconv.Atoi(fields[0])
		parent, _ := strconv.Atoi(fields[1])
		found[pid] = process{parent: parent, executable: strings.Join(fields[2:], " ")}
	}
	return found
}
