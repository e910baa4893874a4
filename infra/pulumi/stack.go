package pulumi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/stacks"
)

// Stack runs Pulumi on one stack.
type Stack struct {
	Workspace

	// Runner runs pulumi.
	Runner Runner
	// Env holds NAME=VALUE variables for every run.
	Env []string
	// Local reports whether the state is in the workspace's own folder.
	Local bool
	// PassphraseVariable is the variable that chooses the passphrase of the stack's
	// secrets; empty if none does.
	PassphraseVariable string
	// Log receives progress messages.
	Log io.Writer
}

// NewStack returns a stack whose Pulumi runs with the environment of this process,
// and with defaults for what lookup, such as [os.LookupEnv], finds no choice for.
func NewStack(space Workspace, runner Runner, lookup func(string) (string, bool), log io.Writer) Stack {
	return Stack{
		Workspace: space, Runner: runner, Env: space.Environment(lookup), Local: space.UsesLocalBackend(lookup),
		PassphraseVariable: chosenPassphrase(lookup), Log: log,
	}
}

// Names returns the stack's names in Docker.
func (s Stack) Names() stacks.Names { return stacks.NewNames(s.Project, s.Stack) }

// Run runs a Pulumi command that talks to the terminal.
func (s Stack) Run(ctx context.Context, arguments ...string) error {
	_, err := s.run(ctx, Command{Args: arguments, Interactive: true})
	return err
}

func (s Stack) run(ctx context.Context, command Command) (Result, error) {
	command.Dir, command.Env = s.Directory, s.Env
	result, err := s.Runner.Run(ctx, command)
	var exit *ExitError
	isExit := errors.As(err, &exit)
	if err != nil && !isExit && ctx.Err() == nil {
		// It was killed, and with it nothing that it had started.
		s.EndOrphans(s.Log)
	}
	if isExit && incorrectPassphrase.MatchString(exit.Stderr) {
		return result, s.otherPassphrase()
	}
	return result, err
}

// incorrectPassphrase matches Pulumi's error about a wrong passphrase.
//
// Source: pulumi/pulumi pkg/secrets/passphrase/manager.go (ErrIncorrectPassphrase).
var incorrectPassphrase = regexp.MustCompile(`incorrect passphrase`)

// otherPassphrase is the error of a passphrase that is not the stack's, with what to
// change about the one that was used.
func (s Stack) otherPassphrase() error {
	switch s.PassphraseVariable {
	case passphraseVariable:
		return fmt.Errorf("%s is not the passphrase that stack %q was created with: unset it, or set it to that one",
			passphraseVariable, s.Stack)
	case passphraseFileVariable:
		return fmt.Errorf("the file that %s names does not hold the passphrase that stack %q was created with: unset it, or name the one that does",
			passphraseFileVariable, s.Stack)
	default:
		return fmt.Errorf("stack %q was created with a passphrase of its own: set %s to it, or %s to a file that holds it",
			s.Stack, passphraseVariable, passphraseFileVariable)
	}
}

// query runs a command that reads or writes the state and returns what it prints.
func (s Stack) query(ctx context.Context, stdin string, arguments ...string) (string, error) {
	result, err := s.run(ctx, Command{Args: append(arguments, "--non-interactive"), Stdin: stdin, Limit: queryLimit})
	return result.Stdout, err
}

// Create selects the stack and creates it if need be.
func (s Stack) Create(ctx context.Context) error {
	_, err := s.query(ctx, "", "stack", "select", "--create", "--stack", s.Stack, "--secrets-provider", "passphrase")
	return err
}

// State returns the stack's state and whether Pulumi knows of the stack at all. The
// local backend's file is read directly: Pulumi needs longer to start than for
// anything that is asked of it here.
func (s Stack) State(ctx context.Context) (state State, exists bool, err error) {
	if s.Local {
		text, err := os.ReadFile(s.stateFile())
		if err == nil {
			if state, err = ReadState(text); err != nil {
				err = s.damaged(err)
			}
			return state, true, err
		}
		// A state that is not there may be there compressed.
		if _, err := os.Stat(s.stateFile() + ".gz"); errors.Is(err, fs.ErrNotExist) {
			return State{}, false, nil
		}
	}
	if exists, err := s.exists(ctx); err != nil || !exists {
		return State{}, false, err
	}
	text, err := s.export(ctx)
	if err != nil {
		return State{}, true, err
	}
	if state, err = ReadState([]byte(text)); err != nil {
		return State{}, true, fmt.Errorf("read the state of stack %q: %w", s.Stack, err)
	}
	return state, true, nil
}

// damaged explains a state file that cannot be read.
func (s Stack) damaged(reason error) error {
	path := s.stateFile()
	backup := path + ".bak"
	if text, err := os.ReadFile(backup); err == nil {
		if _, err := ReadState(text); err == nil {
			return fmt.Errorf("the state of stack %q is damaged: %s: %w (was the disk full?). Go back to the one before it: mv '%s' '%s'",
				s.Stack, path, reason, backup, path)
		}
	}
	return fmt.Errorf("the state of stack %q is damaged: %s: %w (was the disk full?). Remove it with rm '%s': "+
		"./kubetracing destroy --stack %s then says how to remove what the stack left in Docker",
		s.Stack, path, reason, path, s.Stack)
}

