package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The folders below the one that renderPlans fills, and the extensions in them.
const (
	baseFolder = "base"
	headFolder = "head"

	planExtension    = ".yaml"
	mistakeExtension = ".error"
)

// renderPlans writes the offline plan of every stack of both checkouts, each by
// its own program, to base/STACK.yaml and head/STACK.yaml. What is wrong with a
// stack that has no plan stands in STACK.error instead.
func renderPlans(ctx context.Context, base, head, folder string) error {
	for _, side := range []struct{ name, root string }{{baseFolder, base}, {headFolder, head}} {
		target := filepath.Join(folder, side.name)
		// A stack that no longer exists must not be compared with what it was.
		if err := os.RemoveAll(target); err != nil {
			return fmt.Errorf("remove earlier plans: %w", err)
		}
		if err := os.MkdirAll(target, 0o755); err != nil {
			return fmt.Errorf("create a folder for plans: %w", err)
		}
		stacks, err := stackNames(side.root)
		if err != nil {
			return err
		}
		for _, stack := range stacks {
			content, stderr, err := kubetracingOutput(ctx, side.root, "plan", "--stack", stack)
			extension := planExtension
			if err != nil {
				if ctx.Err() != nil {
					return fmt.Errorf("plan the %s's stack %q: %w", side.name, stack, err)
				}
				content, extension = []byte(cmp.Or(stderr, err.Error())), mistakeExtension
			}
			if err := os.WriteFile(filepath.Join(target, stack+extension), content, 0o644); err != nil { //nolint:gosec // a plan has no secrets
				return fmt.Errorf("write plan: %w", err)
			}
		}
	}
	return nil
}

// kubetracingOutput returns what the program prints on standard output and on
// standard error; the latter is shown too.
func kubetracingOutput(ctx context.Context, root string, arguments ...string) (stdout []byte, stderr string, err error) {
	command, err := kubetracing(ctx, root, arguments...)
	if err != nil {
		return nil, "", err
	}
	var printed, complained bytes.Buffer
	command.Stdout, command.Stderr = &printed, io.MultiWriter(os.Stderr, &complained)
	if err := command.Run(); err != nil {
		return printed.Bytes(), complained.String(), fmt.Errorf("kubetracing %s: %w", arguments[0], err)
	}
	return printed.Bytes(), complained.String(), nil
}
