//go:build e2e

package e2e_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stackName keeps the test's stack apart from a developer's.
const stackName = "e2e"

// stackFileVariable names a stack file to use instead of the shipped dev stack,
// for machines whose images have other names.
const stackFileVariable = "KUBETRACING_E2E_STACK"

// project is a copy of the project's configuration whose program and components
// are those of the checkout, so that state and configuration of the test stay
// out of it.
type project struct {
	root string
	log  *bytes.Buffer
}

func newProject(t *testing.T) *project {
	t.Helper()
	if _, err := exec.LookPath("docker"); err != nil {
		t.Fatal("docker is not on PATH: the end-to-end test needs a Docker daemon")
	}
	if output, err := exec.Command("docker", "info").CombinedOutput(); err != nil {
		t.Fatalf("the Docker daemon does not answer: %s", output)
	}
	checkout, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	p := &project{root: t.TempDir(), log: &bytes.Buffer{}}
	for _, folder := range []string{"infra", "components"} {
		require.NoError(t, os.Symlink(filepath.Join(checkout, folder), filepath.Join(p.root, folder)))
	}
	copyFile(t, filepath.Join(checkout, "Pulumi.yaml"), filepath.Join(p.root, "Pulumi.yaml"))
	stackFile := os.Getenv(stackFileVariable)
	if stackFile == "" {
		stackFile = filepath.Join(checkout, "Pulumi.dev.yaml")
	}
	copyFile(t, stackFile, p.stackFile())
	choose(t, p)
	return p
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, content, 0o600))
}

func (p *project) stackFile() string {
	return filepath.Join(p.root, "Pulumi."+stackName+".yaml")
}

// command prepares a kubetracing command; what it prints goes nowhere yet.
func (p *project) command(arguments ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(p.root, "infra", "run"),
		append([]string{arguments[0], "--root", p.root, "--stack", stackName}, arguments[1:]...)...)
	command.Dir = p.root
	return command
}

// run runs kubetracing and gives what it printed on standard output.
func (p *project) run(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	stdout, _, _, err := p.timed(t, arguments...)
	return stdout, err
}

// timed runs kubetracing and gives what it printed, on both of its outputs, and how
// long it took.
func (p *project) timed(t *testing.T, arguments ...string) (stdout, stderr string, took time.Duration, err error) {
	t.Helper()
	var printed, said bytes.Buffer
	command := p.command(arguments...)
	command.Stdout = io.MultiWriter(&printed, p.log, testWriter{t})
	command.Stderr = io.MultiWriter(&said, p.log, testWriter{t})
	started := time.Now()
	err = command.Run()
	return printed.String(), said.String(), time.Since(started).Round(time.Second), err
}

func (p *project) mustRun(t *testing.T, arguments ...string) string {
	t.Helper()
	output, err := p.run(t, arguments...)
	require.NoError(t, err, "kubetracing %s", strings.Join(arguments, " "))
	return output
}

// testWriter puts the commands' output into the test's log.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(text []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(text), "\n"))
	return len(text), nil
}

// ownerLabel is on everything of the stack.
const ownerLabel = "kubetracing.stack=kubetracing/" + stackName

// owned lists the Docker objects that carry the stack's label.
func owned(t *testing.T) []string {
	t.Helper()
	const filter = "label=" + ownerLabel
	var all []string
	for _, list := range [][]string{
		{"ps", "--all", "--quiet", "--filter", filter},
		{"network", "ls", "--quiet", "--filter", filter},
		{"volume", "ls", "--quiet", "--filter", filter},
		{"image", "ls", "--quiet", "--filter", filter},
		{"ps", "--all", "--quiet", "--filter", "label=k3d.cluster=kubetracing-" + stackName},
	} {
		output, err := exec.Command("docker", list...).Output()
		require.NoError(t, err)
		for id := range strings.FieldsSeq(string(output)) {
			all = append(all, list[0]+" "+id)
		}
	}
	return all
}
