package docker_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/docker"
)

// pidFileVariable makes the test's program run a program that writes its process id to
// a file and goes on.
const pidFileVariable = "DOCKER_TEST_PID_FILE"

func TestMain(m *testing.M) {
	if file := os.Getenv(pidFileVariable); file != "" {
		command := docker.Command{Program: "sh", Args: []string{"-c", `echo $$ > "$0.new"; mv "$0.new" "$0"; exec sleep 600`, file}}
		_, _ = docker.Exec{}.Run(context.Background(), command)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestExec_killed kills a process that runs a program, which must not go on.
func TestExec_killed(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "pid")
	parent := exec.Command(program)
	parent.Env = append(os.Environ(), pidFileVariable+"="+file)
	require.NoError(t, parent.Start())
	var child int
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		child, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, syscall.Kill(child, 0), "it runs")
	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	assert.Eventually(t, func() bool { return !alive(child) }, 30*time.Second, 10*time.Millisecond)
}

// alive reports whether a process runs. One that has ended may not have been waited
// for.
func alive(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(state, "Z")
}
