// Package lifecycle creates, updates, starts and deletes what Pulumi has no resources
// for: k3d clusters, the files of their nodes, and waits for containers.
//
// A [Manager] does the work. The commands that Pulumi's command provider runs are the
// methods of [Command], one each: they read a document of package spec from standard
// input and the environment variables that package spec names, write the result, if
// any, to standard output, and progress to standard error. A cobra command calls
//
//	lifecycle.Command{Docker: docker.New(), Stdin: …, Getenv: os.Getenv, Stdout: …, Stderr: …}.ClusterCreate(ctx)
//
// and prints the error. The error describes what failed and why; its last line is not
// repeated in the progress.
package lifecycle

import (
	"fmt"
	"io"
	"sync"

	"github.com/kubetracing/kubetracing/infra/docker"
)

// Manager manages what a stack has in Docker.
type Manager struct {
	docker *docker.Client
	log    *printer
}

// New returns a manager that writes progress to w, a line when something has changed.
func New(client *docker.Client, w io.Writer) *Manager {
	return &Manager{client, &printer{w: w}}
}

// printer writes lines for people. It is safe for concurrent use.
type printer struct {
	mu sync.Mutex
	w  io.Writer
}

// printf writes a line of progress.
func (p *printer) printf(format string, args ...any) {
	p.line("kubetracing: " + fmt.Sprintf(format, args...))
}

// line writes a line as it is.
func (p *printer) line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.w, text)
}
