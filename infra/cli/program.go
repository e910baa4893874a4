package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/stacks"
)

// newProgram becomes the Pulumi program. Pulumi runs it through infra/run.
func newProgram(a *App) *cobra.Command {
	return &cobra.Command{
		Use:    "program [-- ARGUMENTS...]",
		Short:  "Compile the Pulumi program if need be and run it",
		Hidden: true,
		RunE: func(command *cobra.Command, arguments []string) error {
			return a.Exec(command.Context(), a.Stderr, arguments...)
		},
	}
}

func newPlan(a *App, o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Print everything that the stack would create; needs only Go",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			// Mistakes are reported before anything is compiled.
			if _, err := stacks.OpenFiles(o.root, o.stack); err != nil {
				return err
			}
			root, err := filepath.Abs(o.root)
			if err != nil {
				return fmt.Errorf("find folder %s: %w", o.root, err)
			}
			return a.Exec(command.Context(), a.Stderr, "plan", "--root", root, "--stack", o.stack)
		},
	}
}
