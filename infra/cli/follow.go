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
	"github.com/kubetracing/kubetracing/stacks"
)

// nodeKubeconfig is where k3s keeps the administrator's kubeconfig on a server.
//
// Source: https://docs.k3s.io/cluster-access.
const nodeKubeconfig = "/etc/rancher/k3s/k3s.yaml"

func newFollow(a *App, o *options) *cobra.Command {
	var jaeger string
	var timeout time.Duration
	var all bool
	command := &cobra.Command{
		Use:   "follow -- COMMAND ARGUMENTS...",
		Short: "Run a command against the cluster and show the trace of each of its requests",
		Long: `Runs a command that reads KUBECONFIG, as kubectl or helm, and follows each of its
requests, by its Audit-Id, to its trace in Jaeger:

  kubetracing follow -- kubectl get pods --all-namespaces

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
			node := layout.Nodes[0]
			kubeconfig, err := a.Docker.Exec(ctx, node, "cat", nodeKubeconfig)
			if err != nil {
				return fmt.Errorf("read the kubeconfig of node %s (does the stack run?): %w", node, err)
			}
			server := fmt.Sprintf("https://127.0.0.1:%d", stack.Settings.Cluster.APIPort)
			proxy, err := follow.Start(ctx, []byte(kubeconfig), server)
			if err != nil {
				return err
			}
			ended := a.runFollowed(ctx, proxy, arguments)
			requests := proxy.Requests()
			if !all {
				requests = withoutDiscovery(requests)
			}
			if err := proxy.Close(); err != nil {
				return err
			}
			limited, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			clock := a.clock(ctx)
			for i := range requests {
				requests[i] = requests[i].By(clock.offset, clock.uncertainty)
			}
			found := showTraces(limited, a.Stderr, verify.Client{BaseURL: jaeger}, requests, missingCause(clock, stack.Settings))
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

// runFollowed runs a command whose cluster is a proxy.
func (a *App) runFollowed(ctx context.Context, proxy *follow.Proxy, arguments []string) error {
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

// missingCause returns the likely cause of a missing trace.
func missingCause(clock clock, settings stacks.Settings) string {
	const every = tracing.SamplingRateMax
	apiserver, collector := settings.Sampling.APIServer, settings.CollectorRate()
	switch {
	case clock.difference != nil:
		return clock.difference.What
	case apiserver < every:
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
		missing = 0
		var failed error
		for i, request := range requests {
			if traces[i].ID != "" {
				continue
			}
			trace, err := follow.Find(ctx, client, request)
			if err != nil {
				failed = err
			}
			if traces[i] = trace; trace.ID == "" {
				missing++
			}
		}
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

// pathOf returns a target without its query, which is long and says little.
func pathOf(target string) string {
	if u, err := url.Parse(target); err == nil {
		return u.Path
	}
	return target
}
