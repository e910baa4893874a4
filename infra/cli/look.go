package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"

	"github.com/kubetracing/kubetracing/infra/drift"
	"github.com/kubetracing/kubetracing/infra/workspace"
	"github.com/kubetracing/kubetracing/stacks"
)

// look is a stack as Pulumi and as Docker know it.
type look struct {
	names   stacks.Names
	project string
	// exists tells whether Pulumi knows of the stack at all.
	exists bool
	state  drift.State
	world  drift.World
}

func (l look) drift() drift.Drift { return drift.Find(l.state, l.world, l.names) }

// lookAtStack asks Pulumi, and takes Docker's answer. The stack's settings do not
// matter: what was made with other ones can be destroyed whatever is in the file now.
func lookAtStack(ctx context.Context, options *options, space workspace.Workspace) (look, error) {
	files, err := stacks.ReadFiles(options.root, options.stack)
	if err != nil {
		return look{}, err
	}
	project := string(files.Project.Name)
	found := look{names: stacks.NewNames(project, options.stack), project: project}
	found.state, found.exists, err = readState(ctx, space, project)
	world, lookErr := options.world()
	found.world = world
	return found, errors.Join(err, lookErr)
}

// startLooking asks Docker for what it has, in the background, and gives what waits
// for the answer.
func startLooking(ctx context.Context) func() (drift.World, error) {
	look := sync.OnceValues(func() (drift.World, error) { return drift.Look(ctx) })
	go func() { _, _ = look() }()
	return look
}

// openStackAsItIs looks at a stack, which it creates if need be, unless its settings
// have mistakes.
func openStackAsItIs(ctx context.Context, options *options, space workspace.Workspace) (look, error) {
	if _, err := openStack(options.root, options.stack); err != nil {
		return look{}, err
	}
	found, err := lookAtStack(ctx, options, space)
	if err != nil || found.exists {
		return found, err
	}
	return found, createStack(ctx, space)
}

// readState gives a stack's state and whether there is such a stack. The local
// backend's file is read at once: Pulumi needs longer to start than for anything
// that is asked of it here.
func readState(ctx context.Context, space workspace.Workspace, project string) (drift.State, bool, error) {
	if os.Getenv(backendVariable) == localBackend(space) {
		// One that is not there may be there compressed.
		if text, err := os.ReadFile(space.StateFile(project)); err == nil {
			state, err := drift.ReadState(text)
			return state, true, err
		}
	}
	if exists, err := stackExists(ctx, space); err != nil || !exists {
		return drift.State{}, false, err
	}
	text, err := export(ctx, space)
	if err != nil {
		return drift.State{}, true, err
	}
	state, err := drift.ReadState(text)
	return state, true, err
}

func export(ctx context.Context, space workspace.Workspace) ([]byte, error) {
	command := exec.CommandContext(ctx, "pulumi", "stack", "export", "--stack", space.Stack, "--non-interactive")
	command.Dir = space.Directory
	command.Stderr = os.Stderr
	text, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("pulumi stack export: %w", err)
	}
	return text, nil
}

// settle takes away what a killed update left: its lock, what it was creating, and
// the note that it was. A lock of a process that runs, or of another machine, stays:
// Pulumi says whose it is.
func (l look) settle(ctx context.Context, space workspace.Workspace) error {
	if os.Getenv(backendVariable) == localBackend(space) {
		abandoned, err := space.Abandoned(l.project)
		if err != nil {
			return err
		}
		if abandoned {
			fmt.Fprintln(os.Stderr, "kubetracing: the last update was killed: taking its lock away")
			if err := runPulumi(ctx, space, "cancel", "--yes", "--stack", space.Stack); err != nil {
				return err
			}
		}
	}
	if !l.state.Unsettled {
		return nil
	}
	text, err := export(ctx, space)
	if err != nil {
		return err
	}
	text, err = drift.Settled(text)
	if err != nil {
		return err
	}
	// First: it fails while an update runs.
	command := exec.CommandContext(ctx, "pulumi", "stack", "import", "--stack", space.Stack, "--non-interactive")
	command.Dir, command.Stdin = space.Directory, bytes.NewReader(text)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("pulumi stack import: %w", err)
	}
	if err := drift.Reclaim(ctx, l.state, l.names); err != nil {
		return fmt.Errorf("remove what the last update was creating: %w", err)
	}
	return nil
}
