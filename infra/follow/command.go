package follow

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Names of variables and headers with the context of a trace.
//
// Sources: https://www.w3.org/TR/trace-context/, https://www.w3.org/TR/baggage/,
// https://opentelemetry.io/docs/specs/otel/context/env-carriers/.
const (
	parentHeader  = "Traceparent"
	stateHeader   = "Tracestate"
	baggageHeader = "Baggage"

	ParentVariable    = "TRACEPARENT"
	stateVariable     = "TRACESTATE"
	baggageVariable   = "BAGGAGE"
	resourceVariable  = "OTEL_RESOURCE_ATTRIBUTES"
	serviceVariable   = "OTEL_SERVICE_NAME"
	serviceAttribute  = "service.name"
	defaultService    = "kubetracing"
	scope             = "github.com/kubetracing/kubetracing/infra/follow"
	sampled           = "01"
	traceContextParts = 4
)

// Span is a place in a trace, in hexadecimal digits.
type Span struct {
	TraceID, ID, ParentID string
}

// Command is a command whose requests are one trace.
type Command struct {
	// Span is the command's own span. Its parent is what the environment names.
	Span Span

	state, baggage string
	resource       map[string]string
}

// NewCommand returns a command that continues the trace of an environment, or begins
// one. It accepts the variables TRACEPARENT, TRACESTATE, BAGGAGE, OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES. What it does not understand is an error, and begins a trace.
func NewCommand(lookup func(string) (string, bool)) (*Command, error) {
	get := func(name string) string {
		value, _ := lookup(name)
		return value
	}
	command := &Command{Span: Span{TraceID: newID(16), ID: newID(8)}, resource: map[string]string{serviceAttribute: defaultService}}
	command.baggage = get(baggageVariable)
	attributes, err := parseResource(get(resourceVariable))
	for key, value := range attributes {
		command.resource[key] = value
	}
	if service := get(serviceVariable); service != "" {
		command.resource[serviceAttribute] = service
	}
	parent := get(ParentVariable)
	if parent == "" {
		return command, err
	}
	span, ok := parseParent(parent)
	if !ok {
		return command, fmt.Errorf("%s: %q is no W3C trace context: the command begins a trace of its own", ParentVariable, parent)
	}
	command.Span.TraceID, command.Span.ParentID = span.TraceID, span.ID
	command.state = get(stateVariable)
	return command, err
}

