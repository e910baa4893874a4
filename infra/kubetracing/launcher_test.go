package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newCheckout returns a checkout with the launchers of this one and a command line of
// a few lines, which prints a text and its arguments.
func newCheckout(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	root = filepath.Join(root, "a #1 folder")
	write(t, filepath.Join(root, "go.mod"), "module checkout\n\ngo 1.26\n")
	write(t, filepath.Join(root, "go.sum"), "")
	write(t, filepath.Join(root, "components", "doc.go"), "package components\n")
	write(t, filepath.Join(root, "stacks", "doc.go"), "package stacks\n")
	write(t, filepath.Join(root, "infra", "kubetracing", "main.go"),
		"package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\nvar text = \"one\"\n\nfunc main() { fmt.Printf(\"%s %q\\n\", text, os.Args[1:]) }\n")
	for _, launcher := range []string{"kubetracing", "infra/run"} {
		content, err := os.ReadFile(filepath.Join("..", "..", launcher))
		require.NoError(t, err)
		write(t, filepath.Join(root, launcher), string(content))
		require.NoError(t, os.Chmod(filepath.Join(root, launcher), 0o755))
	}
	return root
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// launch runs a launcher and returns what it prints.
func launch(t *testing.T, dir, launcher string, arguments ...string) (stdout, stderr string) {
	t.Helper()
	var errors strings.Builder
	command := exec.CommandContext(t.Context(), launcher, arguments...)
	command.Dir, command.Stderr = dir, &errors
	output, err := command.Output()
	require.NoError(t, err, errors.String())
	return string(output), errors.String()
}

const compiling = "kubetracing: compiling the command line (half a minute the first time, then seconds)\n"

func TestLauncher(t *testing.T) {
	root := newCheckout(t)
	more := filepath.Join(root, "infra", "kubetracing", "more.go")
	steps := []struct {
		name           string
		change         func()
		stdout, stderr string
	}{
		{"first run", func() {}, "one", compiling},
		{"nothing changed", func() {}, "one", ""},
		{"source added", func() { write(t, more, "package main\n\nfunc init() { text = \"two\" }\n") }, "two", compiling},
		{"nothing changed since", func() {}, "two", ""},
		{"source removed", func() { require.NoError(t, os.Remove(more)) }, "one", compiling},
		{"source changed", func() { write(t, filepath.Join(root, "stacks", "doc.go"), "package stacks // more\n") }, "one", compiling},
	}
	for _, step := range steps {
		// Times of files may be as coarse as a clock tick.
		time.Sleep(20 * time.Millisecond)
		step.change()
		stdout, stderr := launch(t, root, "./kubetracing", "up", "two words")
		assert.Equal(t, step.stdout+` ["up" "two words"]`+"\n", stdout, step.name)
		assert.Equal(t, step.stderr, stderr, step.name)
	}
	elsewhere := t.TempDir()
	stdout, stderr := launch(t, elsewhere, filepath.Join(root, "kubetracing"))
	assert.Equal(t, "one []\n", stdout, "in another folder")
	assert.Empty(t, stderr)
	files, err := os.ReadDir(filepath.Join(root, ".kubetracing", "bin"))
	require.NoError(t, err)
	assert.Len(t, files, 2, "the binary and when its compile began")
}

func TestLauncher_ignores_flags_of_the_environment(t *testing.T) {
	root := newCheckout(t)
	write(t, filepath.Join(filepath.Dir(root), "go.work"), "go 1.26\n\nuse ./elsewhere\n")
	for name, value := range map[string]string{"GOFLAGS": "-mod=vendor", "GO111MODULE": "off", "GOOS": "plan9", "GOARCH": "arm"} {
		t.Setenv(name, value)
	}
	stdout, _ := launch(t, root, "./kubetracing")
	assert.Equal(t, "one []\n", stdout)
}

func TestLauncher_twice_at_once(t *testing.T) {
	root := newCheckout(t)
	var group sync.WaitGroup
	outputs, errs := make([]string, 3), make([]error, 3)
	for i := range outputs {
		group.Go(func() {
			command := exec.CommandContext(t.Context(), "./kubetracing", "up")
			command.Dir = root
			output, err := command.Output()
			outputs[i], errs[i] = string(output), err
		})
	}
	group.Wait()
	assert.Equal(t, make([]error, 3), errs)
	assert.Equal(t, []string{"one [\"up\"]\n", "one [\"up\"]\n", "one [\"up\"]\n"}, outputs)
}

func TestLauncher_without_go(t *testing.T) {
	root := newCheckout(t)
	t.Setenv("PATH", "/usr/bin:/bin")
	if _, err := exec.LookPath("go"); err == nil {
		t.Setenv("PATH", linkTools(t, "sh", "dirname", "find"))
	}
	command := exec.CommandContext(t.Context(), "./kubetracing")
	command.Dir = root
	output, err := command.CombinedOutput()
	require.Error(t, err)
	assert.Equal(t, "kubetracing: go is not on PATH: install Go from https://go.dev/doc/install\n", string(output))
}

// linkTools returns a folder with some tools of PATH and no others.
func linkTools(t *testing.T, names ...string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range names {
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(folder, name)))
	}
	return folder
}

// Pulumi runs infra/run in its own folder.
func TestRun(t *testing.T) {
	root := newCheckout(t)
	stdout, _ := launch(t, filepath.Join(root, "infra"), "./run", "-x", "two words")
	assert.Equal(t, `one ["program" "--" "-x" "two words"]`+"\n", stdout)
}
