package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/kubetracing/kubetracing/infra/drift"
	"github.com/kubetracing/kubetracing/infra/preflight"
	"github.com/kubetracing/kubetracing/infra/tools"
	"github.com/kubetracing/kubetracing/infra/workspace"
)

// defaultPassphrase encrypts the secrets of a local stack: the kubeconfig of a
// throw-away cluster that only listens on 127.0.0.1, in a state folder that only
// its user reads. Who needs more sets PULUMI_CONFIG_PASSPHRASE.
const defaultPassphrase = "kubetracing"

// newUp, newPreview and newDestroy run the Pulumi command of the same name on
// the stack. Arguments after -- go to Pulumi.

func newUp(options *options) *cobra.Command {
	return newOnStack(options, "up", "Create or update the stack, and what is missing of it",
		func(ctx context.Context, space workspace.Workspace, extra []string) error {
			found, err := openStackAsItIs(ctx, options, space)
			if err != nil {
				return err
			}
			missing := found.drift()
			missing.Tell(os.Stderr)
			if err := found.settle(ctx, space); err != nil {
				return err
			}
			if err := errors.Join(missing.Unpause(ctx), missing.StartNodes(ctx, found.names, os.Stderr)); err != nil {
				return err
			}
			arguments := append([]string{"up", "--yes", "--skip-preview", "--stack", space.Stack}, missing.UpFlags()...)
			if err := runPulumi(ctx, space, append(arguments, extra...)...); err != nil {
				return err
			}
			// A Ctrl-C that came too late for Pulumi is too late for this.
			return grantAccess(context.WithoutCancel(ctx), space, os.Stdout)
		})
}

func newPreview(options *options) *cobra.Command {
	return newOnStack(options, "preview", "Show what an update would change",
		func(ctx context.Context, space workspace.Workspace, extra []string) error {
			found, err := openStackAsItIs(ctx, options, space)
			if err != nil {
				return err
			}
			missing := found.drift()
			missing.Tell(os.Stderr)
			arguments := append([]string{"preview", "--diff", "--suppress-progress", "--stack", space.Stack}, missing.PreviewFlags()...)
			return runPulumi(ctx, space, append(arguments, extra...)...)
		})
}

func newDestroy(options *options) *cobra.Command {
	return newOnStack(options, "destroy", "Remove everything of the stack",
		func(ctx context.Context, space workspace.Workspace, extra []string) error {
			found, err := lookAtStack(ctx, options, space)
			if err != nil {
				return err
			}
			if !found.exists {
				fmt.Fprintf(os.Stderr, "kubetracing: there is no stack %q to destroy\n", space.Stack)
				return nil
			}
			missing := found.drift()
			if err := found.settle(ctx, space); err != nil {
				return err
			}
			if err := errors.Join(missing.Unpause(ctx), drift.RemoveCluster(ctx, found.state, found.world, found.names, os.Stderr)); err != nil {
				return err
			}
			if err := destroyEverything(ctx, space, missing.DestroyFlags(), extra); err != nil {
				return err
			}
			if err := revokeAccess(space); err != nil {
				return err
			}
			if os.Getenv(backendVariable) == localBackend(space) {
				return space.Forget()
			}
			return nil
		})
}

// destroyEverything also destroys what goes away while it does so: Pulumi then
// looks at the world once more. flags are what the drift asks for.
//
// Source: kreuzwerker/terraform-provider-docker#703: the docker provider cannot
// remove a container that is gone already.
func destroyEverything(ctx context.Context, space workspace.Workspace, flags, extra []string) error {
	destroy := func(flags []string) error {
		arguments := []string{"destroy", "--yes", "--skip-preview", "--remove", "--stack", space.Stack}
		return runPulumi(ctx, space, slices.Concat(arguments, flags, extra)...)
	}
	err := destroy(flags)
	if err == nil || ctx.Err() != nil || len(flags) > 0 {
		return err
	}
	fmt.Fprintln(os.Stderr, "kubetracing: not everything could be removed; trying again with what is really there")
	return destroy([]string{"--refresh"})
}

// newPassthrough runs any other Pulumi command where the stack is, as
// `kubetracing pulumi -- stack output kubeconfig --show-secrets`.
func newPassthrough(options *options) *cobra.Command {
	command := newPulumi(options, "pulumi", "Run any Pulumi command in the stack's workspace",
		func(ctx context.Context, space workspace.Workspace, extra []string) error {
			if extra[0] == "config" {
				return configure(ctx, options, space, extra)
			}
			return runPulumi(ctx, space, extra...)
		})
	command.Args = cobra.MinimumNArgs(1)
	return command
}

// configure runs `pulumi config`, which needs the stack to exist, and hands what it
// writes, such as an encrypted password, on to the project.
func configure(ctx context.Context, options *options, space workspace.Workspace, arguments []string) error {
	if err := createStack(ctx, space); err != nil {
		return err
	}
	before, err := space.StackFile()
	if err != nil {
		return err
	}
	if err := runPulumi(ctx, space, arguments...); err != nil {
		return err
	}
	after, err := space.StackFile()
	if err != nil || bytes.Equal(before, after) {
		return err
	}
	return space.Return(options.root)
}

