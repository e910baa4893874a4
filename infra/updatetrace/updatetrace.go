// Package updatetrace records an update as one trace: the steps of this program and of
// the commands that Pulumi runs, and Pulumi's own spans, as far as they hold no secret,
// path or person. Nothing of the rest reaches a disk: Pulumi sends its spans to this
// process.
//
// A recording never makes an update fail. What cannot be recorded is left out.
package updatetrace

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/steps"
)

// tracesVariable is that of Pulumi's flag --otel-traces. Releases that do not know the
// flag ignore it, and those that cannot send over HTTP, before 3.255.0, only log that.
//
// Source: pulumi/pulumi CHANGELOG.md (PULUMI_OPTION_*); pkg/cmd/pulumi/pulumi.go
// (InitOtelReceiver).
const tracesVariable = "PULUMI_OPTION_OTEL_TRACES"

// maxRequest bounds a request with spans of Pulumi, in bytes. Pulumi's own receiver takes
// as much from a plugin.
//
// Source: pulumi/pulumi sdk/go/common/util/rpcutil (GrpcChannelOptions, 400 MiB).
const maxRequest = 400 << 20

// endLimit bounds how long requests are waited for once Pulumi has ended.
const endLimit = 5 * time.Second

// Recording is the recording of an update.
type Recording struct {
	steps *steps.Recorder
	// folder holds the file of the commands' steps; empty if there is none.
	folder string
	// server receives Pulumi's spans at url; nil if it could not be started.
	server *http.Server
	url    string

	mu     sync.Mutex
	pulumi ptrace.Traces
}

// Start begins a recording, and returns a context in which steps are recorded.
func Start(ctx context.Context) (context.Context, *Recording) {
	r := &Recording{pulumi: ptrace.NewTraces()}
	ctx, r.steps = steps.New(ctx)
	if err := r.open(); err != nil {
		r.Close()
	}
	return ctx, r
}

// open creates the file in a private folder, and the receiver of Pulumi's spans.
func (r *Recording) open() (err error) {
	if r.folder, err = os.MkdirTemp("", "kubetracing-trace-"); err != nil {
		return err
	}
	if err := os.WriteFile(r.stepsFile(), nil, 0o600); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", spec.Localhost+":0")
	if err != nil {
		return fmt.Errorf("receive Pulumi's spans: %w", err)
	}
	// Whoever does not know the path cannot add to the trace.
	path := "/" + rand.Text()
	r.url = "http://" + listener.Addr().String() + path
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+path, r.receive)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: endLimit}
	// It ends with Close.
	go func() { _ = server.Serve(listener) }()
	r.server = server
	return nil
}

func (r *Recording) stepsFile() string { return filepath.Join(r.folder, "steps.jsonl") }

// receive keeps what may be kept of some of Pulumi's spans. It accepts whatever comes:
// Pulumi would say that it cannot send.
func (r *Recording) receive(_ http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(io.LimitReader(request.Body, maxRequest))
	if err != nil {
		return
	}
	traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	Filter(traces, r.TraceID()).ResourceSpans().MoveAndAppendTo(r.pulumi.ResourceSpans())
}

// Environment returns the NAME=VALUE variables with which a Pulumi that is started now
// is recorded as a part of the step of a context. Where lookup, such as [os.LookupEnv],
// finds another destination of Pulumi's spans, they go there.
func (r *Recording) Environment(ctx context.Context, lookup func(string) (string, bool)) []string {
	if r.server == nil {
		return nil
	}
	environment := steps.Environment(ctx, r.stepsFile())
	if other, _ := lookup(tracesVariable); other != "" {
		return environment
	}
	return append(environment, tracesVariable+"="+r.url)
}

// TraceID returns the trace's id in hexadecimal digits.
func (r *Recording) TraceID() string { return r.steps.TraceID() }

// Traces returns what was recorded. Pulumi must have ended, which sends everything
// first.
func (r *Recording) Traces() ptrace.Traces {
	all := r.steps.Traces()
	if r.server == nil {
		return all
	}
	// Those of a Pulumi that was killed may be on their way.
	ctx, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	_ = r.server.Shutdown(ctx)
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
	if r.server != nil {
		err = r.server.Close()
		r.server = nil
	}
	if r.folder != "" {
		err = errors.Join(err, os.RemoveAll(r.folder))
		r.folder = ""
	}
	return err
}
