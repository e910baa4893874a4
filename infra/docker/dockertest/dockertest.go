// Package dockertest has a [docker.Runner] for tests. It runs nothing: it records
// commands with their exact arguments and standard input, and answers with what a test
// has prepared. A command that nothing was prepared for fails the test.
package dockertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kubetracing/kubetracing/infra/docker"
)

// Rest as the last element of a command stands for any further arguments.
const Rest = "…"

// Call is a recorded command.
type Call struct {
	// Argv is the program with its arguments.
	Argv []string
	// Env holds its additional environment.
	Env []string
	// Stdin is its standard input.
	Stdin string
}

// String joins the program and its arguments with spaces.
func (c Call) String() string { return strings.Join(c.Argv, " ") }

// Answer is what a command does.
type Answer struct {
	// Stdout and Stderr are what it writes.
	Stdout, Stderr string
	// Code is its exit code.
	Code int
	// Err is the error of running it at all, such as exec.ErrNotFound.
	Err error
	// Hang lets it wait until its context ends.
	Hang bool
}

// Fail returns an answer with exit code 1 and words on standard error.
func Fail(words string) Answer { return Answer{Stderr: words, Code: 1} }

// Print returns an answer with a text on standard output.
func Print(text string) Answer { return Answer{Stdout: text} }

type rule struct {
	argv   []string
	answer func(context.Context, Call) Answer
}

func (r rule) matches(argv []string) bool {
	last := len(r.argv) - 1
	if last >= 0 && r.argv[last] == Rest {
		return len(argv) >= last && slices.Equal(argv[:last], r.argv[:last])
	}
	return slices.Equal(argv, r.argv)
}

// Runner is a [docker.Runner]. It is safe for concurrent use.
type Runner struct {
	t     testing.TB
	mu    sync.Mutex
	rules []rule
	calls []Call
}

// New returns a runner that knows no command.
func New(t testing.TB) *Runner { return &Runner{t: t} }

// Client returns a client that uses the runner.
func (r *Runner) Client() *docker.Client { return &docker.Client{Runner: r} }

// On prepares the answers of a command: one after the other, and the last one from
// then on. A later rule wins over an earlier one.
func (r *Runner) On(argv []string, answers ...Answer) {
	next := 0
	r.OnFunc(argv, func(context.Context, Call) Answer {
		r.mu.Lock()
		defer r.mu.Unlock()
		answer := answers[min(next, len(answers)-1)]
		next++
		return answer
	})
}

// OnFunc prepares a function that answers a command. It may be called concurrently.
func (r *Runner) OnFunc(argv []string, answer func(context.Context, Call) Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules = append(r.rules, rule{argv, answer})
}

// Command splits a command at spaces, for On and OnFunc.
func Command(text string) []string { return strings.Fields(text) }

// Run implements [docker.Runner].
func (r *Runner) Run(ctx context.Context, command docker.Command) (docker.Result, error) {
	if err := ctx.Err(); err != nil {
		return docker.Result{}, err
	}
	call := Call{append([]string{command.Program}, command.Args...), command.Env, command.Stdin}
	answer := r.find(call)
	if answer == nil {
		r.t.Errorf("unexpected command: %q", call.Argv)
		return docker.Result{}, fmt.Errorf("unexpected command: %q", call.Argv)
	}
	return finish(ctx, command, answer(ctx, call))
}

// find records a call and returns the function that answers it.
func (r *Runner) find(call Call) func(context.Context, Call) Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, call)
	for _, rule := range slices.Backward(r.rules) {
		if rule.matches(call.Argv) {
			return rule.answer
		}
	}
	return nil
}

// finish does what docker.Exec does with a command that has ended.
func finish(ctx context.Context, command docker.Command, answer Answer) (docker.Result, error) {
	result := docker.Result{Stdout: answer.Stdout, Stderr: answer.Stderr}
	words := result.Stderr
	if command.Merge {
		result = docker.Result{Stdout: answer.Stdout + answer.Stderr}
		words = result.Stdout
	}
	if command.Line != nil {
		for line := range strings.Lines(answer.Stdout + answer.Stderr) {
			command.Line(strings.TrimSuffix(line, "\n"))
		}
	}
	if answer.Hang {
		<-ctx.Done()
	}
	switch {
	case ctx.Err() != nil:
		return result, ctx.Err()
	case answer.Err != nil:
		return result, answer.Err
	case answer.Code != 0:
		return result, &docker.ExitError{Command: command.String(), Code: answer.Code, Stderr: words}
	}
	return result, nil
}

// Calls returns the recorded commands that begin with all of prefix, in their order.
func (r *Runner) Calls(prefix ...string) []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	var calls []Call
	for _, call := range r.calls {
		if len(call.Argv) >= len(prefix) && slices.Equal(call.Argv[:len(prefix)], prefix) {
			calls = append(calls, call)
		}
	}
	return calls
}

// Lines returns Calls as command lines.
func (r *Runner) Lines(prefix ...string) []string {
	var lines []string
	for _, call := range r.Calls(prefix...) {
		lines = append(lines, call.String())
	}
	return lines
}
