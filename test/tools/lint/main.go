// Command lint runs every check that is no test over every module of the
// repository: formatting, vet, staticcheck and golangci-lint's rules over Go,
// actionlint over the workflows, shellcheck over scripts. It needs only Go;
// shellcheck runs where it is installed, and must be in CI.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	upstream := flag.Bool("upstream", false, "check the programs that are built with upstream releases, instead of everything else")
	flag.Parse()
	if err := run(*upstream); err != nil {
		fmt.Fprintln(os.Stderr, "lint:", err)
		os.Exit(1)
	}
}

func run(upstream bool) error {
	root, err := repository()
	if err != nil {
		return err
	}
	files, err := list(root)
	if err != nil {
		return err
	}
	l := linter{root: root, out: os.Stdout, scripts: files.scripts}
	if upstream {
		return l.upstream()
	}
	return errors.Join(l.format(files.sources), l.modules(files.modules), l.workflows(), l.shell(os.Getenv("CI") != ""))
}

// repository returns the folder around the working directory that holds Pulumi.yaml.
func repository() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for ; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "Pulumi.yaml")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", errors.New("find the repository: there is no Pulumi.yaml in this folder or above")
		}
	}
}

// files are the paths of what is checked, relative to the repository.
type files struct {
	// modules are folders with a go.mod, but for those whose dependencies are an
	// upstream release's.
	modules, sources, scripts []string
}

// list finds what is checked. Hidden folders hold nothing of it, except .ci.
func list(root string) (files, error) {
	var found files
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		switch {
		case entry.IsDir() && (name == "testdata" || strings.HasPrefix(name, ".") && name != "." && name != ".ci"):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		case name == "go.mod" && !isUpstream(filepath.Join(root, filepath.Dir(path))):
			// What only pins tools has no packages.
			if !strings.HasPrefix(path, "test/tools/golangci/") {
				found.modules = append(found.modules, filepath.Dir(path))
			}
		case strings.HasSuffix(name, ".go"):
			found.sources = append(found.sources, path)
		case filepath.Ext(name) == ".sh" || filepath.Ext(name) == "":
			script, err := isScript(filepath.Join(root, path))
			if err != nil {
				return err
			}
			if script {
				found.scripts = append(found.scripts, path)
			}
		}
		return nil
	})
	if err != nil {
		return files{}, fmt.Errorf("list files: %w", err)
	}
	return found, nil
}

// isUpstream reports whether a module has a graph for each of several upstream
// releases in place of one of its own.
func isUpstream(module string) bool {
	info, err := os.Stat(filepath.Join(module, "versions"))
	return err == nil && info.IsDir()
}

// isScript reports whether a file is a shell script, by its name or first line.
func isScript(path string) (bool, error) {
	if filepath.Ext(path) == ".sh" {
		return true, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("open script: %w", err)
	}
	defer file.Close()
	start := make([]byte, 64)
	read, err := io.ReadFull(file, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	line, _, _ := bytes.Cut(start[:read], []byte("\n"))
	return bytes.HasPrefix(line, []byte("#!")) && bytes.HasSuffix(line, []byte("sh")), nil
}

// linter runs the checks.
type linter struct {
	root    string
	out     io.Writer
	scripts []string
}

// format reports sources that gofmt would change.
func (l linter) format(sources []string) error {
	var problems []error
	for _, source := range sources {
		text, err := os.ReadFile(filepath.Join(l.root, source))
		if err != nil {
			return fmt.Errorf("read source: %w", err)
		}
		formatted, err := format.Source(text)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("%s: %w", source, err))
		case !bytes.Equal(text, formatted):
			problems = append(problems, fmt.Errorf("%s: not formatted: run gofmt -w %s", source, source))
		}
	}
	return errors.Join(problems...)
}

// modules runs golangci-lint, which includes vet and staticcheck, in each module.
func (l linter) modules(modules []string) error {
	var problems []error
	for _, module := range modules {
		problems = append(problems, l.golangci(module, nil, "e2e"))
	}
	return errors.Join(problems...)
}

