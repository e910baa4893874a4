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
)

// pollInterval is the pause between two looks at Jaeger: short beside the time
// that a Kubernetes component takes to send a batch.
const pollInterval = time.Second

// Forms of the report.
const (
	outputTable = "table"
	outputJSON  = "json"
)

var errMissing = errors.New("spans are missing")

func newVerify() *cobra.Command {
	var (
		jaeger, output, file, since string
		timeout, lookback           time.Duration
	)
	command := &cobra.Command{
		Use:   "verify",
		Short: "Wait until the expected spans are in Jaeger",
		Long: "Reads expectations (YAML) and asks Jaeger until all of them hold.\n" +
			"Exits with 0 when they do and with 1 when the time is over.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if output != outputTable && output != outputJSON {
				return fmt.Errorf("--output: %q: must be %s or %s", output, outputTable, outputJSON)
			}
			text, err := readInput(file, command.InOrStdin())
			if err != nil {
				return err
			}
			expectations, err := verify.ReadExpectations(text)
			if err != nil {
				return err
			}
			earliest := time.Now().Add(-lookback)
			if since != "" {
				if earliest, err = time.Parse(time.RFC3339Nano, since); err != nil {
					return fmt.Errorf("--since: %w", err)
				}
			}
			ctx, cancel := context.WithTimeout(command.Context(), timeout)
			defer cancel()
			report := verify.Check{
				Client:       verify.Client{BaseURL: jaeger},
				Expectations: expectations,
				Since:        earliest,
				Interval:     pollInterval,
				Progress:     progress(command.ErrOrStderr()),
			}.Run(ctx)
			return printReport(command, report, jaeger, output)
		},
	}
	flags := command.Flags()
	flags.StringVar(&jaeger, "jaeger", "http://127.0.0.1:16686", "Jaeger's query URL")
	flags.StringVarP(&file, "file", "f", "-", "the expectations; - for standard input")
	flags.StringVarP(&output, "output", "o", outputTable, outputTable+" or "+outputJSON)
	flags.DurationVar(&timeout, "timeout", 2*time.Minute, "how long to look")
	flags.DurationVar(&lookback, "lookback", time.Hour, "how old a span may be")
	flags.StringVar(&since, "since", "", "the earliest start of a span that counts, as RFC 3339 (default: the lookback)")
	return command
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

func printReport(command *cobra.Command, report verify.Report, jaeger, output string) error {
	switch {
	case output == outputJSON && report.Met():
		if err := json.NewEncoder(command.OutOrStdout()).Encode(report.Outputs(jaeger)); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
	default:
		// A failure is for people even where a program asked.
		target := command.OutOrStdout()
		if output == outputJSON {
			target = command.ErrOrStderr()
		}
		if err := report.WriteTable(target, jaeger); err != nil {
			return err
		}
	}
	if report.Met() {
		return nil
	}
	if report.Reason != nil {
		return fmt.Errorf("%w: %w", errMissing, report.Reason)
	}
	return errMissing
}
