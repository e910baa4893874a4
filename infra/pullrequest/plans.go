package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// The folders below the one that renderPlans fills.
const (
	baseFolder = "base"
	headFolder = "head"
)

// renderPlans writes the offline plan of every stack of both checkouts, each by
// its own program, to base/STACK.yaml and head/STACK.yaml.
func renderPlans(ctx context.Context, base, head, folder string) error {
	for _, side := range []struct{ name, root string }{{baseFolder, base}, {headFolder, head}} {
		target := filepath.Join(folder, side.name)
		// A stack that is no more must not be compared with what it was.
		if err := os.RemoveAll(target); err != nil {
			return fmt.Errorf("clear earlier plans: %w", err)
		}
		if err := os.MkdirAll(target, 0o755); err != nil {
			return fmt.Errorf("make folder for plans: %w", err)
		}
		stacks, err := stackNames(side.root)
		if err != nil {
			return err
		}
		for _, stack := range stacks {
			plan, err := kubetracingOutput(ctx, side.root, "plan", "--stack", stack)
			if err != nil {
				return fmt.Errorf("plan of the %s's stack %q: %w", side.name, stack, err)
			}
			if err := os.WriteFile(filepath.Join(target, stack+".yaml"), plan, 0o644); err != nil { //nolint:gosec // a plan has no secrets
				return fmt.Errorf("write plan: %w", err)
			}
		}
	}
	return nil
}

// kubetracing prepares a run of a checkout's own program.
func kubetracing(ctx context.Context, root string, arguments ...string) (*exec.Cmd, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find checkout: %w", err)
	}
	command := exec.CommandContext(ctx, filepath.Join(absolute, "infra", "run"), arguments...)
	command.Dir = absolute
	command.Stderr = os.Stderr
	return command, nil
}

// kubetracingOutput gives what the program prints on standard output.
func kubetracingOutput(ctx context.Context, root string, arguments ...string) ([]byte, error) {
	command, err := kubetracing(ctx, root, arguments...)
	if err != nil {
		return nil, err
	}
	var stdout bytes.Buffer
	command.Stdout = &stdout
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("kubetracing %s: %w", arguments[0], err)
	}
	return stdout.Bytes(), nil
}
