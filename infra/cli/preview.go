package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/stacks"
)

func newPreview(a *App, o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "preview [-- PULUMI FLAGS...]",
		Short: "Show what an update would change",
		RunE: func(command *cobra.Command, flags []string) error {
			return a.preview(command.Context(), o, flags)
		},
	}
}

func (a *App) preview(ctx context.Context, o *options, flags []string) error {
	stack, err := stacks.OpenFiles(o.root, o.stack)
	if err != nil {
		return err
	}
	space, err := pulumi.Prepare(o.root, o.stack)
	if err != nil {
		return err
	}
	s, err := a.open(ctx, space, a.Compile, a.checkBuild(stack))
	if err != nil {
		return err
	}
	if err := s.checkVersion(); err != nil {
		return err
	}
	a.printAll(s.strangers())
	drift := s.drift()
	drift.Print(a.Stderr)
	if !s.exists {
		if err := s.stack.Create(ctx); err != nil {
			return err
		}
	}
	return s.stack.Preview(ctx, append(drift.PreviewFlags(), flags...)...)
}
