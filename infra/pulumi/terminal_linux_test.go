package pulumi_test

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// openTerminal returns both ends of a new pseudo terminal.
func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
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

// The terminal interrupts everything in the foreground, Pulumi included. A second
// interrupt would be an order to drop everything.
func TestExec_Run_leaves_interrupts_to_the_terminal(t *testing.T) {
	command, running := newCommandLine(t, roleDeafPulumi)
	keyboard, terminal := openTerminal(t)
	command.Stdin, command.Stdout, command.Stderr = terminal, terminal, terminal
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, command.Start())
	waitFor(t, running)

	_, err := io.WriteString(keyboard, "\x03")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(running+".pressed", nil, 0o600))
	require.NoError(t, command.Wait(), "the exit code is the number of interrupts that were passed on")
}
