// Package environment gives a test suite an environment of its own, so that a
// developer's settings, plugins and credentials do not decide what a test sees.
package environment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// original is the environment the suite was started with.
var original = os.Environ()

// Command prepares a program in the environment the suite was started with. It is
// for compiling and downloading, which need Go's caches and the proxy variables.
func Command(program string, arguments ...string) *exec.Cmd {
	if found, err := lookPath(program, value(original, "PATH")); err == nil {
		program = found
	}
	command := exec.Command(program, arguments...)
	command.Env = slices.Clone(original)
	return command
}

// kept are the variables every suite keeps: they say where temporary files go,
// which language messages have, and what a suite itself was asked to do.
var kept = []string{"TMPDIR", "LANG", "LC_ALL", "TZ", "TERM", "CI", "GOCOVERDIR", "GODEBUG", "GOTRACEBACK", "MINORS"}

// keptPrefix begins the names of this project's own variables.
const keptPrefix = "KUBETRACING_"

// live are the variables a suite keeps in addition if it drives the machine's own
// Docker: which daemon that is, Go's settings, because such a suite compiles the
// program, and the proxies, through which images and tools are downloaded.
var live = []string{
	"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK",
	"GOCACHE", "GOMODCACHE", "GOPATH", "GOENV", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOTOOLCHAIN", "GOFLAGS",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
}

// suite is what has tests to run, such as a *testing.M.
type suite interface{ Run() int }

// Run runs a suite without Docker: PATH has the named programs only, those of
// them that the machine has. It returns the suite's exit code.
func Run(tests suite, programs ...string) int {
	return run(tests, func(folder string) ([]string, error) { return isolate(original, folder, programs) })
}

// RunLive runs a suite that drives the machine's own Docker: PATH, the daemon's
// address and Go's caches stay as they are. It returns the suite's exit code.
func RunLive(tests suite) int {
	return run(tests, func(folder string) ([]string, error) { return isolateLive(original, folder) })
}

func run(tests suite, isolated func(folder string) ([]string, error)) int {
	folder, err := os.MkdirTemp("", "kubetracing-suite-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "create the suite's home:", err)
		return 1
	}
	defer os.RemoveAll(folder)
	variables, err := isolated(folder)
	if err == nil {
		err = replace(variables)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "isolate the suite's environment:", err)
		return 1
	}
	return tests.Run()
}

// replace makes variables the whole environment of this process.
func replace(variables []string) error {
	os.Clearenv()
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// isolate returns the environment of a suite without Docker, whose home and
// programs are below folder.
func isolate(variables []string, folder string, programs []string) ([]string, error) {
	path := filepath.Join(folder, "bin")
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, fmt.Errorf("create PATH: %w", err)
	}
	for _, program := range programs {
		found, err := lookPath(program, value(variables, "PATH"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.Symlink(found, filepath.Join(path, program))
		}
		if err != nil {
			return nil, fmt.Errorf("put %s on PATH: %w", program, err)
		}
	}
	isolated, err := withHome(keep(variables, kept), folder)
	return append(isolated, "PATH="+path, "PULUMI_HOME="+filepath.Join(folder, "home", ".pulumi")), err
}

// isolateLive returns the environment of a suite that drives Docker, whose home is
// below folder.
func isolateLive(variables []string, folder string) ([]string, error) {
	isolated, err := withHome(keep(variables, append([]string{"PATH"}, append(kept, live...)...)), folder)
	if err != nil {
		return nil, err
	}
	// The Docker CLI finds its contexts, plugins and credentials here.
	if docker := filepath.Join(value(variables, "HOME"), ".docker"); value(isolated, "DOCKER_CONFIG") == "" && exists(docker) {
		isolated = append(isolated, "DOCKER_CONFIG="+docker)
	}
	// With another home Go would compile everything again.
	compiler, err := lookPath("go", value(variables, "PATH"))
	if err != nil {
		return nil, fmt.Errorf("find Go on PATH: %w", err)
	}
	command := exec.Command(compiler, "env", "GOCACHE", "GOMODCACHE", "GOPATH", "GOENV")
	command.Env = variables
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	lines := strings.Split(string(output), "\n")
	for i, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOENV"} {
		if value(isolated, name) == "" {
			isolated = append(isolated, name+"="+lines[i])
		}
	}
	return isolated, nil
}

// keep returns the variables with one of the names, and this project's own.
func keep(variables, names []string) []string {
	return slices.DeleteFunc(slices.Clone(variables), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.Contains(names, name) && !strings.HasPrefix(name, keptPrefix)
	})
}

// withHome adds a home of its own.
func withHome(variables []string, folder string) ([]string, error) {
	home := filepath.Join(folder, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, fmt.Errorf("create the home: %w", err)
	}
	return append(variables, "HOME="+home), nil
}

// value returns a variable's value, or "".
func value(variables []string, name string) string {
	for _, variable := range variables {
		if text, ok := strings.CutPrefix(variable, name+"="); ok {
			return text
		}
	}
	return ""
}

// lookPath returns the first executable file of a name in a list of directories.
func lookPath(name, path string) (string, error) {
	for _, directory := range filepath.SplitList(path) {
		candidate := filepath.Join(directory, name)
		info, err := os.Stat(candidate)
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			continue
		}
		absolute, err := filepath.Abs(candidate)
		if err != nil {
			return "", fmt.Errorf("find %s: %w", name, err)
		}
		return absolute, nil
	}
	return "", fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
