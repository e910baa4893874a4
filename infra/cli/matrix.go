package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/stacks"
)

// newMatrix prints the supported combinations in the form of a GitHub Actions matrix.
func newMatrix(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "matrix",
		Short: "Print every supported Kubernetes minor and runtime, as JSON for a CI's matrix",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			matrix := map[string][]stacks.Combination{"include": stacks.Combinations()}
			if err := json.NewEncoder(a.Stdout).Encode(matrix); err != nil {
				return fmt.Errorf("print matrix: %w", err)
			}
			return nil
		},
	}
}
