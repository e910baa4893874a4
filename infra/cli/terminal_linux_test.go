package cli_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// openTerminal gives both ends of a new pseudo terminal.
func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine has no pseudo terminals: %s", err)
	}
	t.Cleanup(func() { assert.NoError(t, keyboard.Close()) })
	control := func(request uintptr, value *int32) {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, keyboard.Fd(), request, uintptr(unsafe.Pointer(value)))
		require.Zero(t, errno)
	}
	var locked, number int32
	control(syscall.TIOCSPTLCK, &locked)
	control(syscall.TIOCGPTN, &number)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, terminal.Close()) })
	return keyboard, terminal
}

func TestCtrlCIsLeftToTheTerminal(t *testing.T) {
	m := newMachine(t)
	running := m.interruptible(t, "pulumi that hears nothing of the terminal")
	keyboard, terminal := openTerminal(t)
	command := exec.CommandContext(t.Context(), m.self(t), "--root", m.root, "up")
	// A dumb terminal is not asked for its colors, which nobody would answer.
	command.Env = append(os.Environ(), roleVariable+"=kubetracing", "TERM=dumb")
	command.Stdin, command.Stdout, command.Stderr = terminal, terminal, terminal
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, command.Start())
	require.Eventually(t, func() bool {
		_, err := os.Stat(running)
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)

	_, err := io.WriteString(keyboard, "\x03")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(running+".pressed", nil, 0o600))
	// The terminal interrupts everything in the foreground, Pulumi included. A
	// second interrupt would be an order to drop everything.
	require.NoError(t, command.Wait(), "the exit code is the number of interrupts that were passed on")
}
