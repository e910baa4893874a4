// Package build compiles programs of upstream projects from their Go modules and
// keeps the binaries below the folder that the repository ignores.
package build

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/kubetracing/kubetracing/test/internal/environment"
	"github.com/kubetracing/kubetracing/test/project"
)

// Program is a program that is built with the modules of one upstream release.
type Program struct {
	// Folder holds the program, or only its module files, and is relative to the
	// repository. Required.
	Folder string
	// Version is the upstream release. It names the pair versions/v<Version>.mod
	// and .sum in Folder. Required.
	Version string
	// Tags are the build tags. Optional.
	Tags string
	// Package is the upstream command to build, where that itself is the program;
	// else Folder holds the program. Optional.
	Package string
	// VersionVariable is the Go variable, with its package, that a release build sets
	// to its version, as v1.2.3. Optional.
	VersionVariable string
}

// cacheFolder keeps the binaries between runs, relative to the repository.
const cacheFolder = ".kubetracing/programs"

// builds holds one build per program, shared by all callers.
var builds sync.Map

type result struct {
	once sync.Once
	path string
	err  error
}

// Binary compiles the program, unless a binary of the same sources, modules and
// Go release is in the cache, and returns its absolute path.
func (p Program) Binary() (string, error) {
	entry, _ := builds.LoadOrStore(p, &result{})
	built := entry.(*result)
	built.once.Do(func() { built.path, built.err = p.build() })
	return built.path, built.err
}

func (p Program) build() (string, error) {
	root, err := project.Checkout()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(root, p.Folder)
	digest, err := p.digest(folder)
	if err != nil {
		return "", fmt.Errorf("build %s %s: %w", p.Folder, p.Version, err)
	}
	path := filepath.Join(root, cacheFolder, fmt.Sprintf("%s-%s-%s", filepath.Base(folder), p.Version, digest))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	// Built beside its path and then moved, so that another process never starts an
	// incomplete binary.
	unfinished := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(unfinished)
	// The whole module graph is in the versions' own files; a workspace around this
	// repository must not change it.
	flags := "-s -w"
	if p.VersionVariable != "" {
		flags += " -X " + p.VersionVariable + "=v" + p.Version
	}
	command := environment.Command("go", "build", "-mod=readonly", "-ldflags="+flags, "-tags="+p.Tags,
		"-modfile="+p.modfile(), "-o", unfinished, cmp.Or(p.Package, "."))
	command.Dir = folder
	command.Env = append(command.Env, "GOWORK=off")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", command, err, output)
	}
	if err := os.Rename(unfinished, path); err != nil {
		return "", fmt.Errorf("keep %s: %w", p.Folder, err)
	}
	return path, nil
}

func (p Program) modfile() string { return filepath.Join("versions", "v"+p.Version+".mod") }

// digest identifies everything that the program is built from.
func (p Program) digest(folder string) (string, error) {
	sources, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return "", fmt.Errorf("list sources: %w", err)
	}
	modfile := filepath.Join(folder, p.modfile())
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, p.Tags, p.Package, p.VersionVariable)
	for _, path := range append(sources, modfile, strings.TrimSuffix(modfile, ".mod")+".sum") {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read source: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(path), len(content), content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}
