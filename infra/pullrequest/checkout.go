package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// withBase checks the base out beside the head while do runs. The base's program
// renders and brings up the base: its settings, its code.
func withBase(ctx context.Context, head, base string, do func(root string) error) (err error) {
	commit, err := findBase(ctx, head, base)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "kubetracing-base-")
	if err != nil {
		return fmt.Errorf("create a folder for the base: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	root := filepath.Join(folder, "base")
	if _, err := git(ctx, head, "worktree", "add", "--quiet", "--detach", root, commit); err != nil {
		return err
	}
	defer func() {
		// Also after an interrupt, so that git does not remember a folder that is gone.
		_, removed := git(context.WithoutCancel(ctx), head, "worktree", "remove", "--force", root)
		err = errors.Join(err, removed)
	}()
	return do(root)
}

// hash is the form of a commit's own name.
var hash = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// findBase returns the commit of the base: the branch of that name, else origin's.
// The error about a base that is not in the clone names the command that fetches it.
func findBase(ctx context.Context, head, base string) (string, error) {
	for _, name := range []string{base, "origin/" + base} {
		commit, err := git(ctx, head, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
		if err == nil {
			return commit, nil
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			return "", err
		}
	}
	if hash.MatchString(base) {
		return "", fmt.Errorf("commit %s is not in this clone: run git fetch --depth 1 origin %s", base, base)
	}
	return "", fmt.Errorf("neither %q nor %q is in this clone: run git fetch --depth 1 origin %s:refs/remotes/origin/%s",
		base, "origin/"+base, base, base)
}

// git runs git and returns what it printed, without surrounding space.
func git(ctx context.Context, folder string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", arguments...)
	command.Dir = folder
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", arguments[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(output)), nil
}

// stackNames lists the stacks that a checkout ships.
func stackNames(root string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(root, "Pulumi.*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("list stacks: %w", err)
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml")
	}
	slices.Sort(names)
	return names, nil
}

// launchers start a checkout's program, the present one first: a base may be older.
var launchers = []string{"kubetracing", "infra/run"}

// kubetracing prepares a run of a checkout's own program.
func kubetracing(ctx context.Context, root string, arguments ...string) (*exec.Cmd, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find checkout: %w", err)
	}
	launcher := filepath.Join(absolute, launchers[0])
	for _, candidate := range launchers {
		if info, err := os.Stat(filepath.Join(absolute, candidate)); err == nil && info.Mode().IsRegular() {
			launcher = filepath.Join(absolute, candidate)
			break
		}
	}
	command := exec.CommandContext(ctx, launcher, arguments...)
	command.Dir = absolute
	command.Stderr = os.Stderr
	return command, nil
}