// upstreamBuilds are the programs with sources that are built with the modules of
// upstream releases: one build for each set of sources.
var upstreamBuilds = []struct{ folder, version, tags string }{
	{"test/conformance/readers/callers", "v1.37.1", ""},
	{"test/conformance/readers/containerd", "v1.7.34", "containerd1"},
	{"test/conformance/readers/containerd", "v2.3.5", ""},
	{"test/conformance/readers/crio", "v1.34.0", "containers_image_openpgp,exclude_graphdriver_btrfs,exclude_graphdriver_devicemapper"},
	{"test/conformance/readers/egress", "v1.25.4", ""},
	{"test/conformance/readers/etcd", "v3.7.1", ""},
	{"test/conformance/readers/k3d", "v5.9.0", ""},
	{"test/conformance/readers/kubelet", "v1.37.1", ""},
	{"test/conformance/readers/kubernetes", "v1.37.1", ""},
	{"test/processes/collector", "v0.162.0", ""},
}

// upstream checks what compiles only with upstream's modules, which takes long
// unless the suite has just built them.
func (l linter) upstream() error {
	var problems []error
	for _, build := range upstreamBuilds {
		modfile := filepath.Join(l.root, build.folder, "versions", build.version+".mod")
		problems = append(problems, l.golangci(build.folder, []string{"GOFLAGS=-mod=readonly -modfile=" + modfile}, build.tags))
	}
	return errors.Join(problems...)
}

func (l linter) golangci(module string, environment []string, tags string) error {
	binary, err := l.tool("test/tools/golangci/go.mod", "golangci-lint")
	if err != nil {
		return err
	}
	// Another checkout may be checked at the same time.
	arguments := []string{"run", "--allow-parallel-runners", "--config", filepath.Join(l.root, ".golangci.yml")}
	if tags != "" {
		arguments = append(arguments, "--build-tags", tags)
	}
	return l.command(module, environment, binary, append(arguments, "./...")...)
}

// tool returns the path of a tool's binary, which Go builds unless its cache has it.
func (l linter) tool(modfile, name string) (string, error) {
	command := exec.Command("go", "tool", "-modfile="+filepath.Join(l.root, modfile), "-n", name)
	command.Dir, command.Stderr = l.root, os.Stderr
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	return strings.TrimSpace(string(output)), nil
}

// command runs a program in a folder of the repository.
func (l linter) command(folder string, environment []string, program string, arguments ...string) error {
	command := exec.Command(program, arguments...)
	command.Dir = filepath.Join(l.root, folder)
	// Each module is checked as it stands, whatever workspace is around the checkout.
	command.Env = append(append(os.Environ(), "GOWORK=off"), environment...)
	command.Stdout, command.Stderr = l.out, l.out
	fmt.Fprintf(l.out, "lint: %s: %s\n", folder, filepath.Base(program))
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %s: %w", folder, filepath.Base(program), err)
	}
	return nil
}

func (l linter) workflows() error {
	binary, err := l.tool("test/tools/go.mod", "actionlint")
	if err != nil {
		return err
	}
	return l.command(".", nil, binary)
}

// shell runs the shells' own syntax check and, where it is installed, shellcheck.
func (l linter) shell(required bool) error {
	var problems []error
	byShell := map[string][]string{}
	for _, script := range l.scripts {
		text, err := os.ReadFile(filepath.Join(l.root, script))
		if err != nil {
			return fmt.Errorf("read script: %w", err)
		}
		shell := "sh"
		if line, _, _ := strings.Cut(string(text), "\n"); strings.HasSuffix(line, "bash") {
			shell = "bash"
		}
		byShell[shell] = append(byShell[shell], script)
		if output, err := exec.Command(shell, "-n", filepath.Join(l.root, script)).CombinedOutput(); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w: %s", script, err, bytes.TrimSpace(output)))
		}
	}
	_, err := exec.LookPath("shellcheck")
	switch {
	case err != nil && required:
		problems = append(problems, errors.New("shellcheck is not on PATH, and CI must check the scripts: apt-get install shellcheck"))
	case err != nil:
		fmt.Fprintln(l.out, "lint: shellcheck is not on PATH: only the scripts' syntax was checked")
	default:
		for shell, scripts := range byShell {
			problems = append(problems, l.command(".", nil, "shellcheck", append([]string{"--severity", "warning", "--shell", shell}, scripts...)...))
		}
	}
	return errors.Join(problems...)
}
