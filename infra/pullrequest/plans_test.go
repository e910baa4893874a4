package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// repository is a git repository whose program is a script. Its plan of a stack
// is the stack's file.
func repository(t *testing.T, program string) string {
	t.Helper()
	root := t.TempDir()
	runGit(t, root, "init", "--quiet", "--initial-branch", "main")
	write(t, filepath.Join(root, "infra", "run"), "#!/bin/sh\nset -eu\n"+program)
	require.NoError(t, os.Chmod(filepath.Join(root, "infra", "run"), 0o755))
	return root
}

const plansItsFile = `[ "$1 $2" = "plan --stack" ]; cat "Pulumi.$3.yaml"`

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

func runGit(t *testing.T, root string, arguments ...string) string {
	t.Helper()
	command := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.com"}, arguments...)...)
	command.Dir = root
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return string(output)
}

func commit(t *testing.T, root string) {
	t.Helper()
	runGit(t, root, "add", "--all")
	runGit(t, root, "commit", "--quiet", "--message", "a change")
}

func TestTheBaseIsRenderedByItsOwnProgramFromItsOwnFiles(t *testing.T) {
	root := repository(t, "echo 'program: old'\n"+plansItsFile)
	write(t, filepath.Join(root, "Pulumi.dev.yaml"), "rate: 1\n")
	write(t, filepath.Join(root, "Pulumi.old.yaml"), "rate: 2\n")
	commit(t, root)
	write(t, filepath.Join(root, "infra", "run"), "#!/bin/sh\nset -eu\necho 'program: new'\n"+plansItsFile)
	write(t, filepath.Join(root, "Pulumi.dev.yaml"), "rate: 10\n")
	require.NoError(t, os.Remove(filepath.Join(root, "Pulumi.old.yaml")))
	folder := t.TempDir()
	write(t, filepath.Join(folder, "head", "old.yaml"), "left by an earlier run")

	var base string
	err := withBase(t.Context(), root, "main", func(checkout string) error {
		base = checkout
		return renderPlans(t.Context(), checkout, root, folder)
	})
	require.NoError(t, err)
	assert.Equal(t, "program: old\nrate: 1\n", read(t, filepath.Join(folder, "base", "dev.yaml")))
	assert.Equal(t, "program: old\nrate: 2\n", read(t, filepath.Join(folder, "base", "old.yaml")))
	assert.Equal(t, "program: new\nrate: 10\n", read(t, filepath.Join(folder, "head", "dev.yaml")))
	assert.NoFileExists(t, filepath.Join(folder, "head", "old.yaml"))

	assert.NoDirExists(t, base)
	assert.NotContains(t, runGit(t, root, "worktree", "list"), base)
}

func TestTheBasesCheckoutGoesWhateverHappens(t *testing.T) {
	root := repository(t, "exit 3")
	write(t, filepath.Join(root, "Pulumi.dev.yaml"), "")
	commit(t, root)
	ctx, cancel := context.WithCancel(t.Context())
	var base string
	err := withBase(ctx, root, "HEAD", func(checkout string) error {
		base = checkout
		cancel()
		return renderPlans(t.Context(), checkout, root, t.TempDir())
	})
	require.ErrorContains(t, err, `plan of the base's stack "dev": kubetracing plan: exit status 3`)
	assert.NoDirExists(t, base)
	assert.NotContains(t, runGit(t, root, "worktree", "list"), base)
}

func TestABaseThatGitDoesNotKnowIsAnError(t *testing.T) {
	root := repository(t, "exit 3")
	commit(t, root)
	err := withBase(t.Context(), root, "nowhere", func(string) error {
		t.Error("there is nothing to do anything with")
		return nil
	})
	require.ErrorContains(t, err, "git worktree: ")
	require.ErrorContains(t, err, "nowhere")
}
