package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/infra/otlp"
	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/infra/steps"
	"github.com/kubetracing/kubetracing/infra/updatetrace"
	"github.com/kubetracing/kubetracing/stacks"
)

func newUp(a *App, o *options) *cobra.Command {
	var verbose, trace bool
	command := &cobra.Command{
		Use:   "up [-- PULUMI FLAGS...]",
		Short: "Create or update the stack, and repair what is missing of it",
		RunE: func(command *cobra.Command, flags []string) error {
			return a.up(command.Context(), o, verbose, trace, flags)
		},
	}
	addVerbose(command, &verbose)
	command.Flags().BoolVar(&trace, "trace", true, "send a trace of the update itself to the stack's Jaeger")
	return command
}

func addVerbose(command *cobra.Command, verbose *bool) {
	command.Flags().BoolVarP(verbose, "verbose", "v", false, "show everything that Pulumi prints instead of phases")
}

func (a *App) up(ctx context.Context, o *options, verbose, trace bool, flags []string) error {
	stack, err := stacks.OpenFiles(o.root, o.stack)
	if err != nil {
		return err
	}
	var recording *updatetrace.Recording
	traced := ctx
	if trace {
		traced, recording = updatetrace.Start(ctx)
		defer recording.Close()
	}
	var updated pulumi.Stack
	err = steps.Do(traced, "up", func(ctx context.Context) (err error) {
		updated, err = a.update(ctx, o, stack, verbose, recording, flags)
		return err
	})
	if err != nil {
		return err
	}
	// A Ctrl-C that came too late for Pulumi is too late for this.
	ctx = context.WithoutCancel(ctx)
	granted, err := a.grantAccess(ctx, updated, func(ctx context.Context) string {
		return a.sendTrace(ctx, stack, recording)
	})
	if granted {
		a.printLosses(ctx, stack)
	}
	return err
}

// sendLimit bounds the sending of an update's trace.
const sendLimit = 20 * time.Second

// sendTrace sends the trace of an update to the stack's own Jaeger, and returns its id;
// empty if it is not there. The update has succeeded whatever becomes of its trace.
func (a *App) sendTrace(ctx context.Context, stack stacks.Stack, recording *updatetrace.Recording) string {
	if recording == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	if err := otlp.NewSender(a.Docker, stack).Send(ctx, recording.Traces()); err != nil {
		fmt.Fprintln(a.Stderr, "kubetracing: the trace of this update is not in Jaeger:", err)
		return ""
	}
	return recording.TraceID()
}

// update updates the stack and returns it.
func (a *App) update(
	ctx context.Context, o *options, stack stacks.Stack, verbose bool, recording *updatetrace.Recording, flags []string,
) (pulumi.Stack, error) {
	space, err := pulumi.Prepare(o.root, o.stack)
	if err != nil {
		return pulumi.Stack{}, err
	}
	s, err := a.open(ctx, space, step("compile the program", a.Compile), step("pull images", inOrder(a.checkBuild(stack), a.pullImages(stack))))
	if err != nil {
		return pulumi.Stack{}, err
	}
	if err := s.checkVersion(); err != nil {
		return pulumi.Stack{}, err
	}
	if strangers := s.strangers(); len(strangers) > 0 && s.state.Identity() == "" {
		// What has the stack's names cannot be created.
		return pulumi.Stack{}, errors.New(strings.Join(strangers, "\nkubetracing: "))
	}
	drift := s.drift()
	drift.Print(a.Stderr)
	if !s.exists {
		if err := s.stack.Create(ctx); err != nil {
			return pulumi.Stack{}, err
		}
	}
	if err := s.stack.Reconcile(ctx, a.Docker, s.state); err != nil {
		return pulumi.Stack{}, err
	}
	err = errors.Join(drift.Unpause(ctx, a.Docker), drift.StartNodes(ctx, a.Docker, s.state, a.Stderr))
	if err != nil {
		return pulumi.Stack{}, err
	}
	return s.stack, steps.Do(ctx, "pulumi up", func(ctx context.Context) error {
		running := s.stack
		if recording != nil {
			running.Env = append(slices.Clone(running.Env), recording.Environment(ctx, a.LookupEnv)...)
		}
		return running.Up(ctx, a.follower(verbose), append(drift.UpFlags(), flags...)...)
	})
}
