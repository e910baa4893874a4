package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// withBase checks the base out beside the head, for as long as do takes. The
// base's program renders and brings up the base: its settings, its code.
func withBase(ctx context.Context, head, commit string, do func(root string) error) (err error) {
	folder, err := os.MkdirTemp("", "kubetracing-base-")
	if err != nil {
		return fmt.Errorf("make folder for the base: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	root := filepath.Join(folder, "base")
	if err := git(ctx, head, "worktree", "add", "--quiet", "--detach", root, commit); err != nil {
		return err
	}
	defer func() {
		// Also after an interrupt, so that git does not remember a folder that is gone.
		err = errors.Join(err, git(context.WithoutCancel(ctx), head, "worktree", "remove", "--force", root))
	}()
	return do(root)
}

func git(ctx context.Context, folder string, arguments ...string) error {
	command := exec.CommandContext(ctx, "git", arguments...)
	command.Dir = folder
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", arguments[0], err, strings.TrimSpace(string(output)))
	}
	return nil
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
