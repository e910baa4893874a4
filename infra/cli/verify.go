package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/diagnose"
	"github.com/kubetracing/kubetracing/infra/lifecycle"
	"github.com/kubetracing/kubetracing/infra/timeline/gather"
	"github.com/kubetracing/kubetracing/stacks"
)

// pollInterval is the pause between two queries of Jaeger: short compared to the time
// that a Kubernetes component takes to send a batch.
const pollInterval = time.Second

// diagnosisTime bounds the search for a cause after the deadline.
const diagnosisTime = 20 * time.Second

// Forms of the report.
const (
	outputTable = "table"
	outputJSON  = "json"
)

// Exit codes of verify and follow, beside 0 for success and 1 for a command that
// could not run.
const (
	exitMissing     = 2
	exitUnreachable = 3
)

type verifyOptions struct {
	jaeger, output, file, since string
	containers                  []string
	timeout, lookback           time.Duration
	// spec reports whether everything comes from the command provider.
	spec bool
	// asked is the stack whose Jaeger is asked; nil if that is another Jaeger.
	asked *stacks.Stack
}

func newVerify(a *App, o *options) *cobra.Command {
	chosen := &verifyOptions{}
	command := &cobra.Command{
		Use:   "verify",
		Short: "Wait until the expected spans are in Jaeger",
		Long: `Asks Jaeger until all expectations hold or the time is over, then prints what
was seen and what was missing.

Without --expectations, it asks for what the stack's settings and its own file of
expectations require.

Exit codes:
  0  every expectation holds
  1  the command could not run: a wrong flag, an expectation that cannot be read
  2  at least one expectation does not hold
  3  Jaeger could not be asked`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if chosen.spec {
				return a.provide(command, a.verifySpec)
			}
			check, err := chosen.check(a, o)
			if err != nil {
				return err
			}
			check.ClockOffset = a.clock(command.Context()).offset
			check.Since = check.Since.Add(check.ClockOffset)
			ctx, cancel := context.WithTimeout(command.Context(), chosen.timeout)
			defer cancel()
			report := check.Run(ctx)
			if err := chosen.print(command.Context(), a, check, report); err != nil {
				return err
			}
			if chosen.asked != nil {
				a.printLosses(command.Context(), *chosen.asked)
			}
			return verdict(report)
		},
	}
	flags := command.Flags()
	flags.StringVar(&chosen.jaeger, "jaeger", "", "Jaeger's query URL (default: the stack's)")
	flags.StringVarP(&chosen.file, "expectations", "e", "", "a YAML file with expectations; - for standard input (default: the stack's)")
	flags.StringVarP(&chosen.output, "output", "o", outputTable, outputTable+" or "+outputJSON)
	flags.DurationVar(&chosen.timeout, "timeout", 2*time.Minute, "how long to search")
	flags.DurationVar(&chosen.lookback, "lookback", 0, "how old a span may be (default: any age)")
	flags.StringVar(&chosen.since, "since", "", "the earliest start of a span that counts, as RFC 3339, by this machine's clock (default: the lookback)")
	flags.StringArrayVar(&chosen.containers, "container", nil,
		"a Docker container to search for a cause, repeated in the order in which spans are read (default: the stack's)")
	flags.BoolVar(&chosen.spec, "spec", false, "read a verification from standard input, as Pulumi's command provider passes it")
	if err := flags.MarkHidden("spec"); err != nil {
		panic(err)
	}
	return command
}

// verifySpec runs a verification of the program's. Its result is JSON on standard
// output; a failure is for people.
func (a *App) verifySpec(ctx context.Context) error {
	text, err := readInput("-", a.Stdin)
	if err != nil {
		return err
	}
	var document spec.Verification
	if err := spec.Decode(text, &document); err != nil {
		return err
	}
	jaeger, after := a.getenv(spec.JaegerVariable), a.getenv(spec.AfterVariable)
	verified, done := lifecycle.Earlier(document, after, a.getenv(lifecycle.PreviousOutput), jaeger)
	if !done {
		since, err := lifecycle.Since(ctx, a.Docker, document)
		if err != nil {
			return err
		}
		check := verify.Check{
			Client: verify.Client{BaseURL: jaeger}, Expectations: document.Expectations,
			Since: since, ClockOffset: a.clock(ctx).offset, Interval: pollInterval, Progress: printProgress(a.Stderr), Phases: gather.Phases,
		}
		limited, cancel := context.WithTimeout(ctx, time.Duration(document.Timeout))
		defer cancel()
		report := check.Run(limited)
		if !report.Met() {
			if err := a.explain(ctx, a.Stderr, check, report, document.Containers); err != nil {
				return err
			}
			return verdict(report)
		}
		verified.Outputs = report.Outputs(jaeger)
		if document.Once {
			verified.After = after
		}
	}
	result, err := verified.Encode()
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Stdout, result)
	return nil
}

