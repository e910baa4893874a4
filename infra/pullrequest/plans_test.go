package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// repository creates a git repository whose program is a script.
func repository(t *testing.T, program string) string {
	t.Helper()
	root := t.TempDir()
	runGit(t, root, "init", "--quiet", "--initial-branch", "main")
	setProgram(t, root, "kubetracing", program)
	return root
}

// setProgram makes a script the launcher of a checkout.
func setProgram(t *testing.T, root, launcher, program string) {
	t.Helper()
	write(t, filepath.Join(root, launcher), "#!/bin/sh\nset -eu\n"+program)
	require.NoError(t, os.Chmod(filepath.Join(root, launcher), 0o755))
}

// plansItsFile prints the stack's file as its plan, and rejects one with a mistake.
const plansItsFile = `[ "$1 $2" = "plan --stack" ]
if grep -q mistake "Pulumi.$3.yaml"; then echo "Pulumi.$3.yaml: one mistake" >&2; exit 1; fi
cat "Pulumi.$3.yaml"`

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
	return strings.TrimSpace(string(output))
}

func commit(t *testing.T, root string) {
	t.Helper()
	runGit(t, root, "add", "--all")
	runGit(t, root, "commit", "--quiet", "--message", "a change")
}

func TestRenderPlans(t *testing.T) {
	root := repository(t, "echo 'program: old'\n"+plansItsFile)
	write(t, filepath.Join(root, "Pulumi.dev.yaml"), "rate: 1\n")
	write(t, filepath.Join(root, "Pulumi.old.yaml"), "rate: 2\n")
	commit(t, root)
	setProgram(t, root, "kubetracing", "echo 'program: new'\n"+plansItsFile)
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

func TestRenderPlans_InvalidStack(t *testing.T) {
	root := repository(t, plansItsFile)
	write(t, filepath.Join(root, "Pulumi.ci.yaml"), "mistake")
	write(t, filepath.Join(root, "Pulumi.dev.yaml"), "rate: 1\n")
	commit(t, root)
	folder := t.TempDir()
	require.NoError(t, renderPlans(t.Context(), root, root, folder))
	for _, side := range []string{baseFolder, headFolder} {
		assert.Equal(t, "Pulumi.ci.yaml: one mistake\n", read(t, filepath.Join(folder, side, "ci.error")))
		assert.NoFileExists(t, filepath.Join(folder, side, "ci.yaml"))
		assert.Equal(t, "rate: 1\n", read(t, filepath.Join(folder, side, "dev.yaml")))
	}
}

func TestRenderPlans_OlderLauncher(t *testing.T) {
	root := t.TempDir()
	setProgram(t, root, "infra/run", plansItsFile)
	write(t, filepath.Join(root, "Pulumi.dev.yaml"), "rate: 1\n")
	folder := t.TempDir()
	require.NoError(t, renderPlans(t.Context(), root, root, folder))
	assert.Equal(t, "rate: 1\n", read(t, filepath.Join(folder, baseFolder, "dev.yaml")))
}

// plans runs the command, which prints the comment.
func plans(t *testing.T, root, base string) (string, error) {
	t.Helper()
	var printed strings.Builder
	command := newRoot()
	command.SetOut(&printed)
	command.SetArgs([]string{"plans", "--head", root, "--base", base, "--folder", t.TempDir()})
	err := command.ExecuteContext(t.Context())
	return printed.String(), err
}

func TestPlansCommand_InvalidStack(t *testing.T) {
	root := repository(t, plansItsFile)
	write(t, filepath.Join(root, "Pulumi.ci.yaml"), "rate: 1\n")
	write(t, filepath.Join(root, "Pulumi.dev.yaml"), "rate: 1\n")
	commit(t, root)
	write(t, filepath.Join(root, "Pulumi.ci.yaml"), "rate: 10\n")
	write(t, filepath.Join(root, "Pulumi.dev.yaml"), "mistake")
	printed, err := plans(t, root, "main")
	require.EqualError(t, err, "broken stacks: dev")
	assert.Contains(t, printed, "| `dev` | **is broken**: it has no plan |\n| `ci` | 1 place |\n")
	assert.Contains(t, printed, "Pulumi.dev.yaml: one mistake")
}

func TestWithBase_RemovesCheckout(t *testing.T) {
	root := repository(t, "exit 3")
	commit(t, root)
	ctx, cancel := context.WithCancel(t.Context())
	var base string
	err := withBase(ctx, root, "HEAD", func(checkout string) error {
		base = checkout
		cancel()
		return errors.New("no plans")
	})
	require.EqualError(t, err, "no plans")
	assert.NoDirExists(t, base)
	assert.NotContains(t, runGit(t, root, "worktree", "list"), base)
}

func TestFindBase(t *testing.T) {
	origin := repository(t, plansItsFile)
	write(t, filepath.Join(origin, "Pulumi.dev.yaml"), "rate: 1\n")
	commit(t, origin)
	first := runGit(t, origin, "rev-parse", "HEAD")
	write(t, filepath.Join(origin, "Pulumi.dev.yaml"), "rate: 2\n")
	commit(t, origin)
	runGit(t, origin, "checkout", "--quiet", "-b", "feature")
	second := runGit(t, origin, "rev-parse", "HEAD")

	clone := func(arguments ...string) string {
		root := filepath.Join(t.TempDir(), "clone")
		runGit(t, origin, append(append([]string{"clone", "--quiet"}, arguments...), "file://"+origin, root)...)
		return root
	}
	t.Run("origin's branch where there is no local one", func(t *testing.T) {
		root := clone()
		commit, err := findBase(t.Context(), root, "main")
		require.NoError(t, err)
		assert.Equal(t, second, commit)
		printed, err := plans(t, root, "main")
		require.NoError(t, err)
		assert.Contains(t, printed, "| `dev` | nothing |")
	})
	t.Run("local branch first", func(t *testing.T) {
		root := clone()
		runGit(t, root, "branch", "main", first)
		commit, err := findBase(t.Context(), root, "main")
		require.NoError(t, err)
		assert.Equal(t, first, commit)
	})
	t.Run("branch that was not cloned", func(t *testing.T) {
		root := clone("--depth", "1")
		_, err := findBase(t.Context(), root, "main")
		require.EqualError(t, err, `neither "main" nor "origin/main" is in this clone: run git fetch --depth 1 origin main:refs/remotes/origin/main`)
		runGit(t, root, "fetch", "--quiet", "--depth", "1", "origin", "main:refs/remotes/origin/main")
		commit, err := findBase(t.Context(), root, "main")
		require.NoError(t, err)
		assert.Equal(t, second, commit)
	})
	t.Run("commit that was not cloned", func(t *testing.T) {
		root := clone("--depth", "1")
		_, err := findBase(t.Context(), root, first)
		require.EqualError(t, err, "commit "+first+" is not in this clone: run git fetch --depth 1 origin "+first)
	})
	t.Run("no repository", func(t *testing.T) {
		_, err := findBase(t.Context(), t.TempDir(), "main")
		require.ErrorContains(t, err, "git rev-parse: exit status 128: fatal: not a git repository")
	})
}
