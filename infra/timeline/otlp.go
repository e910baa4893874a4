package timeline

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// Service is the service name of timelines in Jaeger.
const Service = tracing.ServiceTimeline

// Attributes of a timeline's spans.
const (
	// parentAttribute names the request that created the object, as the annotation
	// of KEP-5915 does.
	//
	// Source: https://github.com/kubernetes/enhancements/pull/5916.
	parentAttribute = "tracing.k8s.io/traceparent"

	phaseAttribute  = "timeline.phase"
	waitAttribute   = "timeline.wait"
	byAttribute     = "timeline.by"
	textAttribute   = "timeline.text"
	sourceAttribute = "timeline.source"
	aboutAttribute  = "timeline.approximate"
	stateAttribute  = "timeline.state"
)

// Encode returns a timeline as one trace whose spans have links to the real ones, and
// the id of the trace. The same timeline has the same id.
//
// The links are those of KEP-5915: a span that does something because of an object links
// to the span that was there before, and is not its child.
func (t Timeline) Encode() (traces ptrace.Traces, id string, err error) {
	content, err := json.Marshal(t)
	if err != nil {
		return ptrace.Traces{}, "", fmt.Errorf("encode timeline: %w", err)
	}
	e := &encoder{sum: sha256.Sum256(content), traces: ptrace.NewTraces()}
	copy(e.trace[:], e.sum[:])
	if len(t.Pods) == 1 && t.Pods[0].Object == t.Object {
		e.pod(t.Pods[0], pcommon.SpanID{})
		return e.traces, e.trace.String(), nil
	}
	start, end := bounds(t)
	spans := e.resource(t.Object)
	root := e.span(spans, pcommon.SpanID{}, t.String(), start, end)
	for _, phase := range t.Phases {
		e.phase(spans, root.SpanID(), phase, end)
	}
	for _, pod := range t.Pods {
		e.pod(pod, root.SpanID())
	}
	return e.traces, e.trace.String(), nil
}

// encoder encodes a timeline as a trace.
type encoder struct {
	sum    [sha256.Size]byte
	trace  pcommon.TraceID
	traces ptrace.Traces
	count  uint64
}

// resource returns the spans of an object.
func (e *encoder) resource(object Object) ptrace.SpanSlice {
	resource := e.traces.ResourceSpans().AppendEmpty()
	attributes := resource.Resource().Attributes()
	attributes.PutStr("service.name", Service)
	attributes.PutStr("k8s.namespace.name", object.Namespace)
	attributes.PutStr("k8s."+object.Kind+".name", object.Name)
	attributes.PutStr("k8s."+object.Kind+".uid", object.UID)
	scope := resource.ScopeSpans().AppendEmpty()
	scope.Scope().SetName("github.com/kubetracing/kubetracing/infra/timeline")
	return scope.Spans()
}

// span appends a span.
func (e *encoder) span(spans ptrace.SpanSlice, parent pcommon.SpanID, name string, start, end time.Time) ptrace.Span {
	e.count++
	digest := sha256.Sum256(binary.BigEndian.AppendUint64(e.sum[:], e.count))
	var id pcommon.SpanID
	copy(id[:], digest[:])
	span := spans.AppendEmpty()
	span.SetTraceID(e.trace)
	span.SetSpanID(id)
	span.SetParentSpanID(parent)
	span.SetName(name)
	span.SetKind(ptrace.SpanKindInternal)
	span.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	span.SetEndTimestamp(pcommon.NewTimestampFromTime(end))
	return span
}

// pod appends the spans of a pod.
func (e *encoder) pod(pod Pod, parent pcommon.SpanID) {
	spans := e.resource(pod.Object)
	root := e.span(spans, parent, pod.String(), pod.Start, pod.End)
	root.Attributes().PutStr(PodAttribute, pod.Namespace+"/"+pod.Name)
	root.Attributes().PutStr(stateAttribute, string(pod.State))
	if pod.Node != "" {
		root.Attributes().PutStr("k8s.node.name", pod.Node)
	}
	if pod.ReadyAfter > 0 {
		root.Attributes().PutStr("timeline.ready_after", time.Duration(pod.ReadyAfter).String())
	}
	for i, note := range pod.Notes {
		root.Attributes().PutStr("timeline.note."+strconv.Itoa(i+1), note)
	}
	if pod.State == StateFailed || pod.State == StateFailing {
		root.Status().SetCode(ptrace.StatusCodeError)
		root.Status().SetMessage(pod.Reason)
	}
	for _, phase := range pod.Phases {
		if phase.Name == PhaseAccepted && phase.TraceID != "" {
			root.Attributes().PutStr(parentAttribute, "00-"+phase.TraceID+"-"+phase.SpanID+"-01")
			link(root, phase)
		}
		e.phase(spans, root.SpanID(), phase, pod.End)
	}
}

// phase appends the span of a phase. What goes on ends with the timeline.
func (e *encoder) phase(spans ptrace.SpanSlice, parent pcommon.SpanID, phase Phase, until time.Time) {
	end := phase.End
	if end.IsZero() {
		end = until
	}
	name := string(phase.Name)
	if phase.Container != "" {
		name += " " + phase.Container
	}
	if phase.Wait && phase.By != "" {
		name = "wait for " + phase.By
	}
	span := e.span(spans, parent, name, phase.Start, end)
	attributes := span.Attributes()
	attributes.PutStr(phaseAttribute, string(phase.Name))
	attributes.PutBool(waitAttribute, phase.Wait)
	attributes.PutStr(byAttribute, phase.By)
	attributes.PutStr(textAttribute, phase.Text)
	attributes.PutStr(sourceAttribute, string(phase.Source))
	if phase.Approximate {
		attributes.PutBool(aboutAttribute, true)
	}
	if phase.Container != "" {
		attributes.PutStr("k8s.container.name", phase.Container)
	}
	if phase.Detail != "" {
		attributes.PutStr("timeline.detail", phase.Detail)
	}
	if phase.Error != "" {
		span.Status().SetCode(ptrace.StatusCodeError)
		span.Status().SetMessage(phase.Error)
	}
	link(span, phase)
}

// link adds a link to the real span of a phase, if it has one.
func link(span ptrace.Span, phase Phase) {
	var trace pcommon.TraceID
	var id pcommon.SpanID
	if phase.TraceID == "" || decode(trace[:], phase.TraceID) != nil || decode(id[:], phase.SpanID) != nil {
		return
	}
	added := span.Links().AppendEmpty()
	added.SetTraceID(trace)
	added.SetSpanID(id)
	added.Attributes().PutStr(phaseAttribute, string(phase.Name))
}

// decode decodes hexadecimal digits that fill a slice.
func decode(to []byte, digits string) error {
	if len(digits) != hex.EncodedLen(len(to)) {
		return fmt.Errorf("%q has not %d digits", digits, hex.EncodedLen(len(to)))
	}
	if _, err := hex.Decode(to, []byte(digits)); err != nil {
		return fmt.Errorf("%q: %w", digits, err)
	}
	return nil
}
