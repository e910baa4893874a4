// Package updatetrace records an update as one trace: the steps of this program and of
// the commands that Pulumi runs, and Pulumi's own spans, as far as they hold no secret,
// path or person. Nothing else ever reaches a disk: Pulumi writes its spans to a pipe.
//
// A recording never makes an update fail. What cannot be recorded is left out.
package updatetrace

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/infra/steps"
)

// tracesVariable is that of Pulumi's flag --otel-traces. Releases that do not know the
// flag ignore it.
//
// Source: pulumi/pulumi CHANGELOG.md (PULUMI_OPTION_*); sdk/go/common/util/otelreceiver
// (file_exporter.go: a line of OTLP JSON per request).
const tracesVariable = "PULUMI_OPTION_OTEL_TRACES"

// drainLimit bounds how long the last of Pulumi's spans are waited for once it has
// ended.
const drainLimit = 5 * time.Second

// Recording is the recording of an update.
type Recording struct {
	steps *steps.Recorder
	// folder holds the pipe and the file; empty if there are none.
	folder string
	// pipe is Pulumi's end, too, so that it does not end before Pulumi does.
	pipe *os.File
	// drained is closed when everything in the pipe has been read.
	drained chan struct{}

	mu     sync.Mutex
	pulumi ptrace.Traces
}

// Start begins a recording, and returns a context in which steps are recorded.
func Start(ctx context.Context) (context.Context, *Recording) {
	r := &Recording{pulumi: ptrace.NewTraces(), drained: make(chan struct{})}
	ctx, r.steps = steps.New(ctx)
	if err := r.open(); err != nil {
		r.Close()
	}
	return ctx, r
}

// open creates a private folder with the pipe and the file, and reads the pipe.
func (r *Recording) open() (err error) {
	if r.folder, err = os.MkdirTemp("", "kubetracing-trace-"); err != nil {
		return err
	}
	if err := os.WriteFile(r.stepsFile(), nil, 0o600); err != nil {
		return err
	}
	if err := makePipe(r.pipePath()); err != nil {
		return err
	}
	if r.pipe, err = os.OpenFile(r.pipePath(), os.O_RDWR, 0); err != nil {
		return err
	}
	go r.read(r.pipe)
	return nil
}

func (r *Recording) stepsFile() string { return filepath.Join(r.folder, "steps.jsonl") }
func (r *Recording) pipePath() string  { return filepath.Join(r.folder, "pulumi") }

// last is the line after which nothing is read any more.
var last = []byte("end\n")

// read keeps what may be kept of Pulumi's spans until the last line. It reads whatever
// comes: a pipe that nobody reads would make Pulumi wait.
func (r *Recording) read(pipe *os.File) {
	defer close(r.drained)
	reader := bufio.NewReader(pipe)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil || bytes.Equal(line, last) {
			return
		}
		traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(line)
		if err != nil {
			continue
		}
		r.mu.Lock()
		Filter(traces, r.TraceID()).ResourceSpans().MoveAndAppendTo(r.pulumi.ResourceSpans())
		r.mu.Unlock()
	}
}

// Environment returns the NAME=VALUE variables with which a Pulumi that is started now
// is recorded as a part of the step of a context. Where lookup, such as [os.LookupEnv],
// finds another destination of Pulumi's spans, they go there.
func (r *Recording) Environment(ctx context.Context, lookup func(string) (string, bool)) []string {
	if r.pipe == nil {
		return nil
	}
	environment := steps.Environment(ctx, r.stepsFile())
	if other, _ := lookup(tracesVariable); other != "" {
		return environment
	}
	return append(environment, tracesVariable+"="+(&url.URL{Scheme: "file", Path: filepath.ToSlash(r.pipePath())}).String())
}

// TraceID returns the trace's id in hexadecimal digits.
func (r *Recording) TraceID() string { return r.steps.TraceID() }

// Traces ends the recording of Pulumi, which must have ended, and returns what was
// recorded.
func (r *Recording) Traces() ptrace.Traces {
	all := r.steps.Traces()
	if r.pipe == nil {
		return all
	}
	// A killed Pulumi may have left half a line.
	if _, err := r.pipe.Write(append([]byte("\n"), last...)); err == nil {
		select {
		case <-r.drained:
		case <-time.After(drainLimit):
		}
	}
	r.mu.Lock()
	r.pulumi.ResourceSpans().MoveAndAppendTo(all.ResourceSpans())
	r.mu.Unlock()
	text, err := os.ReadFile(r.stepsFile())
	if err != nil {
		return all
	}
	for line := range bytes.Lines(text) {
		if traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(line); err == nil {
			traces.ResourceSpans().MoveAndAppendTo(all.ResourceSpans())
		}
	}
	return all
}

// Close removes what the recording needed.
func (r *Recording) Close() error {
	var err error
	if r.pipe != nil {
		err = r.pipe.Close()
		r.pipe = nil
	}
	if r.folder != "" {
		err = errors.Join(err, os.RemoveAll(r.folder))
		r.folder = ""
	}
	return err
}
