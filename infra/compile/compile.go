// Package compile compiles the Pulumi program when its sources have changed.
package compile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kubetracing/kubetracing/components/poll"
)

// Program is a Go program below a module's root.
type Program struct {
	// Root is the folder of the module.
	Root string
	// Package is the program's package, as ./infra.
	Package string
	// Binary is the path of the binary.
	Binary string
	// Sources are the files and folders, below Root, that it is compiled from.
	Sources []string
}

// PulumiProgram returns the program that Pulumi runs. Its sources are those of this
// command line, which the launcher compiles to .kubetracing/bin.
func PulumiProgram() (Program, error) {
	executable, err := os.Executable()
	if err != nil {
		return Program{}, fmt.Errorf("find the sources of the Pulumi program: %w", err)
	}
	root := filepath.Join(filepath.Dir(executable), "..", "..")
	return Program{
		Root: root, Package: "./infra", Binary: filepath.Join(root, ".kubetracing", "bin", "program"),
		Sources: []string{"go.mod", "go.sum", "infra", "components", "stacks"},
	}, nil
}

// flags keep the choices of the environment, such as a go.work in a folder above,
// from deciding how the program is compiled. The launcher has the same ones.
var flags = []string{"GO111MODULE=on", "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false", "GOOS=", "GOARCH="}

// compileLimit bounds a compile.
const compileLimit = 30 * time.Minute

// progressTime is the pause between two lines of progress.
const progressTime = 15 * time.Second

// Ensure compiles the program unless its binary is up to date, and reports to w.
// Several processes may do so side by side: one compiles, the others wait.
func (p Program) Ensure(ctx context.Context, w io.Writer) error {
	current, err := p.fingerprint()
	if err != nil {
		return fmt.Errorf("compile the Pulumi program: %w", err)
	}
	if p.isCurrent(current) {
		return nil
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return fmt.Errorf("compile the Pulumi program: %w", err)
	}
	defer unlock()
	if p.isCurrent(current) {
		return nil
	}
	if err := p.compile(ctx, w); err != nil {
		return fmt.Errorf("compile the Pulumi program: %w", err)
	}
	if err := os.WriteFile(p.stamp(), []byte(current), 0o600); err != nil {
		return fmt.Errorf("compile the Pulumi program: %w", err)
	}
	return nil
}

// stamp is the path of the fingerprint of the sources that the binary was compiled
// from.
func (p Program) stamp() string { return p.Binary + ".sources" }

func (p Program) isCurrent(fingerprint string) bool {
	stamp, err := os.ReadFile(p.stamp())
	if err != nil || string(stamp) != fingerprint {
		return false
	}
	_, err = os.Stat(p.Binary)
	return err == nil
}

// fingerprint lists the sources with their sizes and times, so that a file that was
// changed, added or removed makes a difference.
func (p Program) fingerprint() (string, error) {
	var list strings.Builder
	for _, source := range p.Sources {
		err := filepath.WalkDir(filepath.Join(p.Root, source), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return fmt.Errorf("look at %s: %w", path, err)
			}
			fmt.Fprintf(&list, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	return list.String(), nil
}

// lock waits until no other process compiles the program.
func (p Program) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(p.Binary), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(p.Binary+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = poll.Loop{Interval: 100 * time.Millisecond}.Until(ctx, func(context.Context) (string, bool, error) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return "", false, nil
		}
		return "", true, err //nolint:wrapcheck // with what happened, below
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", file.Name(), err), file.Close())
	}
	// The kernel releases it when the file is closed, also after a kill.
	return func() { file.Close() }, nil
}

// compile compiles the program and moves the binary into place.
func (p Program) compile(ctx context.Context, w io.Writer) error {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("go is not on PATH: install Go from https://go.dev/doc/install")
	}
	ctx, cancel := context.WithTimeout(ctx, compileLimit)
	defer cancel()
	fmt.Fprintln(w, "kubetracing: compiling the Pulumi program (minutes with an empty Go build cache, else seconds)")
	total := p.packages(ctx)
	binary := fmt.Sprintf("%s.%d", p.Binary, os.Getpid())
	defer os.Remove(binary)
	command := p.command(ctx, "build", "-v", "-o", binary, p.Package)
	output, err := command.StderrPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	var compiled atomic.Int64
	stop := every(progressTime, func(elapsed time.Duration) {
		fmt.Fprintf(w, "kubetracing: compiling the Pulumi program: %d of at most %d packages after %s\n",
			compiled.Load(), total, elapsed.Round(time.Second))
	})
	defer stop()
	// With -v, go names a package on a line of its own when it compiles it.
	var messages bytes.Buffer
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if line := lines.Text(); strings.ContainsAny(line, " \t") || strings.HasPrefix(line, "#") {
			fmt.Fprintln(&messages, line)
		}
		compiled.Add(1)
	}
	if err := command.Wait(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, messages.String())
	}
	return os.Rename(binary, p.Binary)
}

// packages returns how many packages the program consists of; 0 if that is unknown.
func (p Program) packages(ctx context.Context) int {
	output, err := p.command(ctx, "list", "-deps", p.Package).Output()
	if err != nil {
		return 0
	}
	return bytes.Count(output, []byte("\n"))
}

func (p Program) command(ctx context.Context, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = p.Root
	command.Env = append(os.Environ(), flags...)
	return command
}

// every calls a function now and then until it is stopped.
func every(pause time.Duration, do func(elapsed time.Duration)) (stop func()) {
	begin := time.Now()
	ticker := time.NewTicker(pause)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				do(time.Since(begin))
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
		<-ended
	}
}

// Exec compiles the program if need be and becomes it: it returns only an error.
func (p Program) Exec(ctx context.Context, w io.Writer, arguments ...string) error {
	if err := p.Ensure(ctx, w); err != nil {
		return err
	}
	if err := syscall.Exec(p.Binary, append([]string{p.Binary}, arguments...), os.Environ()); err != nil {
		return fmt.Errorf("run the Pulumi program: %w", err)
	}
	return nil
}
