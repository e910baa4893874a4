package docker

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// Kinds of failure.
var (
	// ErrNotInstalled means that the program is not on PATH.
	ErrNotInstalled = errors.New("not on PATH")
	// ErrUnavailable means that no Docker daemon could be reached.
	ErrUnavailable = errors.New("the Docker daemon does not answer")
	// ErrUnresponsive means that a call was ended by its time limit.
	ErrUnresponsive = errors.New("no answer within the time limit")
	// ErrNotDocker means that docker, or the daemon behind it, is another program, such as
	// Podman.
	ErrNotDocker = errors.New("docker is another program")
	// ErrContext means that the choice of a daemon, by a Docker context or by DOCKER_HOST,
	// cannot be used.
	ErrContext = errors.New("the choice of a Docker daemon cannot be used")
	// ErrNotFound means that an object does not exist.
	ErrNotFound = errors.New("not found")
)

// ExitError is a program that ran and failed.
type ExitError struct {
	// Command is the command line, shortened.
	Command string
	// Code is its exit code.
	Code int
	// Stderr is what it wrote to standard error.
	Stderr string
}

func (e *ExitError) Error() string {
	message := fmt.Sprintf("%s: exit status %d", e.Command, e.Code)
	if words := tail(e.Stderr); words != "" {
		message += ": " + words
	}
	return message
}

// tail returns the end of what a program wrote.
func tail(text string) string {
	const longest = 4096
	text = strings.TrimSpace(text)
	if len(text) > longest {
		text = "…" + text[len(text)-longest:]
	}
	return text
}

// failure is an error of a known kind: its message is complete without that of the
// kind.
type failure struct {
	kind    error
	message string
	cause   error
}

func (f failure) Error() string { return f.message }

func (f failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.kind}
	}
	return []error{f.kind, f.cause}
}

// unavailableWords are what docker writes when it reaches no daemon. The last ones are
// those of Docker 29.
//
// Source: github.com/docker/docker client/errors.go and client/request.go.
var unavailableWords = regexp.MustCompile(`Cannot connect to the Docker daemon|error during connect|` +
	`permission denied while trying to connect to the|failed to connect to the docker API`)

// notFoundWords are what docker writes about objects that do not exist, in whatever
// case.
var notFoundWords = regexp.MustCompile(`(?i)no such (container|image|network|volume|object)|network \S+ not found`)

// podmanWords are what Podman writes where it stands in for docker: the words of the
// script of that name, and Podman's own about its service and about commands that it
// lacks.
//
// Sources: github.com/containers/podman docker (the script), cmd/podman/root.go and
// cmd/podman/registry/remote.go, pkg/bindings/connection.go.
var podmanWords = regexp.MustCompile("Emulate Docker CLI using podman|(?i:connect to podman)|`podman |unrecognized command .podman ")

// What docker writes about a context that does not exist, with its name, about one whose
// files it cannot read, and about an address or certificates of the environment. The
// latter two are what the whole line is about.
//
// Sources: github.com/docker/cli cli/command/cli.go (resolveDockerEndpoint), cli/context/
// store/{store,metadatastore}.go and cli/command/context/inspect.go.
var (
	missingContextWords = regexp.MustCompile(`[Cc]ontext "([^"]*)"(?:: context not found| is not found| does not exist)`)
	brokenContextWords  = regexp.MustCompile(`(?m)^(?:Failed to initialize: )?(?:unable to resolve docker endpoint: )?(context "[^"]*": .*)`)
	noEndpointWords     = regexp.MustCompile(`(?m)^(?:Failed to initialize: )?(?:unable to resolve docker endpoint: |(ssh host connection is not valid: ))(.*)`)
)

// chooseContext is what to do about a context that cannot be used.
const chooseContext = "choose another one with `docker context use` or DOCKER_CONTEXT; `docker context ls` lists them"

// contextFailure returns the error of a command that failed for its context, if it did.
func contextFailure(words string, err error) error {
	if missing := missingContextWords.FindStringSubmatch(words); missing != nil {
		return failure{ErrContext, fmt.Sprintf("the Docker context %q does not exist: %s", missing[1], chooseContext), err}
	}
	if broken := brokenContextWords.FindStringSubmatch(words); broken != nil {
		return failure{ErrContext, fmt.Sprintf("the Docker context cannot be read: %s. Create it again, or %s", strings.TrimSpace(broken[1]), chooseContext), err}
	}
	if unresolved := noEndpointWords.FindStringSubmatch(words); unresolved != nil {
		return failure{ErrContext, fmt.Sprintf("docker does not know which daemon to connect to: %s. Correct DOCKER_HOST or DOCKER_CERT_PATH, or %s",
			strings.TrimSpace(unresolved[1]+unresolved[2]), chooseContext), err}
	}
	return nil
}

// explain turns the error of a command into one with advice.
func explain(command Command, result Result, err error) error {
	var exit *ExitError
	words := result.Stderr
	if errors.As(err, &exit) {
		words = exit.Stderr
	}
	unusable := contextFailure(words, err)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return failure{ErrNotInstalled, command.Program + " is not on PATH", err}
	case exit == nil:
		return fmt.Errorf("%s: %w", command, err)
	case podmanWords.MatchString(words):
		return failure{ErrNotDocker, podmanMessage + " It says: " + tail(words), err}
	case unusable != nil:
		return unusable
	case unavailableWords.MatchString(words):
		return failure{ErrUnavailable, "the Docker daemon does not answer: is it running, and may this user connect to it? " +
			command.Program + " says: " + tail(words), err}
	case notFoundWords.MatchString(words):
		return failure{ErrNotFound, exit.Error(), err}
	default:
		return exit
	}
}

const podmanMessage = "the docker command on PATH is Podman, which is not supported: install Docker Engine or Docker Desktop, " +
	"or put its docker command first on PATH."

// unresponsive is the error of a command that its own time limit ended.
func unresponsive(command Command) error {
	message := fmt.Sprintf("`%s` did not end within %s", command, command.Limit)
	if command.Limit == queryLimit {
		message = fmt.Sprintf("the Docker daemon accepts connections but does not answer: `%s` got no answer within %s; restart Docker",
			command, command.Limit)
	}
	return failure{kind: ErrUnresponsive, message: message}
}

// brokenWords are those of a connection to the daemon that broke.
var brokenWords = regexp.MustCompile(`unexpected EOF|connection reset by peer|broken pipe|TLS handshake timeout|i/o timeout`)

// brokenConnection reports whether a repetition may succeed.
func brokenConnection(err error) bool {
	var exit *ExitError
	return errors.As(err, &exit) && brokenWords.MatchString(exit.Stderr)
}
