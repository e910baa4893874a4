package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/test/processes/build"
)

// reader is a program that reads a text on standard input, built with the modules
// of one upstream release.
type reader struct {
	program build.Program
	// validate are the arguments that make an upstream command read its
	// configuration from standard input and check it. A program below readers needs
	// none.
	validate []string
}

// newReader returns the program below readers of an upstream project.
func newReader(project, version string, tags ...string) reader {
	return reader{program: build.Program{
		Folder: "test/conformance/readers/" + project, Version: version, Tags: strings.Join(tags, ","),
	}}
}

// errRefused wraps the error of a reader that does not accept its input.
var errRefused = errors.New("refused")

// read runs the reader on a text and returns what it printed. A refused input is
// an errRefused; a reader that cannot be built ends the test.
func (r reader) read(t *testing.T, input string, args ...string) ([]byte, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), r.binary(t), append(slices.Clone(r.validate), args...)...)
	command.Stdin = strings.NewReader(input)
	command.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return output, fmt.Errorf("%s: %w: %s", r.name(), errRefused, strings.TrimSpace(stderr.String()))
	}
	require.NoError(t, err)
	return output, nil
}

func (r reader) binary(t *testing.T) string {
	t.Helper()
	path, err := r.program.Binary()
	require.NoError(t, err, "build reader %s", r.name())
	return path
}

// name returns the upstream project and its release.
func (r reader) name() string { return filepath.Base(r.program.Folder) + " " + r.program.Version }
