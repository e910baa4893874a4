// Package cli is kubetracing's command line. It installs what a fresh machine lacks
// and then runs Pulumi; where everything is installed, Pulumi can be run directly.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/infra/compile"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/infra/tools"
)

// App is what commands work with.
type App struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Width is that of the terminal on Stderr in columns, OutWidth that of the one on
	// Stdout; 0 if it is not a terminal.
	Width, OutWidth int
	// LookupEnv reads the environment.
	LookupEnv func(string) (string, bool)
	// Docker runs docker and k3d, Pulumi runs pulumi.
	Docker *docker.Client
	Pulumi pulumi.Runner
	// InstallTools installs missing tools in a folder and puts them on PATH.
	InstallTools func(ctx context.Context, folder string, w io.Writer) error
	// Compile compiles the Pulumi program, and Exec becomes it.
	Compile func(ctx context.Context, w io.Writer) error
	Exec    func(ctx context.Context, w io.Writer, arguments ...string) error
}

// Run runs a command line with what this process has, and returns the exit code.
func Run(arguments []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	app := App{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Width: terminalWidth(os.Stderr), OutWidth: terminalWidth(os.Stdout), LookupEnv: os.LookupEnv,
		Docker: docker.New(), Pulumi: pulumi.Exec{},
		InstallTools: func(ctx context.Context, folder string, w io.Writer) error {
			return tools.Install(ctx, folder, tools.Pinned(), w)
		},
		Compile: func(ctx context.Context, w io.Writer) error {
			program, err := compile.PulumiProgram()
			if err != nil {
				return err
			}
			return program.Ensure(ctx, w)
		},
		Exec: func(ctx context.Context, w io.Writer, arguments ...string) error {
			program, err := compile.PulumiProgram()
			if err != nil {
				return err
			}
			return program.Exec(ctx, w, arguments...)
		},
	}
	return app.Run(ctx, arguments)
}

// Run runs a command line and returns the exit code: Pulumi's where it ran, the
// command's own where its help names one, else 0 for success and 1 for an error. The
// error is then on standard error.
func (a *App) Run(ctx context.Context, arguments []string) int {
	root := a.newRoot()
	root.SetArgs(arguments)
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var ran *pulumi.ExitError
	isPulumi := errors.As(err, &ran)
	// An error that was shown already is not repeated.
	if !isPulumi || !ran.Shown {
		fmt.Fprintln(a.Stderr, "kubetracing:", err)
	}
	var own exitError
	switch {
	case errors.As(err, &own):
		return own.code
	case isPulumi:
		return ran.Code
	default:
		return 1
	}
}

// getenv returns a variable of the environment; empty if it is not set.
func (a *App) getenv(name string) string {
	value, _ := a.LookupEnv(name)
	return value
}

// exitError is an error with an exit code of its own.
type exitError struct {
	error
	code int
}

func (e exitError) Unwrap() error { return e.error }

// options are those of every command.
type options struct{ root, stack string }

// defaultStack is the stack that is meant if none is named.
const defaultStack = "dev"

func (a *App) newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "kubetracing",
		Short:         "A Kubernetes cluster that traces itself",
		SilenceUsage:  true,
		SilenceErrors: true,
		// Somebody who names no command wants to know which there are.
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
		Args: cobra.NoArgs,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	o := &options{}
	root.PersistentFlags().StringVar(&o.root, "root", ".", "the project's folder")
	root.PersistentFlags().StringVarP(&o.stack, "stack", "s", defaultStack, "the stack")
	root.AddCommand(
		newUp(a, o),
		newPreview(a, o),
		newDestroy(a, o),
		newPlan(a, o),
		newVerify(a, o),
		newFollow(a, o),
		newTimeline(a, o),
		newExport(a, o),
		newImport(a, o),
		newEnv(a, o),
		newPulumi(a, o),
		newMatrix(a),
		newProgram(a),
	)
	root.AddCommand(newProviderCommands(a)...)
	return root
}
