package docker_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/docker"
)

// shell runs a script as a program.
func shell(script string) docker.Command {
	return docker.Command{Program: "sh", Args: []string{"-c", script}}
}

func TestExec_Run(t *testing.T) {
	t.Parallel()
	t.Run("passes on standard input, environment and both outputs", func(t *testing.T) {
		t.Parallel()
		command := shell(`cat; echo "$GREETING"; echo trouble >&2`)
		command.Stdin, command.Env = "it's\n100%s", []string{"GREETING=hello"}
		result, err := docker.Exec{}.Run(t.Context(), command)
		require.NoError(t, err)
		assert.Equal(t, docker.Result{Stdout: "it's\n100%shello\n", Stderr: "trouble\n"}, result)
	})
	t.Run("keeps the order of both outputs when it merges them", func(t *testing.T) {
		t.Parallel()
		command := shell(`echo 1; echo 2 >&2; echo 3`)
		command.Merge = true
		result, err := docker.Exec{}.Run(t.Context(), command)
		require.NoError(t, err)
		assert.Equal(t, docker.Result{Stdout: "1\n2\n3\n"}, result)
	})
	t.Run("passes on lines as they are written", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var lines []string
		command := shell(`echo one; printf tw >&2; read -r wait; echo o >&2; printf three`)
		command.Line = func(line string) { lines = append(lines, line) }
		command.Stdin = "\n"
		result, err := docker.Exec{}.Run(ctx, command)
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"one", "two", "three"}, lines)
		assert.Equal(t, docker.Result{Stdout: "one\nthree", Stderr: "two\n"}, result)
	})
	t.Run("returns the exit code and standard error of a failure, with what was written before", func(t *testing.T) {
		t.Parallel()
		result, err := docker.Exec{}.Run(t.Context(), shell(`echo partly; echo no daemon >&2; exit 125`))
		var exit *docker.ExitError
		require.ErrorAs(t, err, &exit)
		assert.Equal(t, docker.ExitError{Command: "sh -c echo partly; echo no daemon >&2; exit 125", Code: 125, Stderr: "no daemon\n"}, *exit)
		require.EqualError(t, err, "sh -c echo partly; echo no daemon >&2; exit 125: exit status 125: no daemon")
		assert.Equal(t, "partly\n", result.Stdout)
	})
	t.Run("asks a program to end with its context", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		command := shell(`trap 'echo ended; exit 0' TERM; echo ready; while :; do sleep 0.05; done`)
		command.Line = func(line string) {
			if line == "ready" {
				cancel()
			}
		}
		result, err := docker.Exec{}.Run(ctx, command)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, "ready\nended\n", result.Stdout)
	})
	t.Run("kills a program that does not end", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		command := shell(`trap '' TERM; echo ready; exec sleep 600`)
		command.Line = func(string) { cancel() }
		start := time.Now()
		_, err := docker.Exec{}.Run(ctx, command)
		require.ErrorIs(t, err, context.Canceled)
		assert.Less(t, time.Since(start), time.Minute)
	})
	t.Run("runs nothing after the context's end", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := docker.Exec{}.Run(ctx, docker.Command{Program: "there-is-no-such-program"})
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("names a program that is missing", func(t *testing.T) {
		t.Parallel()
		_, err := docker.Exec{}.Run(t.Context(), docker.Command{Program: "there-is-no-such-program"})
		require.ErrorIs(t, err, exec.ErrNotFound)
	})
}
