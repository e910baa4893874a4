package processes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// healthInterval is the pause between two health checks.
const healthInterval = 20 * time.Millisecond

// logTail is how much of a log an error shows, in bytes.
const logTail = 4096

// Process is a program that runs in the background. It can be started again, with
// the same arguments, after it was stopped or killed. It is not safe for
// concurrent use.
type Process struct {
	name, binary, folder string
	arguments            []string
	environment          []string
	healthURL            string
	// client checks the health; nil means a plain one.
	client *http.Client

	command *exec.Cmd
	exited  chan struct{}
}

// Command describes any other program that runs in the background.
type Command struct {
	// Name is for messages and the log's file name. Required.
	Name string
	// Binary is the program's path. Required.
	Binary string
	// Folder is the working directory and holds the log. Required; it must exist.
	Folder string
	// Arguments are the program's; Environment are NAME=VALUE variables, besides
	// which it only has HOME and PATH. Optional.
	Arguments, Environment []string
	// HealthURL answers with 200 as soon as the program is ready. Required.
	HealthURL string
	// Client requests HealthURL. Optional; the default trusts the certificates that the
	// system trusts.
	Client *http.Client
}

// New prepares any program.
func New(command Command) *Process {
	return &Process{
		name: command.Name, binary: command.Binary, folder: command.Folder,
		arguments: command.Arguments, environment: command.Environment,
		healthURL: command.HealthURL, client: command.Client,
	}
}

// Usage is the resource usage of a running process since it started.
type Usage struct {
	// CPU is user and system time together.
	CPU time.Duration
	// Memory is the resident set, in bytes.
	Memory uint64
}

// LogPath returns the file with the output of the process, over all its starts.
func (p *Process) LogPath() string { return filepath.Join(p.folder, p.name+".log") }

// Start starts the process and waits until it is healthy. If the process exits, or
// the context ends first, Start kills it and returns an error with its last log
// lines.
func (p *Process) Start(ctx context.Context) error {
	if p.command != nil {
		return fmt.Errorf("start %s: it is already running", p.name)
	}
	log, err := os.OpenFile(p.LogPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	defer log.Close()
	command := exec.Command(p.binary, p.arguments...)
	command.Dir, command.Stdout, command.Stderr = p.folder, log, log
	// Nothing of the caller's: OTEL_ variables would change what is measured.
	command.Env = append([]string{"HOME=" + p.folder, "PATH=" + os.Getenv("PATH")}, p.environment...)
	// Processes of a killed test are killed too.
	command.SysProcAttr = endWithParent()
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	exited := make(chan struct{})
	go func() {
		// The state is read from the command; a killed process is no error.
		_ = command.Wait()
		close(exited)
	}()
	p.command, p.exited = command, exited
	if err := p.waitHealthy(ctx); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w\n%s", p.name, err, p.lastLines()), p.Kill())
	}
	return nil
}

func (p *Process) waitHealthy(ctx context.Context) error {
	client := p.client
	if client == nil {
		client = &http.Client{Timeout: time.Second}
		defer client.CloseIdleConnections()
	}
	for {
		if response, err := client.Get(p.healthURL); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.exited:
			return fmt.Errorf("exited: %s", p.command.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("not healthy: %w", ctx.Err())
		case <-time.After(healthInterval):
		}
	}
}

// Stop asks the process to exit and waits for it. If the context ends first, Stop
// kills it and returns an error.
func (p *Process) Stop(ctx context.Context) error {
	if p.command == nil {
		return nil
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case <-p.exited:
		p.command = nil
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stop %s: %w", p.name, ctx.Err()), p.Kill())
	}
}

// Kill ends the process as kill -9 does. It is no error if the process is not
// running.
func (p *Process) Kill() error {
	if p.command == nil {
		return nil
	}
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.exited
	p.command = nil
	return nil
}

// Pause suspends the process, as if it were out of CPU or memory, until Resume.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume continues a paused process.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(signal syscall.Signal) error {
	if p.command == nil {
		return fmt.Errorf("signal %s: it is not running", p.name)
	}
	if err := p.command.Process.Signal(signal); err != nil {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// Usage returns the resource usage of the running process since its last start.
func (p *Process) Usage() (Usage, error) {
	if p.command == nil {
		return Usage{}, fmt.Errorf("usage of %s: it is not running", p.name)
	}
	running, err := process.NewProcess(int32(p.command.Process.Pid))
	if err != nil {
		return Usage{}, fmt.Errorf("usage of %s: %w", p.name, err)
	}
	times, err := running.Times()
	if err != nil {
		return Usage{}, fmt.Errorf("usage of %s: %w", p.name, err)
	}
	memory, err := running.MemoryInfo()
	if err != nil {
		return Usage{}, fmt.Errorf("usage of %s: %w", p.name, err)
	}
	return Usage{CPU: time.Duration((times.User + times.System) * float64(time.Second)), Memory: memory.RSS}, nil
}

func (p *Process) lastLines() string {
	content, err := os.ReadFile(p.LogPath())
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(content[max(0, len(content)-logTail):]))
}
