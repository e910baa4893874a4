package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/poll"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/diagnose"
	"github.com/kubetracing/kubetracing/infra/docker"
)

const (
	// healthInterval is the pause between two questions for a container's health.
	healthInterval = 500 * time.Millisecond
	// waitingInterval is the pause between two lines that say what is waited for.
	waitingInterval = 10 * time.Second
	// refusalTime is how long a health check must be answered with 401 until that is not
	// a search server which is still loading its users.
	refusalTime = 30 * time.Second
	// probeTimeout bounds one request for a container's health.
	probeTimeout = 10 * time.Second
)

// WaitHealthy waits until a container is healthy. It fails as soon as the container
// cannot become healthy any more, with the reason and the end of its log. Docker knows
// by itself where a container has a health check. An image that is a single binary has
// nothing that could check: its URL is requested from another container.
func (m *Manager) WaitHealthy(ctx context.Context, document spec.Container) error {
	limit := time.Duration(document.Timeout)
	start := time.Now()
	printed := time.Duration(0)
	var refusedSince time.Time
	var container docker.Container
	problem, probed := "", ""
	err := poll.Loop{Interval: healthInterval}.Until(ctx, func(ctx context.Context) (string, bool, error) {
		var err error
		// A container that is gone never gets healthy.
		if container, err = m.docker.InspectOne(ctx, document.Container); err != nil {
			return "", false, err
		}
		healthy, reason := m.healthy(ctx, document, container)
		if healthy {
			return "", true, nil
		}
		if ctx.Err() == nil {
			probed = reason
		}
		elapsed := time.Since(start)
		if !refuses(container) {
			refusedSince = time.Time{}
		} else if refusedSince.IsZero() {
			refusedSince = time.Now()
		}
		switch state := container.State; {
		case state.OOMKilled:
			problem = "was killed because it needs more memory than it may use"
		case state.Status == "restarting":
			problem = fmt.Sprintf("keeps restarting (exit code %d)", state.ExitCode)
		case state.Status == "exited" || state.Status == "dead":
			problem = fmt.Sprintf("has exited with code %d", state.ExitCode)
		case !refusedSince.IsZero() && time.Since(refusedSince) >= refusalTime:
			problem = "refuses its password: its volume was initialized with another one, see docs/storage.md"
		case cannotCheck(state) != "":
			problem = fmt.Sprintf("has no %s, which its health check runs: use an image that has it%s", cannotCheck(state), lastChecks(state))
		case elapsed >= limit:
			problem = fmt.Sprintf("is not healthy after %s%s%s", seconds(limit), lastChecks(state), probed)
		}
		if elapsed >= printed+waitingInterval {
			printed = elapsed
			m.log.printf("waiting for %s to be healthy, %s", document.Title, seconds(elapsed))
		}
		return "", problem != "", nil
	})
	if err != nil || problem == "" {
		return err
	}
	message := fmt.Sprintf("%s (%s) %s", document.Title, document.Container, problem)
	log, err := m.docker.Logs(ctx, document.Container, docker.LogOptions{Tail: 500})
	if err != nil {
		return errors.Join(errors.New(message), err)
	}
	if end := logEnd(log); end != "" {
		message += ". The end of its log:\n" + end
	}
	return errors.New(message)
}

// healthy reports whether a container is healthy and, where its URL is requested, why
// it is not.
func (m *Manager) healthy(ctx context.Context, document spec.Container, container docker.Container) (healthy bool, reason string) {
	if document.HealthURL == "" {
		return container.State.Health == "healthy", ""
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_, err := m.docker.Exec(ctx, document.Probe, "wget", "-q", "-O", "/dev/null", document.HealthURL)
	if err == nil {
		return true, ""
	}
	reason = err.Error()
	var exit *docker.ExitError
	if errors.As(err, &exit) && strings.TrimSpace(exit.Stderr) != "" {
		reason = strings.TrimSpace(exit.Stderr)
	}
	return false, fmt.Sprintf("; %s from %s: %s", document.HealthURL, document.Probe, diagnose.Shorten(reason, logLineWidth))
}

// checksKept is how many runs of a health check Docker remembers.
//
// Source: github.com/docker/docker daemon/health.go (maxLogEntries).
const checksKept = 5

// refuses reports whether all remembered runs of the health check were answered with
// 401. The checks of search servers print the status of the answer.
func refuses(container docker.Container) bool {
	checks := container.State.HealthLog
	return len(checks) == checksKept && !slices.ContainsFunc(checks, func(check docker.HealthCheck) bool {
		return strings.TrimSpace(check.Output) != "401"
	})
}

// absentProgram is what Docker notes of a health check whose program the image lacks,
// with the program.
//
// Source: github.com/opencontainers/runc libcontainer/standard_init_linux.go and
// setns_init_linux.go, by way of Go's os/exec (ErrNotFound).
var absentProgram = regexp.MustCompile(`exec: "([^"]+)": (?:executable file not found|stat [^:]+: no such file)`)

// cannotCheck returns the program that a container's health check runs and its image
// lacks; empty if it runs.
func cannotCheck(state docker.State) string {
	if len(state.HealthLog) == 0 {
		return ""
	}
	last := state.HealthLog[len(state.HealthLog)-1]
	if program := absentProgram.FindStringSubmatch(last.Output); program != nil && last.ExitCode != 0 {
		return program[1]
	}
	return ""
}

// lastChecks describes the last runs of a health check, if the last one failed, without
// repetitions. Their output is in no log.
func lastChecks(state docker.State) string {
	log := state.HealthLog
	if len(log) == 0 || log[len(log)-1].ExitCode == 0 {
		return ""
	}
	var runs []string
	for _, check := range log {
		run := fmt.Sprintf("exit code %d", check.ExitCode)
		if output := strings.TrimSpace(check.Output); output != "" {
			run += ": " + diagnose.Shorten(output, logLineWidth)
		}
		if len(runs) == 0 || runs[len(runs)-1] != run {
			runs = append(runs, run)
		}
	}
	return "; its health check ends with " + strings.Join(runs, ", then with ")
}

// Lines of a log that are shown of a container that is not healthy.
const (
	// logLastLines is how many of its last lines are shown in any case.
	logLastLines = 4
	logLines     = 8
	logLineWidth = 800
)

var (
	// stackLine is a line of a JVM's stack trace, of which there may be hundreds.
	stackLine = regexp.MustCompile(`^\s+(at |\.\.\. )`)
	errorLine = regexp.MustCompile(`[Ee]rror|ERROR|[Ff]ail|[Ff]atal|FATAL|panic|[Ee]xception`)
)

// logEnd returns the last lines of a log and the errors before them.
func logEnd(log string) string {
	var all []string
	for line := range strings.Lines(log) {
		if !stackLine.MatchString(line) {
			all = append(all, strings.TrimRight(line, "\r\n"))
		}
	}
	var shown []string
	for i, line := range all {
		if i >= len(all)-logLastLines || errorLine.MatchString(line) {
			shown = append(shown, diagnose.Shorten(line, logLineWidth))
		}
	}
	return strings.Join(shown[max(0, len(shown)-logLines):], "\n")
}
