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

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/diagnose"
	"github.com/kubetracing/kubetracing/infra/expected"
)

// pollInterval is the pause between two looks at Jaeger: short beside the time
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

// exitError is an error with an exit code of its own.
type exitError struct {
	error
	code int
}

type verifyOptions struct {
	jaeger, output, file, since string
	containers                  []string
	timeout, lookback           time.Duration
}

func newVerify(options *options) *cobra.Command {
	chosen := &verifyOptions{}
	command := &cobra.Command{
		Use:   "verify",
		Short: "Wait until the expected spans are in Jaeger",
		Long: `Asks Jaeger until all expectations hold or the time is over, then prints what
was seen and what was missing.

Without --expectations, what the stack's settings and its own file of
expectations ask for is looked for.

Exit codes:
  0  every expectation holds
  1  the command could not run: a wrong flag, an expectation that cannot be read
  2  at least one expectation does not hold
  3  Jaeger could not be asked`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			check, err := chosen.check(command, options)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(command.Context(), chosen.timeout)
			defer cancel()
			report := check.Run(ctx)
			if err := chosen.print(command, check, report); err != nil {
				return err
			}
			return verdict(report)
		},
	}
	flags := command.Flags()
	flags.StringVar(&chosen.jaeger, "jaeger", "", "Jaeger's query URL (default: the stack's)")
	flags.StringVarP(&chosen.file, "expectations", "e", "", "a YAML file with expectations; - for standard input (default: the stack's)")
	flags.StringVarP(&chosen.output, "output", "o", outputTable, outputTable+" or "+outputJSON)
	flags.DurationVar(&chosen.timeout, "timeout", 2*time.Minute, "how long to look")
	flags.DurationVar(&chosen.lookback, "lookback", time.Hour, "how old a span may be")
	flags.StringVar(&chosen.since, "since", "", "the earliest start of a span that counts, as RFC 3339 (default: the lookback)")
	flags.StringArrayVar(&chosen.containers, "container", nil,
		"a Docker container to look into for a cause, repeated in the order in which spans are read (default: the stack's)")
	return command
}

// check is what the flags, and the stack for what they leave out, ask for.
func (o *verifyOptions) check(command *cobra.Command, options *options) (verify.Check, error) {
	if o.output != outputTable && o.output != outputJSON {
		return verify.Check{}, fmt.Errorf("--output: %q: must be %s or %s", o.output, outputTable, outputJSON)
	}
	check := verify.Check{
		Since:    time.Now().Add(-o.lookback),
		Interval: pollInterval,
		Progress: progress(command.ErrOrStderr()),
	}
	if o.since != "" {
		since, err := time.Parse(time.RFC3339Nano, o.since)
		if err != nil {
			return check, fmt.Errorf("--since: %w", err)
		}
		check.Since = since
	}
	if o.file != "" {
		text, err := readInput(o.file, command.InOrStdin())
		if err != nil {
			return check, err
		}
		if check.Expectations, err = verify.ReadExpectations(text); err != nil {
			return check, err
		}
	}
	if o.file == "" || o.jaeger == "" {
		stack, err := openStack(options.root, options.stack)
		if err != nil {
			return check, err
		}
		if o.file == "" {
			check.Expectations = expected.Of(stack).All()
		}
		if o.jaeger == "" {
			o.jaeger = expected.JaegerURL(stack)
		}
		if o.containers == nil {
			o.containers = expected.Containers(stack)
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

// progress says what is still missing whenever that changes.
func progress(w io.Writer) func(met, all int, missing []string) {
	last := -1
	return func(met, all int, missing []string) {
		if met != last {
			fmt.Fprintf(w, "kubetracing: seen %d of %d, waiting for: %s\n", met, all, strings.Join(missing, ", "))
			last = met
		}
	}
}

// print prints the report and, if something is missing, the likely causes.
func (o *verifyOptions) print(command *cobra.Command, check verify.Check, report verify.Report) error {
	if o.output == outputJSON && report.Met() {
		if err := json.NewEncoder(command.OutOrStdout()).Encode(report.Outputs(o.jaeger)); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
		return nil
	}
	// A failure is for people even where a program asked.
	target := command.OutOrStdout()
	if o.output == outputJSON {
		target = command.ErrOrStderr()
	}
	if err := report.WriteTable(target, o.jaeger); err != nil || report.Met() {
		return err
	}
	ctx, cancel := context.WithTimeout(command.Context(), diagnosisTime)
	defer cancel()
	for _, cause := range diagnose.Causes(ctx, check.Client, o.containers, check.Since, report.Results) {
		fmt.Fprintf(target, "likely cause: %s\n", cause.What)
		if cause.Look != "" {
			fmt.Fprintf(target, "  look further: %s\n", cause.Look)
		}
	}
	return nil
}

// verdict turns a report into the command's end.
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
