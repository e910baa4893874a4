package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scriptLimit is far more than a script takes in a test; one that hangs fails.
const scriptLimit = time.Minute

// Shell runs scripts with tools that record how they are called.
type Shell struct {
	folder  string
	command []string
}

// Outcome is the end of a script.
type Outcome struct {
	Code           int
	Stdout, Stderr string
}

// EveryShell runs a test with every POSIX shell on the machine: /bin/sh is another
// program on every system.
func EveryShell(t *testing.T, test func(t *testing.T, shell *Shell)) {
	t.Helper()
	shells := map[string][]string{"sh": {"/bin/sh"}}
	for name, arguments := range map[string][]string{"dash": nil, "busybox": {"sh"}, "bash": {"--posix"}} {
		if path, err := exec.LookPath(name); err == nil {
			shells[name] = append([]string{path}, arguments...)
		}
	}
	for name, command := range shells {
		t.Run("in "+name, func(t *testing.T) {
			t.Parallel()
			test(t, &Shell{folder: t.TempDir(), command: command})
		})
	}
}

// Check asserts that a script is valid.
func (s *Shell) Check(t *testing.T, script string) {
	t.Helper()
	arguments := append(append([]string{}, s.command[1:]...), "-n", "-c", script)
	output, err := exec.CommandContext(t.Context(), s.command[0], arguments...).CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Empty(t, output)
}

// Tool puts a command first on PATH. It records its arguments and runs body.
func (s *Shell) Tool(t *testing.T, name, body string) {
	t.Helper()
	text := "#!/bin/sh\nFOLDER='" + s.folder + "'\n" +
		`line=$(printf '%s ' "` + name + `" "$@"); printf '%s\n' "${line% }" >> "$FOLDER/calls"` + "\n" + body
	// A file that a concurrent fork holds open for writing cannot be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.NoError(t, os.MkdirAll(filepath.Join(s.folder, "bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(s.folder, "bin", name), []byte(text), 0o755))
}

// Read returns a file that a tool wrote to $FOLDER; empty if there is none.
func (s *Shell) Read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.folder, name))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	require.NoError(t, err)
	return string(content)
}

// Calls lists how the tools were called, one command line each.
func (s *Shell) Calls(t *testing.T) []string {
	t.Helper()
	return strings.Split(strings.TrimSuffix(s.Read(t, "calls"), "\n"), "\n")
}

// Run runs a script as Pulumi's command provider does, with an environment that
// contains nothing else.
func (s *Shell) Run(t *testing.T, script string, environment map[string]string) Outcome {
	t.Helper()
	return s.start(t, "", environment, "-c", script)
}

// RunStdin runs a script that the shell reads from its standard input.
func (s *Shell) RunStdin(t *testing.T, script string) Outcome {
	t.Helper()
	return s.start(t, script, nil, "-s")
}

func (s *Shell) start(t *testing.T, stdin string, environment map[string]string, arguments ...string) Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), scriptLimit)
	defer cancel()
	command := exec.CommandContext(ctx, s.command[0], append(append([]string{}, s.command[1:]...), arguments...)...)
	// Its children end with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.Stdin = strings.NewReader(stdin)
	command.Env = []string{"PATH=" + filepath.Join(s.folder, "bin") + ":/usr/bin:/bin"}
	for key, value := range environment {
		command.Env = append(command.Env, fmt.Sprintf("%s=%s", key, value))
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	require.NoError(t, ctx.Err(), "the script hangs; so far it printed: %s", &stderr)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return Outcome{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}
