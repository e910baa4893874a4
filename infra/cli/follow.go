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

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/expected"
	"github.com/kubetracing/kubetracing/infra/follow"
)

// nodeKubeconfig is where k3s keeps the administrator's kubeconfig on a server.
//
// Source: https://docs.k3s.io/cluster-access.
const nodeKubeconfig = "/etc/rancher/k3s/k3s.yaml"

func newFollow(options *options) *cobra.Command {
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
			stack, err := openStack(options.root, options.stack)
			if err != nil {
				return err
			}
			if jaeger == "" {
				jaeger = expected.JaegerURL(stack)
			}
			ctx := command.Context()
			node := stack.ClusterSpec("").NodeNames()[0]
			kubeconfig, err := exec.CommandContext(ctx, "docker", "exec", node, "cat", nodeKubeconfig).Output()
			if err != nil {
				return fmt.Errorf("read the kubeconfig of node %s (does the stack run?): %w", node, withStderr(err))
			}
			server := fmt.Sprintf("https://127.0.0.1:%d", stack.Settings.Cluster.APIPort)
			proxy, err := follow.Start(ctx, kubeconfig, server)
			if err != nil {
				return err
			}
			ended := runFollowed(ctx, proxy, arguments)
			requests := proxy.Requests()
			if !all {
				requests = withoutDiscovery(requests)
			}
			if err := proxy.Close(); err != nil {
				return err
			}
			looking, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			found := showTraces(looking, command.ErrOrStderr(), verify.Client{BaseURL: jaeger}, requests)
			if ended != nil {
				return ended
			}
			return found
		},
	}
	flags := command.Flags()
	flags.StringVar(&jaeger, "jaeger", "", "Jaeger's query URL (default: the stack's)")
	flags.DurationVar(&timeout, "timeout", 20*time.Second, "how long to look for the traces")
	flags.BoolVar(&all, "all", false, "show requests that ask what the API offers, too; kubectl makes dozens of them now and then")
	return command
}

// discovery are the paths under which kube-apiserver says what its API offers.
//
// Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/ (Discovery API).
var discovery = regexp.MustCompile(`^/(api(/v1)?|apis(/[^/]+){0,2}|openapi/.*|version)$`)

func withoutDiscovery(requests []follow.Request) []follow.Request {
	return slices.DeleteFunc(requests, func(r follow.Request) bool { return discovery.MatchString(pathOf(r.Target)) })
}

// withStderr adds to an error what the command said.
func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return errors.New(strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}

// runFollowed runs a command whose cluster is a proxy.
func runFollowed(ctx context.Context, proxy *follow.Proxy, arguments []string) error {
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
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", arguments[0], err)
	}
	return nil
}

// showTraces waits for the traces of requests and prints them as a table.
func showTraces(ctx context.Context, w io.Writer, client verify.Client, requests []follow.Request) error {
	traces := make([]follow.Trace, len(requests))
	var reason error
	for looked := false; ; looked = true {
		missing := 0
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
		// A look that the deadline cut short says nothing about Jaeger if one before it
		// was not.
		if ctx.Err() == nil || !looked {
			reason = failed
		}
		if missing == 0 || wait(ctx, pollInterval) != nil {
			break
		}
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "REQUEST\tSTATUS\tAUDIT-ID\tSPANS\tSERVICES\tTRACE")
	missing := 0
	for i, request := range requests {
		where := verify.TraceURL(client.BaseURL, traces[i].ID)
		if traces[i].ID == "" {
			missing++
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
		return exitError{fmt.Errorf("%d of %d requests have no trace: is sampling.apiserver below 1000000?", missing, len(requests)), exitMissing}
	}
}

func wait(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}

// pathOf leaves out the query, which is long and says little.
func pathOf(target string) string {
	if u, err := url.Parse(target); err == nil {
		return u.Path
	}
	return target
}
