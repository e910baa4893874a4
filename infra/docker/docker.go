// Package docker runs docker and k3d. It is the only package that does.
//
// A [Client] passes every call to a [Runner] with a time limit, reads JSON and never
// text that is meant for people, and returns errors that carry what the program wrote
// to standard error. The kinds of failure that need different advice are sentinel
// errors: [ErrNotInstalled], [ErrUnavailable], [ErrUnresponsive], [ErrNotDocker],
// [ErrContext] and [ErrNotFound].
package docker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Time limits. They bound what must not hang; none is expected to be reached.
const (
	// queryLimit bounds a call that only asks the daemon, which answers in
	// milliseconds.
	queryLimit = 20 * time.Second
	// changeLimit bounds a call that starts, ends or removes something. Docker waits 10 s
	// for a container to stop.
	changeLimit = 2 * time.Minute
	// execLimit bounds a command in a container, unless the caller's context ends
	// earlier.
	execLimit = 2 * time.Minute
	// runLimit bounds a throw-away container. Its image may have to be pulled.
	runLimit = 10 * time.Minute
	// createLimit bounds the creation of a cluster. k3d pulls missing images and then
	// waits for its servers.
	createLimit = 30 * time.Minute
	// deleteLimit bounds the removal of a cluster.
	deleteLimit = 10 * time.Minute
)

// Client runs docker and k3d.
type Client struct {
	// Runner runs the programs.
	Runner Runner
	// Env holds NAME=VALUE variables for every call, such as DOCKER_HOST. Optional.
	Env []string
}

// New returns a client that runs the programs on PATH.
func New() *Client { return &Client{Runner: Exec{}} }

// Command is one run of a program.
type Command struct {
	// Program is the name of the program: docker or k3d.
	Program string
	// Args are its arguments.
	Args []string
	// Env holds NAME=VALUE variables besides those of this process.
	Env []string
	// Stdin is its standard input.
	Stdin string
	// Merge writes standard error into Result.Stdout, in the order in which the program
	// wrote to both.
	Merge bool
	// Line, if not nil, is called with every line of both outputs as it is written,
	// never concurrently.
	Line func(line string)
	// Limit bounds the run.
	Limit time.Duration
}

// String returns the command line for messages, shortened to fit one.
func (c Command) String() string {
	const longest = 160
	line := c.Program + " " + strings.Join(c.Args, " ")
	if len(line) > longest {
		line = line[:longest] + "…"
	}
	return line
}

// Result is what a program wrote.
type Result struct {
	Stdout, Stderr string
}

// Runner runs programs. An error of Run is a [*ExitError] if the program ran and
// failed. The result holds what it wrote in any case.
type Runner interface {
	Run(ctx context.Context, command Command) (Result, error)
}

// run runs a command with the client's environment and explains a failure.
func (c *Client) run(ctx context.Context, command Command) (Result, error) {
	command.Env = append(append([]string{}, c.Env...), command.Env...)
	limited, cancel := context.WithTimeout(ctx, command.Limit)
	defer cancel()
	result, err := c.Runner.Run(limited, command)
	if err == nil {
		return result, nil
	}
	// The limit is this call's own: the caller's context has not ended.
	if limited.Err() != nil && ctx.Err() == nil {
		return result, unresponsive(command)
	}
	return result, explain(command, result, err)
}

// docker runs a docker command that changes something, or takes as long as limit.
func (c *Client) docker(ctx context.Context, limit time.Duration, args ...string) (Result, error) {
	return c.run(ctx, Command{Program: "docker", Args: args, Limit: limit})
}

// A query is tried so often, with this pause between two tries, while its connection
// breaks.
const (
	tries      = 3
	retryPause = 200 * time.Millisecond
)

// query runs a docker command that changes nothing. It is repeated when the
// connection to the daemon breaks, as one over SSH does.
func (c *Client) query(ctx context.Context, args ...string) (Result, error) {
	return backoff.Retry(ctx, func() (Result, error) {
		result, err := c.docker(ctx, queryLimit, args...)
		if err != nil && !brokenConnection(err) {
			return result, backoff.Permanent(err)
		}
		return result, err
	}, backoff.WithBackOff(backoff.NewConstantBackOff(retryPause)), backoff.WithMaxTries(tries))
}

// lines returns the lines of a text that are not empty.
func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
}

// wrap adds what was being done to an error.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
