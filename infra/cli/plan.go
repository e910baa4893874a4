package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/infra/plan"
	"github.com/kubetracing/kubetracing/stacks"
)

func newPlan(options *options, compose plan.Compose) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Print everything that the stack would create, offline",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			out, err := Plan(options.root, options.stack, compose)
			if err != nil {
				return err
			}
			if _, err := command.OutOrStdout().Write(out); err != nil {
				return fmt.Errorf("print plan: %w", err)
			}
			return nil
		},
	}
}

// Plan renders the offline plan of a stack whose files are in the folder root.
func Plan(root, name string, compose plan.Compose) ([]byte, error) {
	stack, err := openStack(root, name)
	if err != nil {
		return nil, err
	}
	planned, err := plan.New(stack.Project, name, stack, compose)
	if err != nil {
		return nil, err
	}
	return planned.YAML()
}

// openStack reads a stack whose files are in the folder root.
func openStack(root, name string) (stacks.Stack, error) {
	files, err := stacks.ReadFiles(root, name)
	if err != nil {
		return stacks.Stack{}, err
	}
	config, err := files.Config()
	if err != nil {
		return stacks.Stack{}, err
	}
	return stacks.Open(root, string(files.Project.Name), name, config)
}
