package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/infra/pulumi"
)

func newDestroy(a *App, o *options) *cobra.Command {
	var verbose bool
	var orphans string
	command := &cobra.Command{
		Use:   "destroy [-- PULUMI FLAGS...]",
		Short: "Remove everything of the stack; works without the stack's file",
		Long: `Removes everything of the stack, and the stack itself. Only what this checkout's
state created is touched. It works without the stack's file, or with one that
cannot be read, from the copy of the last command.

What a lost state left in Docker is named by preview, up and destroy, with its
identity. --orphans removes exactly what carries that identity:

  kubetracing destroy --orphans IDENTITY`,
		RunE: func(command *cobra.Command, flags []string) error {
			if command.Flags().Changed("orphans") {
				return a.destroyOrphans(command.Context(), orphans)
			}
			return a.destroy(command.Context(), o, verbose, flags)
		},
	}
	addVerbose(command, &verbose)
	command.Flags().StringVar(&orphans, "orphans", "", "remove what the lost state of this identity created, and nothing else")
	return command
}

func (a *App) destroy(ctx context.Context, o *options, verbose bool, flags []string) error {
	space, err := pulumi.Prepare(o.root, o.stack)
	if err != nil {
		// What was created with other settings, or none, can be destroyed all the same.
		earlier, reopenErr := pulumi.Reopen(o.root, o.stack)
		if reopenErr != nil {
			return err
		}
		fmt.Fprintf(a.Stderr, "kubetracing: %s\nkubetracing: destroying with the settings of the last command\n", err)
		space = earlier
	}
	s, err := a.open(ctx, space)
	if err != nil {
		return err
	}
	a.printAll(s.strangers())
	if !s.exists {
		fmt.Fprintf(a.Stderr, "kubetracing: there is no stack %q to destroy\n", o.stack)
		return nil
	}
	drift := s.drift()
	if err := s.stack.Reconcile(ctx, a.Docker, s.state); err != nil {
		return err
	}
	if err := drift.Unpause(ctx, a.Docker); err != nil {
		return err
	}
	if err := pulumi.RemoveUnknownCluster(ctx, a.Docker, s.state, s.stack.Names(), a.Stderr); err != nil {
		return err
	}
	if err := s.stack.Destroy(ctx, a.follower(verbose), drift.DestroyFlags(), flags); err != nil {
		return err
	}
	if err := s.stack.RemoveKubeconfig(); err != nil {
		return err
	}
	if s.stack.Local {
		return s.stack.Forget()
	}
	return nil
}

// destroyOrphans removes what a lost state created.
func (a *App) destroyOrphans(ctx context.Context, identity string) error {
	if identity == "" {
		return fmt.Errorf("--orphans: the identity is empty; preview lists them")
	}
	if _, err := a.connect(ctx); err != nil {
		return err
	}
	count, err := pulumi.RemoveOrphans(ctx, a.Docker, identity, a.Stderr)
	if err != nil {
		return err
	}
	if count == 0 {
		return fmt.Errorf("nothing in Docker carries the identity %q", identity)
	}
	fmt.Fprintf(a.Stderr, "kubetracing: removed %d objects of state %s\n", count, identity)
	return nil
}
