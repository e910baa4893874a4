// Package tools installs the command-line tools that a machine lacks: pinned
// releases, checked against their checksums, in a folder of the project.
// Nothing global is touched and nothing needs root.
package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/Masterminds/semver/v3"
)

// Tool is a command-line tool.
type Tool struct {
	// Name is the name of its binary.
	Name string
	// Version is the pinned release.
	Version string
	// Minimum is the oldest release that is used from PATH; empty means any.
	Minimum string
	// VersionArgs make the tool print its version; needed with Minimum.
	VersionArgs []string
	// URL is the release: the binary itself, or a .tar.gz with Members.
	URL string
	// Members are the archive's files to keep; empty means that URL is the binary.
	Members []string
	// Companions are the programs beside it, or on PATH, without which it is incomplete.
	Companions []string
	// SHA256 maps GOOS/GOARCH to the hexadecimal checksum of the release.
	SHA256 map[string]string
}

// Ensure installs the tools that are missing and returns the folders to put in
// front of PATH. It reports downloads to w. All missing tools are reported at once
// when OFFLINE forbids downloads.
func Ensure(ctx context.Context, folder string, tools []Tool, w io.Writer) ([]string, error) {
	var folders []string
	var problems []error
	onPath := make([]error, len(tools))
	var group sync.WaitGroup
	for i, tool := range tools {
		group.Go(func() { onPath[i] = tool.OnPath(ctx) })
	}
	group.Wait()
	for i, tool := range tools {
		if onPath[i] == nil {
			continue
		}
		target := tool.Folder(folder)
		if _, err := os.Stat(filepath.Join(target, tool.Name)); err == nil {
			folders = append(folders, target)
			continue
		}
		if Offline() {
			problems = append(problems, fmt.Errorf("%w and OFFLINE forbids downloading it: install %s %s",
				onPath[i], tool.Name, tool.Version))
			continue
		}
		fmt.Fprintf(w, "kubetracing: downloading %s %s\n", tool.Name, tool.Version)
		if err := tool.install(ctx, target); err != nil {
			problems = append(problems, fmt.Errorf("install %s %s: %w", tool.Name, tool.Version, err))
			continue
		}
		folders = append(folders, target)
	}
	return folders, errors.Join(problems...)
}

// Install installs the tools that are missing, as [Ensure], and puts them in front of
// this process's PATH.
func Install(ctx context.Context, folder string, tools []Tool, w io.Writer) error {
	folders, err := Ensure(ctx, folder, tools, w)
	if err != nil || len(folders) == 0 {
		return err
	}
	path := strings.Join(append(folders, os.Getenv("PATH")), string(os.PathListSeparator))
	if err := os.Setenv("PATH", path); err != nil {
		return fmt.Errorf("set PATH: %w", err)
	}
	return nil
}

// Offline reports whether OFFLINE forbids downloads. Anything that does not clearly
// say no does, as 1, true and yes.
func Offline() bool {
	switch strings.ToLower(os.Getenv("OFFLINE")) {
	case "", "0", "false", "no", "off":
		return false
	default:
		return true
	}
}

// Folder returns the folder of the tool's pinned release below the one of all tools.
func (t Tool) Folder(folder string) string {
	return filepath.Join(folder, t.Name+"-"+t.Version)
}

var versionNumber = regexp.MustCompile(`\d+\.\d+\.\d+[-+.0-9A-Za-z]*`)

// versionLimit bounds how long a tool may take to print its version.
const versionLimit = 20 * time.Second

// OnPath returns nil if a suitable release is on PATH, else what is wrong with the one
// there. A tool that prints no release number is a custom build and accepted.
func (t Tool) OnPath(ctx context.Context) error {
	path, err := exec.LookPath(t.Name)
	if err != nil {
		return fmt.Errorf("%s is not on PATH", t.Name)
	}
	for _, companion := range t.Companions {
		if !hasCompanion(path, companion) {
			return fmt.Errorf("%s on PATH is incomplete, without %s,", t.Name, companion)
		}
	}
	if t.Minimum == "" {
		return nil
	}
	version, err := t.printedVersion(ctx, path)
	if err != nil {
		return err
	}
	if version != nil && version.LessThan(semver.MustParse(t.Minimum)) {
		return fmt.Errorf("%s %s is too old", t.Name, version)
	}
	return nil
}

// printedVersion returns the release that a binary of the tool prints; nil if it prints
// none.
func (t Tool) printedVersion(ctx context.Context, path string) (*semver.Version, error) {
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	output, err := exec.CommandContext(ctx, path, t.VersionArgs...).Output()
	if err != nil {
		return nil, fmt.Errorf("%s does not run: %w", t.Name, err)
	}
	// Further lines are the versions of other things.
	first, _, _ := strings.Cut(string(output), "\n")
	version, err := semver.NewVersion(versionNumber.FindString(first))
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // documented
	}
	return version, nil
}

// hasCompanion reports whether a program is on PATH or in the folder of another one,
// whatever links lead there.
func hasCompanion(path, companion string) bool {
	if _, err := exec.LookPath(companion); err == nil {
		return true
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	_, err = exec.LookPath(filepath.Join(filepath.Dir(resolved), companion))
	return err == nil
}

// platform is the key of this machine in Tool.SHA256.
func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }
