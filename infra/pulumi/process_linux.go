package pulumi

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTicks is the unit of times in /proc, per second.
//
// Source: man 7 time (USER_HZ is 100 on every architecture that Linux exports it for).
const clockTicks = 100

// errStat means that a file below /proc does not look as documented.
var errStat = errors.New("unexpected format")

// processStat returns the fields of /proc/PID/stat after the name.
//
// Source: man 5 proc_pid_stat.
func processStat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	// The name may contain spaces and parentheses.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return nil, errStat
	}
	return fields, nil
}

// processStart returns when a process started.
func processStart(pid int) (time.Time, error) {
	fields, err := processStat(pid)
	if err != nil {
		return time.Time{}, err
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", errStat, err)
	}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, err
	}
	for line := range strings.Lines(string(text)) {
		if seconds, ok := strings.CutPrefix(line, "btime "); ok {
			boot, err := strconv.ParseInt(strings.TrimSpace(seconds), 10, 64)
			if err != nil {
				return time.Time{}, fmt.Errorf("%w: %w", errStat, err)
			}
			return time.Unix(boot, 0).Add(time.Duration(ticks) * time.Second / clockTicks), nil
		}
	}
	return time.Time{}, errStat
}

// processes returns this user's processes by their numbers.
func processes() map[int]process {
	found := map[int]process{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		executable, err := os.Readlink(filepath.Join("/proc", entry.Name(), "exe"))
		if err != nil {
			// Another user's, or ended.
			continue
		}
		fields, err := processStat(pid)
		if err != nil {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		dir, _ := os.Readlink(filepath.Join("/proc", entry.Name(), "cwd"))
		found[pid] = process{parent, strings.TrimSuffix(executable, " (deleted)"), dir}
	}
	return found
}