func (s Stack) exists(ctx context.Context) (bool, error) {
	output, err := s.query(ctx, "", "stack", "ls", "--json")
	if err != nil {
		return false, err
	}
	var list []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal([]byte(output), &list); err != nil {
		return false, fmt.Errorf("read the list of stacks: %w", err)
	}
	for _, stack := range list {
		if stack.Name == s.Stack {
			return true, nil
		}
	}
	return false, nil
}

func (s Stack) export(ctx context.Context) (string, error) {
	return s.query(ctx, "", "stack", "export", "--stack", s.Stack)
}

// Outputs are those that say how to get at a stack.
type Outputs struct {
	JaegerURL  string            `json:"jaegerUrl"`
	Kubeconfig string            `json:"kubeconfig"`
	Traces     map[string]string `json:"traces"`
}

// Outputs returns the stack's outputs.
func (s Stack) Outputs(ctx context.Context) (Outputs, error) {
	text, err := s.query(ctx, "", "stack", "output", "--json", "--show-secrets", "--stack", s.Stack)
	if err != nil {
		return Outputs{}, err
	}
	var outputs Outputs
	if json.Unmarshal([]byte(text), &outputs) != nil {
		// Neither the text nor the decoder's error: they contain the kubeconfig.
		return Outputs{}, errors.New("read the stack's outputs: pulumi stack output did not print JSON")
	}
	return outputs, nil
}

// Preview shows what an update would change.
func (s Stack) Preview(ctx context.Context, flags ...string) error {
	arguments := append([]string{"preview", "--diff", "--suppress-progress", "--stack", s.Stack}, flags...)
	_, err := s.run(ctx, Command{Args: arguments, Interactive: true, KeepStderr: true})
	return err
}

// Up updates the stack. Its events go to follow, or its own output to the terminal if
// that is nil.
func (s Stack) Up(ctx context.Context, follow Follower, flags ...string) error {
	return s.change(ctx, follow, "up", append([]string{"--yes", "--skip-preview", "--stack", s.Stack}, flags...))
}

// Destroy removes everything of the stack, and the stack. Its events go to follow, or
// its own output to the terminal if that is nil.
//
// It also removes what disappears while it does so: Pulumi then refreshes and tries
// again, unless flags make it refresh at once.
//
// Source: kreuzwerker/terraform-provider-docker#703: the docker provider cannot
// remove a container that is gone already.
func (s Stack) Destroy(ctx context.Context, follow Follower, driftFlags, flags []string) error {
	destroy := func(refresh []string) error {
		arguments := []string{"--yes", "--skip-preview", "--remove", "--stack", s.Stack}
		return s.change(ctx, follow, "destroy", slices.Concat(arguments, refresh, flags))
	}
	err := destroy(driftFlags)
	var exit *ExitError
	if !errors.As(err, &exit) || ctx.Err() != nil || len(driftFlags) > 0 {
		return err
	}
	fmt.Fprintln(s.Log, "kubetracing: not everything could be removed; trying again with what is really there")
	return destroy([]string{"--refresh"})
}

// Reconcile removes what a killed update left: its lock, its processes, what it was
// creating, and the record that it was. A lock of a process that runs, or of another
// machine, stays and is an error.
func (s Stack) Reconcile(ctx context.Context, client *docker.Client, state State) error {
	if s.Local {
		if err := s.unlock(ctx); err != nil {
			return err
		}
	}
	if !state.Pending {
		return nil
	}
	text, err := s.export(ctx)
	if err != nil {
		return err
	}
	settled, err := withoutPending([]byte(text))
	if err != nil {
		return err
	}
	// First: it fails while an update runs.
	if _, err := s.query(ctx, string(settled), "stack", "import", "--stack", s.Stack); err != nil {
		return err
	}
	if err := reclaim(ctx, client, state); err != nil {
		return fmt.Errorf("remove what the last update was creating: %w", err)
	}
	return nil
}

// unlock removes the locks of updates that were killed, and ends their processes.
func (s Stack) unlock(ctx context.Context) error {
	held, stale, err := s.Locks()
	if err != nil {
		return err
	}
	if len(held) > 0 {
		return errors.New(held[0].Explain(s.Stack))
	}
	if stale == 0 {
		return nil
	}
	fmt.Fprintln(s.Log, "kubetracing: removing the stale lock of an interrupted update")
	s.EndOrphans(s.Log)
	_, err = s.query(ctx, "", "cancel", "--yes", "--stack", s.Stack)
	return err
}

// KubeconfigPath returns where the stack's kubeconfig is kept for kubectl, in a folder
// that only its user can read. The user's own kubeconfig stays as it is.
func (w Workspace) KubeconfigPath() string {
	return filepath.Join(w.Folder("kubeconfig"), w.Stack+".yaml")
}

// WriteKubeconfig writes the stack's kubeconfig, readable by its user only.
func (w Workspace) WriteKubeconfig(content string) error {
	path := w.KubeconfigPath()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	if err := replaceFile(path, []byte(content)); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}

// RemoveKubeconfig removes the kubeconfig of a cluster that is gone.
func (w Workspace) RemoveKubeconfig() error {
	if err := os.Remove(w.KubeconfigPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove kubeconfig: %w", err)
	}
	// Only the last of them leaves an empty folder.
	_ = os.Remove(filepath.Dir(w.KubeconfigPath()))
	return nil
}
