package pulumi_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/pulumi"
)

// Variables of the processes that the test binary plays.
const (
	roleVariable = "KUBETRACING_TEST_ROLE"
	// runningVariable names the file that appears when Pulumi runs.
	runningVariable = "KUBETRACING_TEST_RUNNING"
)

// The roles. Both Pulumis exit with the number of interrupts that they got; the deaf
// one gets none of the terminal's.
const (
	roleCommandLine = "command line"
	rolePulumi      = "pulumi"
	roleDeafPulumi  = "deaf pulumi"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case roleCommandLine:
		os.Exit(runPulumi())
	case rolePulumi:
		os.Exit(countInterrupts(false))
	case roleDeafPulumi:
		os.Exit(countInterrupts(true))
	default:
		os.Exit(m.Run())
	}
}

// runPulumi runs pulumi as the command line does and returns its exit code.
func runPulumi() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_, err := pulumi.Exec{}.Run(ctx, pulumi.Command{Args: []string{"up"}, Interactive: true})
	var exit *pulumi.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.Code
	default:
		return 90
	}
}

// countInterrupts waits for interrupts and returns how many came.
func countInterrupts(deaf bool) int {
	interrupts := make(chan os.Signal, 8)
	signal.Notify(interrupts, os.Interrupt)
	if deaf {
		if err := syscall.Setpgid(0, 0); err != nil {
			return 91
		}
	}
	running := os.Getenv(runningVariable)
	if err := os.WriteFile(running, nil, 0o600); err != nil {
		return 92
	}
	timeout := time.After(20 * time.Second)
	if deaf {
		for _, err := os.Stat(running + ".pressed"); err != nil; _, err = os.Stat(running + ".pressed") {
			time.Sleep(10 * time.Millisecond)
		}
		// What is passed on is passed on at once.
		timeout = time.After(500 * time.Millisecond)
	}
	for count := 0; ; {
		select {
		case <-interrupts:
			count++
			timeout = time.After(200 * time.Millisecond)
		case <-timeout:
			return count
		}
	}
}

// newCommandLine returns a process that runs a pulumi of a role, and the file that
// appears when that runs.
func newCommandLine(t *testing.T, role string) (command *exec.Cmd, running string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	installPulumi(t, roleVariable+"='"+role+"' exec '"+self+"'")
	running = filepath.Join(t.TempDir(), "running")
	command = exec.CommandContext(t.Context(), self)
	command.Env = append(os.Environ(), roleVariable+"="+roleCommandLine, runningVariable+"="+running)
	return command, running
}

// waitFor waits until a file appears.
func waitFor(t *testing.T, path string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := os.Stat(path)
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
}

// Pulumi saves its state when it is interrupted once.
func TestExec_Run_signal_becomes_one_interrupt(t *testing.T) {
	for _, sent := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sent.String(), func(t *testing.T) {
			command, running := newCommandLine(t, rolePulumi)
			require.NoError(t, command.Start())
			waitFor(t, running)
			require.NoError(t, command.Process.Signal(sent))
			var exit *exec.ExitError
			require.ErrorAs(t, command.Wait(), &exit)
			assert.Equal(t, 1, exit.ExitCode(), "interrupts that Pulumi got")
		})
	}
}