// newOnStack is a command that compares what Pulumi knows with what Docker has.
// Docker is asked while the tools are looked for: Pulumi alone takes a fifth of a
// second to tell its version.
func newOnStack(
	options *options, name, short string, run func(context.Context, workspace.Workspace, []string) error,
) *cobra.Command {
	command := newPulumi(options, name, short, run)
	command.PreRun = func(command *cobra.Command, _ []string) { options.world = startLooking(command.Context()) }
	return command
}

func newPulumi(
	options *options, name, short string, run func(context.Context, workspace.Workspace, []string) error,
) *cobra.Command {
	return &cobra.Command{
		Use:   name + " [-- PULUMI FLAGS]",
		Short: short,
		RunE: func(command *cobra.Command, extra []string) error {
			ctx := command.Context()
			if err := preflight.Docker(ctx); err != nil {
				return err
			}
			space, err := workspace.Prepare(options.root, options.stack)
			if err != nil {
				return err
			}
			if err := setEnvironment(ctx, space); err != nil {
				return err
			}
			return run(ctx, space, extra)
		},
	}
}

// backendVariable names where Pulumi keeps its state.
const backendVariable = "PULUMI_BACKEND_URL"

// localBackend is the state folder of someone who chose no other.
func localBackend(space workspace.Workspace) string {
	return "file://" + filepath.ToSlash(space.Folder("state"))
}

// setEnvironment sets this process' environment, which Pulumi inherits: the
// user's own wherever the user has chosen something, else everything below the
// project's folder.
func setEnvironment(ctx context.Context, space workspace.Workspace) error {
	folders, err := tools.Ensure(ctx, space.Folder("tools"), tools.Pinned(), os.Stderr)
	if err != nil {
		return err
	}
	path := strings.Join(append(folders, os.Getenv("PATH")), string(os.PathListSeparator))
	if err := os.Setenv("PATH", path); err != nil {
		return fmt.Errorf("set PATH: %w", err)
	}
	defaults := map[string]string{
		backendVariable:            localBackend(space),
		"PULUMI_HOME":              space.Folder("pulumi"),
		"PULUMI_SKIP_UPDATE_CHECK": "true",
		// The state of a throw-away cluster needs no history.
		"PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
		// Pulumi, its plugins and k3d are short-lived programs in Go. With fewer garbage
		// collections an update without a change takes a fifth less, for a tenth more
		// memory (from 470 to 508 MiB).
		"GOGC": "400",
	}
	// Pulumi downloads its plugins itself: from where the tools come from, or not.
	if overrides := tools.PluginURLOverrides(); overrides != "" {
		defaults["PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES"] = overrides
	}
	if tools.Offline() {
		defaults["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
	}
	if _, inFile := os.LookupEnv("PULUMI_CONFIG_PASSPHRASE_FILE"); !inFile {
		defaults["PULUMI_CONFIG_PASSPHRASE"] = defaultPassphrase
	}
	for variable, value := range defaults {
		if _, chosen := os.LookupEnv(variable); chosen {
			continue
		}
		if err := os.Setenv(variable, value); err != nil {
			return fmt.Errorf("set %s: %w", variable, err)
		}
	}
	return nil
}

// createStack selects the stack, which it creates if need be.
func createStack(ctx context.Context, space workspace.Workspace) error {
	return runPulumi(ctx, space, "stack", "select", "--create", "--stack", space.Stack,
		"--secrets-provider", "passphrase", "--non-interactive")
}

func stackExists(ctx context.Context, space workspace.Workspace) (bool, error) {
	command := exec.CommandContext(ctx, "pulumi", "stack", "ls", "--json", "--non-interactive")
	command.Dir = space.Directory
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return false, fmt.Errorf("pulumi stack ls: %w", err)
	}
	var stacks []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(output, &stacks); err != nil {
		return false, fmt.Errorf("read what pulumi stack ls says: %w", err)
	}
	for _, stack := range stacks {
		if stack.Name == space.Stack {
			return true, nil
		}
	}
	return false, nil
}

// interruptGrace is how long Pulumi gets to write down its state after Ctrl-C.
const interruptGrace = 2 * time.Minute

func runPulumi(ctx context.Context, space workspace.Workspace, arguments ...string) error {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		// Ctrl-C reaches Pulumi through the terminal, and Pulumi takes a second
		// interrupt as an order to drop everything: only what it cannot have got is
		// passed on.
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM)
		defer stop()
	}
	command := exec.CommandContext(ctx, "pulumi", arguments...)
	command.Dir = space.Directory
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	// A plain kill would lose Pulumi's state.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
	command.WaitDelay = interruptGrace
	if err := command.Run(); err != nil {
		return fmt.Errorf("pulumi %s: %w", arguments[0], err)
	}
	return nil
}