// check returns what the flags, and the stack for what they leave out, ask for. Its
// times are by this machine's clock.
func (o *verifyOptions) check(a *App, options *options) (verify.Check, error) {
	if o.output != outputTable && o.output != outputJSON {
		return verify.Check{}, fmt.Errorf("--output: %q: must be %s or %s", o.output, outputTable, outputJSON)
	}
	check := verify.Check{
		Interval: pollInterval,
		Progress: printProgress(a.Stderr),
		Phases:   gather.Phases,
	}
	switch {
	case o.since != "" && o.lookback != 0:
		return check, errors.New("--since and --lookback exclude each other")
	case o.lookback < 0:
		return check, fmt.Errorf("--lookback: %s: must not be negative", o.lookback)
	case o.lookback > 0:
		check.Since = time.Now().Add(-o.lookback)
	case o.since != "":
		since, err := time.Parse(time.RFC3339Nano, o.since)
		if err != nil {
			return check, fmt.Errorf("--since: %w", err)
		}
		check.Since = since
	}
	if o.file != "" {
		text, err := readInput(o.file, a.Stdin)
		if err != nil {
			return check, err
		}
		if check.Expectations, err = verify.ReadExpectations(text); err != nil {
			return check, err
		}
	}
	if o.file == "" || o.jaeger == "" {
		stack, err := stacks.OpenFiles(options.root, options.stack)
		if err != nil {
			return check, err
		}
		layout := stack.Layout()
		if o.file == "" {
			check.Expectations = layout.Expected.All()
		}
		if o.jaeger == "" {
			o.jaeger, o.asked = layout.JaegerURL, &stack
			if check.Since.IsZero() {
				check.Since = verify.Everything(layout.MaxAge)
			}
		}
		if o.containers == nil {
			o.containers = layout.Containers
		}
	}
	check.Client = verify.Client{BaseURL: o.jaeger}
	return check, nil
}

func readInput(file string, stdin io.Reader) ([]byte, error) {
	if file == "-" {
		text, err := io.ReadAll(stdin)
		if err != nil {
			return nil, fmt.Errorf("read expectations: %w", err)
		}
		return text, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read expectations: %w", err)
	}
	return text, nil
}

// printProgress prints what is still missing whenever that changes.
func printProgress(w io.Writer) func(met, all int, missing []string) {
	last := -1
	return func(met, all int, missing []string) {
		if met != last {
			fmt.Fprintf(w, "kubetracing: seen %d of %d, waiting for: %s\n", met, all, strings.Join(missing, ", "))
			last = met
		}
	}
}

// print prints the report and, if something is missing, the likely causes.
func (o *verifyOptions) print(ctx context.Context, a *App, check verify.Check, report verify.Report) error {
	switch {
	case o.output == outputJSON && report.Met():
		if err := json.NewEncoder(a.Stdout).Encode(report.Outputs(o.jaeger)); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
		return nil
	case o.output == outputJSON:
		// A failure is for people even where a program asked.
		return a.explain(ctx, a.Stderr, check, report, o.containers)
	default:
		return a.explain(ctx, a.Stdout, check, report, o.containers)
	}
}

// explain prints the report as a table and, if something is missing, the likely causes.
func (a *App) explain(ctx context.Context, w io.Writer, check verify.Check, report verify.Report, containers []string) error {
	if err := report.WriteTable(w, check.Client.BaseURL); err != nil || report.Met() {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, diagnosisTime)
	defer cancel()
	for _, cause := range diagnose.Causes(ctx, a.Docker, check.Client, containers, check.Since, report.Results) {
		fmt.Fprintf(w, "likely cause: %s\n", cause.What)
		if cause.Look != "" {
			fmt.Fprintf(w, "  look further: %s\n", cause.Look)
		}
	}
	return nil
}

// verdict returns the error of a report; nil if every expectation holds.
func verdict(report verify.Report) error {
	switch {
	case report.Met():
		return nil
	case report.Reason != nil:
		return exitError{fmt.Errorf("no answer from Jaeger: %w", report.Reason), exitUnreachable}
	default:
		return exitError{errors.New("spans are missing: " + strings.Join(report.Missing(), ", ")), exitMissing}
	}
}