// newID returns a random id of a number of bytes.
func newID(size int) string {
	id := make([]byte, size)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

// parentForm is the form of a trace context: version, trace, span and flags. A later
// version may have more parts.
//
// Source: https://www.w3.org/TR/trace-context/#traceparent-header.
var parentForm = regexp.MustCompile(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$`)

// parseParent returns the trace and span of a trace context.
func parseParent(text string) (Span, bool) {
	parts := parentForm.FindStringSubmatch(text)
	if parts == nil || parts[1] == "ff" || (parts[1] == "00" && parts[traceContextParts] != "") ||
		strings.Trim(parts[2], "0") == "" || strings.Trim(parts[3], "0") == "" {
		return Span{}, false
	}
	return Span{TraceID: parts[2], ID: parts[3]}, true
}

// context returns the trace context of a span. It is always sampled: that is what the
// command is followed for.
func (s Span) context() string { return "00-" + s.TraceID + "-" + s.ID + "-" + sampled }

// parseResource reads attributes as key=value, separated by commas.
//
// Source: https://opentelemetry.io/docs/specs/otel/resource/sdk/ (OTEL_RESOURCE_ATTRIBUTES).
func parseResource(text string) (map[string]string, error) {
	attributes := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, has := strings.Cut(pair, "=")
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if key = strings.TrimSpace(key); !has || key == "" || err != nil {
			return nil, fmt.Errorf("%s: %q is not key=value: none of the attributes is used", resourceVariable, pair)
		}
		attributes[key] = decoded
	}
	return attributes, nil
}

// Environment returns the NAME=VALUE variables by which the command itself can continue
// the trace.
func (c *Command) Environment() []string { return []string{ParentVariable + "=" + c.Span.context()} }

// announce adds a span for a request to its headers and returns the span. A client that
// traces, too, is its parent.
func (c *Command) announce(header http.Header) Span {
	if c == nil {
		return Span{}
	}
	span := Span{TraceID: c.Span.TraceID, ID: newID(8), ParentID: c.Span.ID}
	if parent, ok := parseParent(header.Get(parentHeader)); ok {
		span.TraceID, span.ParentID = parent.TraceID, parent.ID
	} else if c.state != "" {
		header.Set(stateHeader, c.state)
	}
	if c.baggage != "" && header.Get(baggageHeader) == "" {
		header.Set(baggageHeader, c.baggage)
	}
	header.Set(parentHeader, span.context())
	return span
}

// Run is how a command ran.
type Run struct {
	// Arguments are the command's, its program first.
	Arguments  []string
	Start, End time.Time
	// ExitCode is 0 for success.
	ExitCode int
}

// subcommand matches an argument that is no value of a user's.
var subcommand = regexp.MustCompile(`^[a-z][a-z-]*$`)

// name returns what is shown of a command: its program and its first word. Further
// arguments may hold secrets.
func (r Run) name() string {
	name := filepath.Base(r.Arguments[0])
	if len(r.Arguments) > 1 && subcommand.MatchString(r.Arguments[1]) {
		name += " " + r.Arguments[1]
	}
	return name
}

// Traces returns the spans of a command and its requests, as OTLP.
func (c *Command) Traces(run Run, requests []Request) (ptrace.Traces, error) {
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	for key, value := range c.resource {
		resource.Resource().Attributes().PutStr(key, value)
	}
	scoped := resource.ScopeSpans().AppendEmpty()
	scoped.Scope().SetName(scope)
	root := scoped.Spans().AppendEmpty()
	if err := place(root, c.Span); err != nil {
		return traces, err
	}
	root.SetName(run.name())
	root.SetStartTimestamp(pcommon.NewTimestampFromTime(run.Start))
	root.SetEndTimestamp(pcommon.NewTimestampFromTime(run.End))
	root.Attributes().PutStr("process.executable.name", filepath.Base(run.Arguments[0]))
	root.Attributes().PutInt("process.exit.code", int64(run.ExitCode))
	if run.ExitCode != 0 {
		root.Status().SetCode(ptrace.StatusCodeError)
		root.Status().SetMessage(fmt.Sprintf("exit status %d", run.ExitCode))
	}
	for _, request := range requests {
		span := scoped.Spans().AppendEmpty()
		if err := place(span, request.Span); err != nil {
			return traces, err
		}
		request.describe(span)
	}
	return traces, nil
}

// place puts a span into its trace.
func place(span ptrace.Span, at Span) error {
	var trace pcommon.TraceID
	var id, parent pcommon.SpanID
	for _, part := range []struct {
		to   []byte
		from string
	}{{trace[:], at.TraceID}, {id[:], at.ID}, {parent[:], at.ParentID}} {
		if _, err := hex.Decode(part.to, []byte(part.from)); err != nil {
			return fmt.Errorf("encode span: %w", err)
		}
	}
	span.SetTraceID(trace)
	span.SetSpanID(id)
	span.SetParentSpanID(parent)
	return nil
}

// describe fills in what is known of a request. Its query stays away: it says little,
// and may be anything.
//
// Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
func (r Request) describe(span ptrace.Span) {
	path, _, _ := strings.Cut(r.Target, "?")
	span.SetName(r.Method + " " + path)
	span.SetKind(ptrace.SpanKindClient)
	span.SetStartTimestamp(pcommon.NewTimestampFromTime(r.Start))
	span.SetEndTimestamp(pcommon.NewTimestampFromTime(r.End))
	span.Attributes().PutStr("http.request.method", r.Method)
	span.Attributes().PutStr("url.path", path)
	span.Attributes().PutInt("http.response.status_code", int64(r.Status))
	if r.AuditID != "" {
		span.Attributes().PutStr(auditAttribute, r.AuditID)
	}
	if r.Status >= http.StatusBadRequest {
		span.Status().SetCode(ptrace.StatusCodeError)
		span.Status().SetMessage(http.StatusText(r.Status))
	}
}
