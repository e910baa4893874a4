// Package tools brings the command-line tools that a machine lacks: pinned
// releases, checked against their checksums, into a folder of the project.
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

	"github.com/Masterminds/semver/v3"
)

// Tool is a command-line tool.
type Tool struct {
	// Name is the name of its binary.
	Name string
	// Version is the pinned release.
	Version string
	// Minimum is the oldest release that will do when it is on PATH; empty means
	// any.
	Minimum string
	// VersionArgs make the tool print its version; needed with Minimum.
	VersionArgs []string
	// URL is the release: the binary itself, or a .tar.gz with Members.
	URL string
	// Members are the archive's files to keep; empty means that URL is the binary.
	Members []string
	// SHA256 is the hexadecimal checksum of what URL gives, by GOOS/GOARCH.
	SHA256 map[string]string
}

// Ensure makes sure that every tool is there and gives the folders to put in
// front of PATH. It tells w what it downloads. All missing tools are reported at
// once when OFFLINE=1 forbids downloads.
func Ensure(ctx context.Context, folder string, tools []Tool, w io.Writer) ([]string, error) {
	var folders []string
	var problems []error
	onPath := make([]error, len(tools))
	var asked sync.WaitGroup
	for i, tool := range tools {
		asked.Go(func() { onPath[i] = tool.OnPath(ctx) })
	}
	asked.Wait()
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
			problems = append(problems, fmt.Errorf("%s is not on PATH and OFFLINE=1 forbids to download it: install %s %s",
				tool.Name, tool.Name, tool.Version))
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

// Offline tells whether downloads are forbidden.
func Offline() bool { return os.Getenv("OFFLINE") == "1" }

// Folder is where Ensure puts the tool's pinned release, below its own folder.
func (t Tool) Folder(folder string) string {
	return filepath.Join(folder, t.Name+"-"+t.Version)
}

var versionNumber = regexp.MustCompile(`\d+\.\d+\.\d+[-+.0-9A-Za-z]*`)

// OnPath gives nil if a release that will do is on PATH, else what is wrong. A
// tool that does not say its release was built by someone who knows what they do.
func (t Tool) OnPath(ctx context.Context) error {
	path, err := exec.LookPath(t.Name)
	if err != nil {
		return fmt.Errorf("%s is not on PATH", t.Name)
	}
	if t.Minimum == "" {
		return nil
	}
	output, err := exec.CommandContext(ctx, path, t.VersionArgs...).Output()
	if err != nil {
		return fmt.Errorf("%s does not run: %w", t.Name, err)
	}
	// Further lines tell the versions of other things.
	first, _, _ := strings.Cut(string(output), "\n")
	version, err := semver.NewVersion(versionNumber.FindString(first))
	if err == nil && version.LessThan(semver.MustParse(t.Minimum)) {
		return fmt.Errorf("%s %s is too old", t.Name, version)
	}
	return nil
}

// platform is the key of this machine in Tool.SHA256.
func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }
