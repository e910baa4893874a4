package compile_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/compile"
)

const mainFile = "package main\n\nfunc main() { print(text) }\n"

// newProgram returns a program that prints a text.
func newProgram(t *testing.T, text string) compile.Program {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "go.mod"), "module program\n\ngo 1.26\n")
	write(t, filepath.Join(root, "source", "main.go"), mainFile)
	write(t, filepath.Join(root, "source", "text.go"), "package main\n\nconst text = \""+text+"\"\n")
	return compile.Program{
		Root: root, Package: "./source", Binary: filepath.Join(root, "bin", "program"), Sources: []string{"go.mod", "source"},
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// ensure compiles the program if need be and returns the log of the compile and what the program prints.
func ensure(t *testing.T, program compile.Program) (progress, printed string) {
	t.Helper()
	var log bytes.Buffer
	require.NoError(t, program.Ensure(t.Context(), &log))
	output, err := exec.CommandContext(t.Context(), program.Binary).CombinedOutput()
	require.NoError(t, err)
	return log.String(), string(output)
}

const compiling = "kubetracing: compiling the Pulumi program (minutes with an empty Go build cache, else seconds)\n"

func TestProgram_Ensure(t *testing.T) {
	program := newProgram(t, "one")
	progress, printed := ensure(t, program)
	assert.Equal(t, compiling, progress)
	assert.Equal(t, "one", printed)

	progress, _ = ensure(t, program)
	assert.Empty(t, progress, "nothing has changed")

	source := filepath.Join(program.Root, "source")
	write(t, filepath.Join(source, "more_test.go"), "package main\n")
	progress, _ = ensure(t, program)
	assert.Empty(t, progress, "a test is not part of the program")

	write(t, filepath.Join(source, "text.go"), "package main\n\nconst text = \"two\"\n")
	_, printed = ensure(t, program)
	assert.Equal(t, "two", printed, "a source has changed")

	write(t, filepath.Join(source, "init.go"), "package main\n\nfunc init() { print(\"more than \") }\n")
	_, printed = ensure(t, program)
	assert.Equal(t, "more than two", printed, "a source was added")

	require.NoError(t, os.Remove(filepath.Join(source, "init.go")))
	_, printed = ensure(t, program)
	assert.Equal(t, "two", printed, "a source was removed")

	require.NoError(t, os.Remove(program.Binary))
	progress, _ = ensure(t, program)
	assert.Equal(t, compiling, progress, "the binary is gone")
}

func TestProgram_Ensure_ignores_flags_of_the_environment(t *testing.T) {
	program := newProgram(t, "one")
	write(t, filepath.Join(filepath.Dir(program.Root), "go.work"), "go 1.26\n\nuse ./elsewhere\n")
	t.Setenv("GOFLAGS", "-mod=vendor")
	t.Setenv("GO111MODULE", "off")
	t.Setenv("GOOS", "plan9")
	_, printed := ensure(t, program)
	assert.Equal(t, "one", printed)
}

func TestProgram_Ensure_twice_at_once(t *testing.T) {
	program := newProgram(t, "one")
	var group sync.WaitGroup
	logs, errs := make([]bytes.Buffer, 3), make([]error, 3)
	for i := range logs {
		group.Go(func() { errs[i] = program.Ensure(t.Context(), &logs[i]) })
	}
	group.Wait()
	assert.Equal(t, make([]error, 3), errs)
	progress := logs[0].String() + logs[1].String() + logs[2].String()
	assert.Equal(t, compiling, progress, "one compiles and the others wait")
}

func TestProgram_Ensure_compile_error(t *testing.T) {
	program := newProgram(t, "one")
	write(t, filepath.Join(program.Root, "source", "wrong.go"), "package main\n\nvar _ = nothing\n")
	err := program.Ensure(t.Context(), &bytes.Buffer{})
	require.ErrorContains(t, err, "compile the Pulumi program: go build: exit status 1\n# program/source\n")
	require.ErrorContains(t, err, "wrong.go:3:9: undefined: nothing")
	assert.NoFileExists(t, program.Binary)

	t.Setenv("PATH", t.TempDir())
	err = program.Ensure(t.Context(), &bytes.Buffer{})
	require.EqualError(t, err, "compile the Pulumi program: go is not on PATH: install Go from https://go.dev/doc/install")
}

func TestPulumiProgram(t *testing.T) {
	t.Parallel()
	executable, err := os.Executable()
	require.NoError(t, err)
	program, err := compile.PulumiProgram()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(filepath.Dir(executable), "..", ".."), program.Root, "the folder above .kubetracing/bin")
	for _, source := range program.Sources {
		_, err := os.Stat(filepath.Join("..", "..", source))
		require.NoError(t, err, source)
	}
	assert.Equal(t, filepath.Join(program.Root, ".kubetracing", "bin", "program"), program.Binary)
}
