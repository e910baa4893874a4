// Package docker runs the Docker CLI for suites that work on a real stack.
package docker

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Require fails the test unless each program is on PATH and the Docker daemon
// answers.
func Require(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range append([]string{"docker"}, programs...) {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("this suite needs %s, which is not on PATH", program)
		}
	}
	if output, err := exec.Command("docker", "version").CombinedOutput(); err != nil {
		t.Fatalf("this suite needs a Docker daemon, which does not answer: %s", output)
	}
}

// Run runs docker and returns what it printed, without surrounding space.
func Run(t *testing.T, arguments ...string) string {
	t.Helper()
	output, err := exec.Command("docker", arguments...).CombinedOutput()
	require.NoError(t, err, "docker %s: %s", strings.Join(arguments, " "), output)
	return strings.TrimSpace(string(output))
}

// Labelled lists the containers, networks, volumes and images with any of the
// labels.
func Labelled(t *testing.T, labels ...string) []string {
	t.Helper()
	var found []string
	for _, label := range labels {
		for _, list := range [][]string{{"ps", "--all"}, {"network", "ls"}, {"volume", "ls"}, {"image", "ls"}} {
			for id := range strings.FieldsSeq(Run(t, append(list, "--quiet", "--filter", "label="+label)...)) {
				found = append(found, list[0]+" "+id)
			}
		}
	}
	return found
}
