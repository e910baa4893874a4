package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/stacks"
)

// newMatrix prints what there is to try, in the form of a GitHub Actions matrix.
func newMatrix() *cobra.Command {
	return &cobra.Command{
		Use:   "matrix",
		Short: "Print every Kubernetes minor and runtime to try, as JSON for a CI's matrix",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			matrix := map[string][]stacks.Combination{"include": stacks.Combinations()}
			if err := json.NewEncoder(command.OutOrStdout()).Encode(matrix); err != nil {
				return fmt.Errorf("print matrix: %w", err)
			}
			return nil
		},
	}
}
