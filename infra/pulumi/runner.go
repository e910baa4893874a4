// Package pulumi runs the Pulumi CLI. It is the only package that does.
//
// It prepares the folder in which Pulumi works, reads the state that Pulumi keeps,
// compares that state with what Docker has, and knows what to do about the
// difference.
package pulumi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

// Command is one run of pulumi.
type Command struct {
	// Args are its arguments.
	Args []string
	// Dir is its working directory.
	Dir string
	// Env holds NAME=VALUE variables besides those of this process.
	Env []string
	// Stdin is its standard input.
	Stdin string
	// Interactive connects it to this process's standard input, output and error
	// instead, so that it appears immediately.
	Interactive bool
	// KeepStderr keeps a copy of what an interactive run writes to standard error. It
	// is then no terminal to the command.
	KeepStderr bool
	// Limit bounds the run; zero means no limit.
	Limit time.Duration
}

// Result is what a command wrote.
type Result struct{ Stdout, Stderr string }

// Runner runs pulumi. An error of Run is an [*ExitError] if pulumi ran and failed.
// The result holds what it wrote in any case.
type Runner interface {
	Run(ctx context.Context, command Command) (Result, error)
}

// ExitError is a pulumi that ran and failed.
type ExitError struct {
	// Command is the subcommand, as up or "stack export".
	Command string
	// Code is the exit code.
	Code int
	// Stderr is what it wrote to standard error, as far as it was kept.
	Stderr string
	// Shown reports whether the reason has been shown already.
	Shown bool
}

func (e *ExitError) Error() string {
	message := fmt.Sprintf("pulumi %s: exit status %d", e.Command, e.Code)
	if stderr := strings.TrimSpace(e.Stderr); stderr != "" {
		message += ": " + stderr
	}
	return message
}

// Limits.
const (
	// queryLimit bounds a command that reads or writes the state and nothing else.
	queryLimit = 2 * time.Minute
	// interruptLimit is how long Pulumi has to save its state after it was asked to
	// end.
	interruptLimit = 2 * time.Minute
)

// Exec runs the pulumi on PATH.
type Exec struct{}

// Run implements [Runner]. When the context ends, Pulumi gets an interrupt, as a
// kill would lose its state.
func (Exec) Run(ctx context.Context, c Command) (Result, error) {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		// Ctrl-C reaches Pulumi through the terminal, and Pulumi takes a second
		// interrupt as an order to drop everything: only what it cannot have got is
		// passed on.
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM)
		defer stop()
	}
	limited := ctx
	if c.Limit > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, c.Limit)
		defer cancel()
	}
	command := exec.CommandContext(limited, "pulumi", c.Args...)
	command.Dir = c.Dir
	command.Env = append(os.Environ(), c.Env...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
	command.WaitDelay = interruptLimit
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(c.Stdin), &stdout, &stderr
	if c.Interactive {
		command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
		if c.KeepStderr {
			command.Stderr = io.MultiWriter(os.Stderr, &stderr)
		}
	}
	err := command.Run()
	result := Result{stdout.String(), stderr.String()}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return result, nil
	case limited.Err() != nil && ctx.Err() == nil:
		return result, fmt.Errorf("pulumi %s: no end after %s", c.name(), c.Limit)
	case errors.As(err, &exit) && exit.Exited():
		return result, &ExitError{Command: c.name(), Code: exit.ExitCode(), Stderr: result.Stderr, Shown: c.Interactive}
	default:
		return result, fmt.Errorf("pulumi %s: %w", c.name(), err)
	}
}

// name returns the subcommand for messages: the arguments before the first flag.
func (c Command) name() string {
	for i, argument := range c.Args {
		if strings.HasPrefix(argument, "-") {
			return strings.Join(c.Args[:i], " ")
		}
	}
	return strings.Join(c.Args, " ")
}
