package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/components/poll"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/follow"
	"github.com/kubetracing/kubetracing/infra/otlp"
	"github.com/kubetracing/kubetracing/stacks"
)

func newFollow(a *App, o *options) *cobra.Command {
	var jaeger string
	var timeout time.Duration
	var all bool
	command := &cobra.Command{
		Use:   "follow -- COMMAND ARGUMENTS...",
		Short: "Run a command against the cluster and show the trace of each of its requests",
		Long: `Runs a command that reads KUBECONFIG, as kubectl or helm, and follows each of its
requests to kube-apiserver's spans in Jaeger:

  kubetracing follow -- kubectl get pods --all-namespaces

From Kubernetes 1.33 on, the command is one trace with a span for every request, at any
sampling rate. It continues the trace that TRACEPARENT names, as in a CI job, has the
resource attributes of OTEL_RESOURCE_ATTRIBUTES, and passes BAGGAGE on. With older
releases every request has a trace of its own, found by its Audit-Id.

The exit code is the command's, or else 2 if a trace is missing and 3 if Jaeger
could not be asked.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			stack, err := stacks.OpenFiles(o.root, o.stack)
			if err != nil {
				return err
			}
			layout := stack.Layout()
			if jaeger == "" {
				jaeger = layout.JaegerURL
			}
			ctx := command.Context()
			kubeconfig, server, err := a.readKubeconfig(ctx, stack)
			if err != nil {
				return err
			}
			var traced *follow.Command
			if stack.Release.Rules.ContinuesTraces {
				if traced, err = follow.NewCommand(a.LookupEnv); err != nil {
					fmt.Fprintln(a.Stderr, "kubetracing:", err)
				}
			}
			proxy, err := follow.Start(ctx, kubeconfig, server, traced)
			if err != nil {
				return err
			}
			run := follow.Run{Arguments: arguments, Start: time.Now()}
			ended := a.runFollowed(ctx, proxy, traced, arguments)
			run.End, run.ExitCode = time.Now(), exitCode(ended)
			requests := proxy.Requests()
			if err := proxy.Close(); err != nil {
				return err
			}
			if traced != nil {
				if err := sendCommand(ctx, otlp.NewSender(a.Docker, stack), traced, run, requests); err != nil {
					fmt.Fprintln(a.Stderr, "kubetracing: the trace lacks the command's own spans:", err)
				}
			}
			if !all {
				requests = withoutDiscovery(requests)
			}
			limited, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			clock := a.clock(ctx)
			for i := range requests {
				requests[i] = requests[i].By(clock.offset, clock.uncertainty)
			}
			found := showTraces(limited, a.Stderr, verify.Client{BaseURL: jaeger}, requests, missingCause(clock, stack.Settings, traced != nil))
			if ended != nil {
				return ended
			}
			return found
		},
	}
	flags := command.Flags()
	flags.StringVar(&jaeger, "jaeger", "", "Jaeger's query URL (default: the stack's)")
	flags.DurationVar(&timeout, "timeout", 20*time.Second, "how long to search for the traces")
	flags.BoolVar(&all, "all", false, "also show requests for the API's own description; kubectl makes dozens of them now and then")
	return command
}

// discovery matches the paths under which kube-apiserver describes its API.
//
// Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/ (Discovery API).
var discovery = regexp.MustCompile(`^/(api(/v1)?|apis(/[^/]+){0,2}|openapi/.*|version)$`)

func withoutDiscovery(requests []follow.Request) []follow.Request {
	return slices.DeleteFunc(requests, func(r follow.Request) bool { return discovery.MatchString(pathOf(r.Target)) })
}

// exitCode returns the exit code of a command that ended with an error.
func exitCode(err error) int {
	var own exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &own):
		return own.code
	default:
		return 1
	}
}

// sendCommand sends the spans of a command and its requests.
func sendCommand(ctx context.Context, sender otlp.Sender, command *follow.Command, run follow.Run, requests []follow.Request) error {
	traces, err := command.Traces(run, requests)
	if err != nil {
		return err
	}
	return sender.Send(ctx, traces)
}

// runFollowed runs a command whose cluster is a proxy. It may continue the trace of
// traced.
func (a *App) runFollowed(ctx context.Context, proxy *follow.Proxy, traced *follow.Command, arguments []string) error {
	folder, err := os.MkdirTemp("", "kubetracing-")
	if err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(file, []byte(proxy.Kubeconfig()), 0o600); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	command := exec.CommandContext(ctx, arguments[0], arguments[1:]...)
	command.Env = append(os.Environ(), "KUBECONFIG="+file)
	if traced != nil {
		command.Env = append(command.Env, traced.Environment()...)
	}
	command.Stdin, command.Stdout, command.Stderr = a.Stdin, a.Stdout, a.Stderr
	err = command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exitError{fmt.Errorf("%s: %w", arguments[0], err), exit.ExitCode()}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", arguments[0], err)
	}
	return nil
}

// missingCause returns the likely cause of a missing trace. own reports whether the
// requests are parts of the command's own trace, which kube-apiserver does not sample.
func missingCause(clock clock, settings stacks.Settings, own bool) string {
	const every = tracing.SamplingRateMax
	apiserver, collector := settings.Sampling.APIServer, settings.CollectorRate()
	switch {
	case clock.difference != nil:
		return clock.difference.What
	case apiserver < every && !own:
		return fmt.Sprintf("sampling.apiserver is %d, below %d", apiserver, every)
	case collector < every:
		return fmt.Sprintf("the Collector keeps %d of %d traces", collector, every)
	default:
		return "kubetracing verify looks for the cause"
	}
}

// showTraces waits for the traces of requests and prints them as a table. cause is the
// likely one of a missing trace.
func showTraces(ctx context.Context, w io.Writer, client verify.Client, requests []follow.Request, cause string) error {
	traces := make([]follow.Trace, len(requests))
	var reason error
	completed := false
	missing := 0
	// An error means that the deadline has passed: the table shows what is missing.
	_ = poll.Loop{Interval: pollInterval}.Until(ctx, func(ctx context.Context) (string, bool, error) {
		var failed error
		missing, failed = findTraces(ctx, client, requests, traces)
		// A round that the deadline cut short says nothing about Jaeger, unless it is the
		// only one.
		if ctx.Err() == nil || !completed {
			reason = failed
		}
		completed = true
		return "", missing == 0, nil
	})
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "REQUEST\tSTATUS\tAUDIT-ID\tSPANS\tSERVICES\tTRACE")
	for i, request := range requests {
		where := verify.TraceURL(client.BaseURL, traces[i].ID)
		if traces[i].ID == "" {
			where = "MISSING"
		}
		fmt.Fprintf(table, "%s %s\t%d\t%s\t%d\t%s\t%s\n", request.Method, pathOf(request.Target), request.Status,
			request.AuditID, traces[i].Spans, strings.Join(traces[i].Services, ", "), where)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print traces: %w", err)
	}
	switch {
	case missing == 0:
		return nil
	case reason != nil:
		return exitError{fmt.Errorf("no answer from Jaeger: %w", reason), exitUnreachable}
	default:
		return exitError{fmt.Errorf("%d of %d requests have no trace: %s", missing, len(requests), cause), exitMissing}
	}
}

// findTraces finds the traces of the requests that have none yet. It returns how many
// still have none, and the last reason why one could not be searched.
func findTraces(ctx context.Context, client verify.Client, requests []follow.Request, traces []follow.Trace) (missing int, failed error) {
	// The requests of a command are parts of one trace.
	own := map[string][]verify.Span{}
	for i, request := range requests {
		if traces[i].ID != "" {
			continue
		}
		var err error
		if id := request.Span.TraceID; id == "" {
			traces[i], err = follow.Find(ctx, client, request)
		} else {
			if _, asked := own[id]; !asked {
				trace, traceErr := client.Trace(ctx, id)
				own[id], err = nil, traceErr
				if err == nil {
					own[id] = verify.Flatten(trace)
				}
			}
			traces[i] = follow.Below(own[id], request)
		}
		if err != nil {
			failed = err
		}
		if traces[i].ID == "" {
			missing++
		}
	}
	return missing, failed
}

// pathOf returns a target without its query, which is long and says little.
func pathOf(target string) string {
	if u, err := url.Parse(target); err == nil {
		return u.Path
	}
	return target
}
