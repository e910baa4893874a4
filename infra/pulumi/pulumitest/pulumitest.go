// Package pulumitest has a [pulumi.Runner] for tests. It runs nothing: it records
// commands and answers with what a test has prepared.
package pulumitest

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/kubetracing/kubetracing/infra/pulumi"
)

// Answer is what a command does.
type Answer struct {
	// Stdout and Stderr are what it writes.
	Stdout, Stderr string
	// Code is its exit code.
	Code int
	// Events are the lines that it writes into the log of events.
	Events string
	// Err is the error of running it at all.
	Err error
	// Do does what else the command does. Optional.
	Do func(command pulumi.Command)
}

// Runner is a [pulumi.Runner]. Its zero value answers every command with success.
type Runner struct {
	mu      sync.Mutex
	answers map[string][]Answer
	calls   []pulumi.Command
}

// On prepares the answers of the commands that begin with a prefix: one after the
// other, and the last one from then on. The longest prefix wins.
func (r *Runner) On(prefix string, answers ...Answer) {
	if r.answers == nil {
		r.answers = map[string][]Answer{}
	}
	r.answers[prefix] = answers
}

// Run implements [pulumi.Runner].
func (r *Runner) Run(ctx context.Context, command pulumi.Command) (pulumi.Result, error) {
	if err := ctx.Err(); err != nil {
		return pulumi.Result{}, err
	}
	answer := r.answer(command)
	if answer.Do != nil {
		answer.Do(command)
	}
	if log := slices.Index(command.Args, "--event-log"); log >= 0 && answer.Events != "" {
		if err := os.WriteFile(command.Args[log+1], []byte(answer.Events), 0o600); err != nil {
			return pulumi.Result{}, err
		}
	}
	result := pulumi.Result{Stdout: answer.Stdout, Stderr: answer.Stderr}
	switch {
	case answer.Err != nil:
		return result, answer.Err
	case answer.Code != 0:
		return result, &pulumi.ExitError{Command: command.Args[0], Code: answer.Code, Stderr: answer.Stderr, Shown: command.Interactive}
	}
	return result, nil
}

// answer records a command and returns what it does.
func (r *Runner) answer(command pulumi.Command) Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, command)
	line, longest := strings.Join(command.Args, " "), ""
	for prefix := range r.answers {
		if strings.HasPrefix(line, prefix) && len(prefix) > len(longest) {
			longest = prefix
		}
	}
	answers := r.answers[longest]
	if len(answers) == 0 {
		return Answer{}
	}
	if len(answers) > 1 {
		r.answers[longest] = answers[1:]
	}
	return answers[0]
}

// Calls returns the recorded commands.
func (r *Runner) Calls() []pulumi.Command {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// Lines returns the arguments of the recorded commands, without the path of the log
// of events, which differs from run to run.
func (r *Runner) Lines() []string {
	var lines []string
	for _, call := range r.Calls() {
		arguments := slices.Clone(call.Args)
		if log := slices.Index(arguments, "--event-log"); log >= 0 {
			arguments[log+1] = "LOG"
		}
		lines = append(lines, strings.Join(arguments, " "))
	}
	return lines
}
