package docker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Exec runs the programs on PATH.
type Exec struct{}

// endTime is how long a program has to end after it was asked to.
const endTime = 5 * time.Second

// Run implements [Runner]. When the context ends, the program gets a SIGTERM, and a
// SIGKILL if it goes on. On Linux it also ends with this process.
func (Exec) Run(ctx context.Context, c Command) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	command := exec.CommandContext(ctx, c.Program, c.Args...)
	command.Env = append(os.Environ(), c.Env...)
	if c.Stdin != "" {
		command.Stdin = strings.NewReader(c.Stdin)
	}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = endTime
	command.SysProcAttr = endWithParent()

	var stdout, stderr bytes.Buffer
	var watch lineWriter
	watch.line = c.Line
	tee := func(buffer *bytes.Buffer) io.Writer {
		if c.Line == nil {
			return buffer
		}
		return io.MultiWriter(buffer, watch.stream())
	}
	command.Stdout = tee(&stdout)
	if c.Merge {
		command.Stderr = command.Stdout
	} else {
		command.Stderr = tee(&stderr)
	}
	err := command.Run()
	watch.flush()
	result := Result{stdout.String(), stderr.String()}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil:
		return result, ctx.Err()
	case errors.As(err, &exit):
		words := result.Stderr
		if c.Merge {
			words = result.Stdout
		}
		return result, &ExitError{Command: c.String(), Code: exit.ExitCode(), Stderr: words}
	default:
		return result, err
	}
}

// lineWriter splits what is written to its streams into lines.
type lineWriter struct {
	mu      sync.Mutex
	line    func(string)
	streams []*stream
}

type stream struct {
	writer *lineWriter
	rest   []byte
}

func (w *lineWriter) stream() io.Writer {
	s := &stream{writer: w}
	w.streams = append(w.streams, s)
	return s
}

func (s *stream) Write(text []byte) (int, error) {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	s.rest = append(s.rest, text...)
	for {
		end := bytes.IndexByte(s.rest, '\n')
		if end < 0 {
			return len(text), nil
		}
		s.writer.line(string(s.rest[:end]))
		s.rest = s.rest[end+1:]
	}
}

// flush passes on what ended without a line break.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.streams {
		if len(s.rest) > 0 {
			w.line(string(s.rest))
		}
	}
}
