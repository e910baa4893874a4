// Command outdated compares the pinned versions with what their publishers say, and
// rewrites those of which something newer is published with its digests.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// exitOutdated is the exit code that says that something newer is published.
const exitOutdated = 3

// errOutdated says the same inside the program.
var errOutdated = errors.New("something newer is published")

// defaultTimeout bounds the whole comparison.
const defaultTimeout = 2 * time.Minute

// atOnce is how many sources are asked at once.
const atOnce = 8

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	command := newCommand(newNetwork(http.DefaultTransport), os.Stdout, os.Stderr)
	err := command.ExecuteContext(ctx)
	stop()
	os.Exit(exitCode(err, os.Stderr))
}

func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errOutdated):
		return exitOutdated
	default:
		fmt.Fprintln(stderr, "outdated:", err)
		return 1
	}
}

func newCommand(w web, stdout, stderr io.Writer) *cobra.Command {
	var root, output string
	var write bool
	var timeout time.Duration
	command := &cobra.Command{
		Use:   "outdated",
		Short: "Compare the pinned versions with what their publishers say",
		Long: fmt.Sprintf(`Compare the pinned versions with what their publishers say.

Exit codes: 0 nothing newer was found; %d something newer is published; 1 an error.
A publisher that cannot be reached is named, and is no error.
%s, if set, lets GitHub's API answer more than 60 requests an hour.`, exitOutdated, tokenVariable),
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("--output: %q: must be table or json", output)
			}
			all, err := pins(root)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeoutCause(command.Context(), timeout, fmt.Errorf("no answer within %s", timeout))
			defer cancel()
			findings := look(ctx, w, all)
			if err := show(stdout, output, findings); err != nil {
				return err
			}
			if write {
				return rewrite(newFiles(root), findings, stderr)
			}
			if slices.ContainsFunc(findings, func(f finding) bool { return f.State == outdated }) {
				return errOutdated
			}
			return nil
		},
	}
	command.Flags().StringVar(&root, "root", ".", "the project's folder")
	command.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	command.Flags().BoolVar(&write, "write", false, "rewrite the pins whose newer release has its digests")
	command.Flags().DurationVar(&timeout, "timeout", defaultTimeout, "how long to look")
	return command
}

// look asks every source.
func look(ctx context.Context, w web, all []pin) []finding {
	findings := make([]finding, len(all))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, p := range all {
		group.Go(func() error {
			found, err := p.source.newest(ctx, w, p)
			if err != nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			findings[i] = compare(p, found, err)
			return nil
		})
	}
	_ = group.Wait() // No function of the group fails.
	return findings
}

func show(w io.Writer, output string, findings []finding) error {
	if output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(findings); err != nil {
			return fmt.Errorf("print findings: %w", err)
		}
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PIN\tPINNED\tNEWEST\tSTATE\tSOURCE")
	// One publisher that is away is one problem, of many pins.
	var problems []string
	names := map[string][]string{}
	for _, f := range findings {
		pinned, newest := f.Pinned, f.Newest
		if pinned == "" {
			pinned = "-"
		}
		switch {
		case f.State == unreachable:
			newest = "?"
		case f.State == outdated && newest == f.Pinned && f.pin.sums[imageKey] == "":
			newest += " has a digest"
		case f.State == outdated && newest == f.Pinned:
			newest += " has another digest"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", f.Name, pinned, newest, f.State, f.Source)
		if f.Problem != "" {
			problem := strings.ReplaceAll(f.Problem, "\n", "; ")
			if names[problem] == nil {
				problems = append(problems, problem)
			}
			names[problem] = append(names[problem], f.Name)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print findings: %w", err)
	}
	if len(problems) > 0 {
		fmt.Fprint(w, "\nNot found out:\n")
	}
	for _, problem := range problems {
		fmt.Fprintf(w, "  %s: %s\n", strings.Join(names[problem], ", "), problem)
	}
	return nil
}

// rewrite edits the pins that can be, and says which cannot.
func rewrite(f files, findings []finding, w io.Writer) error {
	for _, found := range findings {
		if found.State != outdated {
			continue
		}
		err := found.release.missing
		switch {
		case err != nil:
		case found.pin.edit == nil:
			err = errors.New("edit it by hand")
		default:
			err = f.attempt(func(f files) error { return found.pin.edit(f, found.pin, found.release) })
		}
		if err != nil {
			fmt.Fprintf(w, "outdated: %s stays at %s, not %s: %v\n", found.Name, found.Pinned, found.Newest, err)
			continue
		}
		fmt.Fprintf(w, "outdated: %s: %s to %s\n", found.Name, found.Pinned, found.Newest)
	}
	return f.write()
}
