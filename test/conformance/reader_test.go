package conformance

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// reader is a program below readers, built with the modules of one upstream
// release.
type reader struct {
	// family is its folder.
	family string
	// version is the upstream release. It names the pair versions/v<version>.mod
	// and .sum.
	version string
	// tags are its build tags.
	tags string
	// program is the upstream command to build, where that itself is the reader;
	// else the folder holds the program.
	program string
}

// cacheDirectory keeps the built readers between runs. It lies in the folder that
// the repository ignores.
const cacheDirectory = "../../.kubetracing/conformance"

// errRefused wraps what a reader says when it does not accept its input.
var errRefused = errors.New("refused")

// builds holds one build per reader, however many tests want it.
var builds sync.Map

type build struct {
	once sync.Once
	path string
	err  error
}

// read runs the reader on a text and returns what it printed. A refused input is
// an errRefused; a reader that cannot be built ends the test.
func (r reader) read(t *testing.T, input string, args ...string) ([]byte, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), r.binary(t), args...)
	command.Stdin = strings.NewReader(input)
	// Nothing of the caller's: OTEL_ or K3D_ variables would change the outcome.
	command.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return output, fmt.Errorf("%s %s: %w: %s", r.family, r.version, errRefused, strings.TrimSpace(stderr.String()))
	}
	require.NoError(t, err)
	return output, nil
}

func (r reader) binary(t *testing.T) string {
	t.Helper()
	entry, _ := builds.LoadOrStore(r, &build{})
	result := entry.(*build)
	result.once.Do(func() { result.path, result.err = r.build() })
	require.NoError(t, result.err, "build reader %s %s", r.family, r.version)
	return result.path
}

func (r reader) folder() string { return filepath.Join("readers", r.family) }

func (r reader) modfile() string { return filepath.Join("versions", "v"+r.version+".mod") }

// build compiles the reader unless a binary of the same sources is in the cache.
func (r reader) build() (string, error) {
	digest, err := r.digest()
	if err != nil {
		return "", err
	}
	path, err := filepath.Abs(filepath.Join(cacheDirectory, fmt.Sprintf("%s-%s-%s", r.family, r.version, digest)))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	// The whole graph stands in the versions' own files; a workspace around this
	// repository must not change it.
	command := exec.Command("go", "build", "-mod=readonly", "-ldflags=-s -w", "-tags="+r.tags,
		"-modfile="+r.modfile(), "-o", path, cmp.Or(r.program, "."))
	command.Dir = r.folder()
	command.Env = append(os.Environ(), "GOWORK=off")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", command, err, output)
	}
	return path, nil
}

// digest names everything that a reader is built from.
func (r reader) digest() (string, error) {
	sources, err := filepath.Glob(filepath.Join(r.folder(), "*.go"))
	if err != nil {
		return "", err
	}
	modfile := filepath.Join(r.folder(), r.modfile())
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, r.tags, r.program)
	for _, path := range append(sources, modfile, strings.TrimSuffix(modfile, ".mod")+".sum") {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(path), len(content), content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}
