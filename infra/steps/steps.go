// Package steps records how long the steps of a command take, as the spans of a trace.
// A context says which step is running, and whether anything is recorded at all.
package steps

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Service is the service name of the spans.
const Service = "kubetracing"

// Variables with which a process continues the recording of the one that started it.
//
// Source: https://opentelemetry.io/docs/specs/otel/context/env-carriers/ (TRACEPARENT).
const (
	parentVariable = "TRACEPARENT"
	// fileVariable names the file to which the process appends its steps.
	fileVariable = "KUBETRACING_STEPS"
)

// Recorder collects the steps of a trace. It is safe for concurrent use.
type Recorder struct {
	trace pcommon.TraceID
	mu    sync.Mutex
	spans []span
	// path is the file to which steps are appended; empty means that they are kept.
	path string
}

type span struct {
	id, parent pcommon.SpanID
	name       string
	begin, end time.Time
	failed     bool
}

// step is what a context holds.
type step struct {
	recorder *Recorder
	id       pcommon.SpanID
}

type key struct{}

// New returns a recorder of a new trace, and a context in which steps are recorded.
func New(ctx context.Context) (context.Context, *Recorder) {
	recorder := &Recorder{trace: pcommon.TraceID(random[[16]byte]())}
	return context.WithValue(ctx, key{}, step{recorder: recorder}), recorder
}

// Continue returns a context in which the steps of this process are recorded, if the
// environment is that of [Environment].
func Continue(ctx context.Context, getenv func(string) string) context.Context {
	path, parts := getenv(fileVariable), strings.Split(getenv(parentVariable), "-")
	if path == "" || len(parts) != 4 {
		return ctx
	}
	continued := step{recorder: &Recorder{path: path}}
	if !decode(continued.recorder.trace[:], parts[1]) || !decode(continued.id[:], parts[2]) {
		return ctx
	}
	return context.WithValue(ctx, key{}, continued)
}

func decode(id []byte, digits string) bool {
	n, err := hex.Decode(id, []byte(digits[:min(len(digits), 2*len(id))]))
	return err == nil && n == len(id) && len(digits) == 2*len(id)
}

// random returns random bytes, which are not all zero.
func random[ID [16]byte | [8]byte]() (id ID) {
	switch bytes := any(&id).(type) {
	case *[16]byte:
		_, _ = rand.Read(bytes[:]) // it never fails
	case *[8]byte:
		_, _ = rand.Read(bytes[:])
	}
	return id
}

// Do runs a step, and records it if the context says so.
func Do(ctx context.Context, name string, run func(ctx context.Context) error) error {
	parent, recorded := ctx.Value(key{}).(step)
	if !recorded {
		return run(ctx)
	}
	done := span{id: pcommon.SpanID(random[[8]byte]()), parent: parent.id, name: name, begin: time.Now()}
	err := run(context.WithValue(ctx, key{}, step{parent.recorder, done.id}))
	done.end, done.failed = time.Now(), err != nil
	parent.recorder.add(done)
	return err
}

// add keeps a step, or appends it to the file. A step that cannot be recorded is left
// out: the work matters more.
func (r *Recorder) add(done span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, done)
	if r.path == "" {
		return
	}
	line, err := (&ptrace.JSONMarshaler{}).MarshalTraces(r.traces())
	r.spans = nil
	if err != nil {
		return
	}
	// It is there already: whoever started this process made it.
	file, err := os.OpenFile(r.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer file.Close()
	// One write, so that lines of several processes do not mix.
	_, _ = file.Write(append(line, '\n'))
}

// Traces returns the steps that have ended.
func (r *Recorder) Traces() ptrace.Traces {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.traces()
}

func (r *Recorder) traces() ptrace.Traces {
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", Service)
	spans := resource.ScopeSpans().AppendEmpty().Spans()
	for _, recorded := range r.spans {
		s := spans.AppendEmpty()
		s.SetTraceID(r.trace)
		s.SetSpanID(recorded.id)
		s.SetParentSpanID(recorded.parent)
		s.SetName(recorded.name)
		s.SetKind(ptrace.SpanKindInternal)
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(recorded.begin))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(recorded.end))
		if recorded.failed {
			s.Status().SetCode(ptrace.StatusCodeError)
		}
	}
	return traces
}

// TraceID returns the trace's id in hexadecimal digits.
func (r *Recorder) TraceID() string { return r.trace.String() }

// Environment returns the NAME=VALUE variables with which a process that is started
// now continues the step of a context: a [Continue] in it appends to a file, which must
// exist. It returns nil if nothing is recorded.
func Environment(ctx context.Context, file string) []string {
	current, recorded := ctx.Value(key{}).(step)
	if !recorded {
		return nil
	}
	return []string{
		fmt.Sprintf("%s=00-%s-%s-01", parentVariable, current.recorder.trace, current.id),
		fileVariable + "=" + file,
	}
}
