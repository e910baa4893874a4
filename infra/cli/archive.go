package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/archive"
	"github.com/kubetracing/kubetracing/infra/otlp"
	"github.com/kubetracing/kubetracing/infra/timeline/gather"
	"github.com/kubetracing/kubetracing/stacks"
)

type exportOptions struct {
	timelineOptions

	object, file string
	services     []string
	since        time.Duration
	limit        int
}

// traceID is the form of a trace's id in Jaeger.
var traceID = regexp.MustCompile(`^[0-9a-f]{1,32}$`)

func newExport(a *App, o *options) *cobra.Command {
	chosen := &exportOptions{}
	command := &cobra.Command{
		Use:   "export [TRACE...]",
		Short: "Write traces to a file that Jaeger's UI and import open",
		Long: `Writes traces as OTLP JSON: those with the ids that are given, as the one of a followed
command, or those of an object, or everything of the last minutes:

  kubetracing export --file traces.json --since 10m
  kubetracing export --file traces.json --object pod/web --namespace shop
  kubetracing export --file traces.json 0af7651916cd43dd8448eb211c80319c

Traces hold names, addresses and the words of errors: read them before you give the file
away.`,
		RunE: func(command *cobra.Command, arguments []string) error {
			if err := chosen.check(arguments); err != nil {
				return err
			}
			traces, missing, err := a.export(command.Context(), o, chosen, arguments)
			if err != nil {
				return err
			}
			for _, what := range missing {
				fmt.Fprintln(a.Stderr, "kubetracing:", what)
			}
			if traces.SpanCount() == 0 {
				return errors.New("export: Jaeger has no such traces")
			}
			return a.writeTraces(chosen.file, traces)
		},
	}
	flags := command.Flags()
	flags.StringVarP(&chosen.file, "file", "f", "-", "the file to write; - for standard output")
	flags.DurationVar(&chosen.since, "since", 10*time.Minute, "how old a span may be")
	flags.StringSliceVar(&chosen.services, "service", nil, "only traces with a span of this service, repeated (default: every service)")
	flags.IntVar(&chosen.limit, "limit", 10_000, "how many traces of each service to write at most")
	flags.StringVar(&chosen.object, "object", "", "only the traces of an object's timeline, as pod/web")
	flags.StringVarP(&chosen.namespace, "namespace", "n", "default", "the object's namespace")
	flags.StringVar(&chosen.jaeger, "jaeger", "", "Jaeger's query URL (default: the stack's)")
	flags.StringVar(&chosen.kubeconfig, "kubeconfig", "", "a kubeconfig with a client certificate, for --object (default: the stack's)")
	return command
}

// check returns the mistakes of the flags.
func (o *exportOptions) check(ids []string) error {
	var problems []error
	for _, id := range ids {
		if !traceID.MatchString(id) {
			problems = append(problems, fmt.Errorf("%q: must be the id of a trace, up to 32 digits from 0 to f", id))
		}
	}
	if len(ids) > 0 && (o.object != "" || len(o.services) > 0) {
		problems = append(problems, errors.New("ids of traces cannot be combined with --object or --service"))
	}
	if o.object != "" && len(o.services) > 0 {
		problems = append(problems, errors.New("--object cannot be combined with --service"))
	}
	if o.since <= 0 {
		problems = append(problems, fmt.Errorf("--since: %s: must be positive", o.since))
	}
	if o.limit <= 0 {
		problems = append(problems, fmt.Errorf("--limit: %d: must be at least 1", o.limit))
	}
	return errors.Join(problems...)
}

// export returns the traces that the flags select.
func (a *App) export(ctx context.Context, o *options, chosen *exportOptions, ids []string) (ptrace.Traces, []string, error) {
	selection := archive.Selection{IDs: ids, Since: time.Now().Add(-chosen.since), Services: chosen.services, Limit: chosen.limit}
	if chosen.object == "" {
		jaeger := chosen.jaeger
		if jaeger == "" {
			stack, err := stacks.OpenFiles(o.root, o.stack)
			if err != nil {
				return ptrace.Traces{}, nil, err
			}
			jaeger = stack.Layout().JaegerURL
		}
		return archive.Export(ctx, verify.Client{BaseURL: jaeger}, selection)
	}
	target, err := gather.ParseTarget(chosen.object, chosen.namespace)
	if err != nil {
		return ptrace.Traces{}, nil, err
	}
	chosen.lookback = chosen.since
	sources, _, err := a.sources(ctx, o, &chosen.timelineOptions)
	if err != nil {
		return ptrace.Traces{}, nil, err
	}
	found, err := sources.Timeline(ctx, target)
	if err != nil {
		return ptrace.Traces{}, nil, err
	}
	if selection.IDs = found.TraceIDs(); len(selection.IDs) == 0 {
		return ptrace.NewTraces(), nil, nil
	}
	return archive.Export(ctx, sources.Jaeger, selection)
}

// writeTraces writes traces to a file that only its owner can read, or to standard
// output.
func (a *App) writeTraces(file string, traces ptrace.Traces) error {
	if file == "-" {
		return archive.Write(a.Stdout, traces)
	}
	const ownerOnly = 0o600
	w, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, ownerOnly)
	if err != nil {
		return fmt.Errorf("write traces: %w", err)
	}
	if err := errors.Join(archive.Write(w, traces), w.Close()); err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "kubetracing: wrote %s to %s\n", counts(traces), file)
	return nil
}

// counts says how much traces are.
func counts(traces ptrace.Traces) string {
	return fmt.Sprintf("%d spans of %d traces", traces.SpanCount(), len(idsOf(traces)))
}

// idsOf returns the ids of traces, in the order of their first spans.
func idsOf(traces ptrace.Traces) []string {
	var ids []string
	seen := map[pcommon.TraceID]bool{}
	for _, resource := range traces.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				if !seen[span.TraceID()] {
					seen[span.TraceID()] = true
					ids = append(ids, span.TraceID().String())
				}
			}
		}
	}
	return ids
}

func newImport(a *App, o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Write the traces of a file into the stack's Jaeger",
		Long: `Reads what export wrote, or other OTLP JSON, from a file or, as -, from standard input,
and writes it into the stack's Jaeger. What Jaeger has already it has twice then.`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			traces, err := a.readTraces(arguments[0])
			if err != nil {
				return err
			}
			stack, err := stacks.OpenFiles(o.root, o.stack)
			if err != nil {
				return err
			}
			sender := otlp.NewSender(a.Docker, stack)
			// The spans have passed a Collector already.
			sender.Receiver = tracing.JaegerAlias
			if err := sender.Send(command.Context(), traces); err != nil {
				return err
			}
			fmt.Fprintf(a.Stderr, "kubetracing: read %s into %s\n", counts(traces), stack.Layout().JaegerURL)
			const shown = 5
			for i, id := range idsOf(traces) {
				if i == shown {
					break
				}
				fmt.Fprintln(a.Stdout, verify.TraceURL(stack.Layout().JaegerURL, id))
			}
			return nil
		},
	}
}

func (a *App) readTraces(file string) (ptrace.Traces, error) {
	r := a.Stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return ptrace.Traces{}, fmt.Errorf("read traces: %s", strings.TrimPrefix(err.Error(), "open "))
		}
		defer opened.Close()
		r = opened
	}
	return archive.Read(r)
}
