package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/stacks"
)

func newUp(a *App, o *options) *cobra.Command {
	var verbose bool
	command := &cobra.Command{
		Use:   "up [-- PULUMI FLAGS...]",
		Short: "Create or update the stack, and repair what is missing of it",
		RunE: func(command *cobra.Command, flags []string) error {
			return a.up(command.Context(), o, verbose, flags)
		},
	}
	addVerbose(command, &verbose)
	return command
}

func addVerbose(command *cobra.Command, verbose *bool) {
	command.Flags().BoolVarP(verbose, "verbose", "v", false, "show everything that Pulumi prints instead of phases")
}

func (a *App) up(ctx context.Context, o *options, verbose bool, flags []string) error {
	stack, err := stacks.OpenFiles(o.root, o.stack)
	if err != nil {
		return err
	}
	space, err := pulumi.Prepare(o.root, o.stack)
	if err != nil {
		return err
	}
	s, err := a.open(ctx, space, a.Compile, inOrder(a.checkBuild(stack), a.pullImages(stack)))
	if err != nil {
		return err
	}
	if err := s.checkVersion(); err != nil {
		return err
	}
	if strangers := s.strangers(); len(strangers) > 0 && s.state.Identity() == "" {
		// What has the stack's names cannot be created.
		return errors.New(strings.Join(strangers, "\nkubetracing: "))
	}
	drift := s.drift()
	drift.Print(a.Stderr)
	if !s.exists {
		if err := s.stack.Create(ctx); err != nil {
			return err
		}
	}
	if err := s.stack.Reconcile(ctx, a.Docker, s.state); err != nil {
		return err
	}
	err = errors.Join(drift.Unpause(ctx, a.Docker), drift.StartNodes(ctx, a.Docker, s.state, a.Stderr))
	if err != nil {
		return err
	}
	if err := s.stack.Up(ctx, a.follower(verbose), append(drift.UpFlags(), flags...)...); err != nil {
		return err
	}
	// A Ctrl-C that came too late for Pulumi is too late for this.
	ctx = context.WithoutCancel(ctx)
	granted, err := a.grantAccess(ctx, s.stack)
	if granted {
		a.printLosses(ctx, stack)
	}
	return err
}
