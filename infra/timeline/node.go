package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

// kubelet returns how the kubelet is named in phases.
func (b *builder) kubelet() string {
	if b.pod.Node == "" {
		return tracing.ServiceKubelet
	}
	return tracing.ServiceKubelet + " on " + b.pod.Node
}

// run adds the phases on the node.
func (b *builder) run() {
	b.notice()
	for i, c := range b.calls {
		if i == 0 && c.name == runPodSandbox {
			b.volumes(c.start)
		}
		b.before(c)
		b.add(b.phaseOf(c))
	}
	b.ready()
}

// notice adds the time until the kubelet began to work on the pod.
func (b *builder) notice() {
	phase := Phase{Name: PhaseNoticed, By: b.kubelet(), Text: "waiting for the kubelet to notice the pod"}
	at, source := b.noticed(&phase)
	if len(b.syncs) == 0 {
		switch {
		case b.Rates.UnnamedPods:
			b.note("this kubelet's spans name no pod: its calls are those that the runtime logged with the pod's uid")
		case len(b.calls) == 0 && b.Pod != nil:
			b.note("the kubelet sends its span of a pod's start when that has ended or failed: until then its steps are known by Events alone")
		default:
			b.missing("the kubelet's work for the pod", "the kubelet", b.Rates.Kubelet, "its steps are known by Events and the pod's status alone")
		}
	}
	if at.IsZero() {
		// What lies before the first call is volumes as well, and which part is not known.
		return
	}
	if at.Before(b.cursor) {
		at = b.cursor
	}
	phase.Start, phase.End, phase.Wait, phase.Source, phase.Approximate = b.cursor, at, true, source, source == SourceStatus
	if len(b.pod.Phases) == 0 {
		b.cursor, phase.Start = at, at
	}
	if at.Sub(phase.Start) >= least || phase.TraceID != "" {
		b.add(phase)
	}
}

// noticed returns when the kubelet began to work on the pod: by its span, else at the
// latest by its first write of the pod's status, its first Event or the status itself.
func (b *builder) noticed(phase *Phase) (time.Time, Source) {
	if len(b.syncs) > 0 {
		phase.TraceID, phase.SpanID = b.syncs[0].TraceID, b.syncs[0].ID
		b.compareClocks(b.syncs[0].Start)
		return b.syncs[0].Start, SourceSpan
	}
	var at time.Time
	var source Source
	for _, r := range b.requests {
		if r.verb == verbStatus && r.ok() && r.caller == tracing.ServiceKubelet {
			at, source = r.span.Start, SourceSpan
			phase.TraceID, phase.SpanID = r.span.TraceID, r.span.ID
			break
		}
	}
	for _, event := range b.events {
		first, exact := event.first()
		if event.Source.Component == tracing.ServiceKubelet && exact && (at.IsZero() || first.Before(at)) {
			at, source = first, SourceEvent
			phase.TraceID, phase.SpanID = "", ""
		}
	}
	if len(b.calls) > 0 && !at.IsZero() && b.calls[0].start.Before(at) {
		return time.Time{}, source
	}
	if at.IsZero() && b.Pod != nil {
		return b.Pod.Status.Start, SourceStatus
	}
	return at, source
}

// compareClocks notes that the clock of the kubelet's node differs from that of
// kube-apiserver's: the kubelet cannot have begun before the binding, and not after it
// first wrote the pod's status.
func (b *builder) compareClocks(began time.Time) {
	behind := time.Duration(0)
	if bound, has := b.find(verbBind); has {
		behind = bound.span.Start.Sub(began)
	}
	ahead := time.Duration(0)
	for _, r := range b.requests {
		if r.verb == verbStatus && r.ok() && r.caller == tracing.ServiceKubelet {
			ahead = began.Sub(r.span.End)
			break
		}
	}
	switch {
	case behind > clockError:
		b.note("the clock of node %s is at least %s behind kube-apiserver's: the kubelet's times are as it recorded them, so phases before and after \"noticed\" may overlap", b.pod.Node, rounded(behind))
	case ahead > clockError:
		b.note("the clock of node %s is at least %s ahead of kube-apiserver's: the kubelet's times are as it recorded them, and waiting for the kubelet seems that much longer", b.pod.Node, rounded(ahead))
	}
}

// mountReasons are the reasons of Events about volumes.
//
// Source: kubernetes pkg/kubelet/events/event.go.
var mountReasons = []string{"FailedMount", "FailedAttachVolume", "FailedMapVolume"}

// mountFailure returns the last word about a volume that could not be mounted.
func (b *builder) mountFailure() string {
	text := ""
	for _, event := range b.events {
		if slices.Contains(mountReasons, event.Reason) {
			text = event.Message
		}
	}
	return text
}

// volumes adds the time until the sandbox was requested.
func (b *builder) volumes(until time.Time) {
	phase := Phase{Name: PhaseVolumes, By: b.kubelet(), Text: "volumes and other preparation by the kubelet", Source: SourceGap}
	if words := b.mountFailure(); words != "" {
		phase.Wait, phase.Text, phase.Error = true, "waiting for a volume", words
	}
	if until.Sub(b.cursor) < least || len(b.pod.Phases) == 0 {
		return
	}
	if !slices.ContainsFunc(b.pod.Phases, func(p Phase) bool { return p.Name == PhaseNoticed }) {
		phase.Text = "waiting for the kubelet: it notices the pod and prepares its volumes"
		if phase.Error != "" {
			phase.Text = "waiting for the kubelet to notice the pod, and for a volume"
		}
		phase.Wait = true
	}
	phase.Start, phase.End = b.cursor, until
	if len(b.syncs) > 0 {
		phase.Source, phase.TraceID, phase.SpanID = SourceSpan, b.syncs[0].TraceID, b.syncs[0].ID
	}
	b.add(phase)
}

// phaseOf returns the phase of a call.
func (b *builder) phaseOf(c call) Phase {
	by := cmp.Or(c.runtime, "the runtime")
	phase := Phase{
		By: by, Container: c.container, Start: c.start, End: c.end, Source: c.source, Error: c.err,
		Approximate: !c.exact, TraceID: c.traceID, SpanID: c.spanID,
	}
	of := ""
	if c.container != "" {
		of = " " + c.container
		if b.Pod.isInit(c.container) {
			of += " (init)"
		}
	}
	switch c.name {
	case runPodSandbox:
		phase.Name, phase.Text = PhaseSandbox, "sandbox by "+by
		if c.network > 0 {
			phase.Text += ", " + rounded(c.network) + " of it network"
		}
	case pullImage:
		phase.Name, phase.Text = PhaseImagePull, "image pull by "+by
		if c.image != "" {
			phase.Text = "pull of " + c.image + " by " + by
		}
	case createContainer:
		phase.Name, phase.Text = PhaseCreate, "create"+of+" by "+by
	case startContainer:
		phase.Name, phase.Text = PhaseStart, "start"+of+" by "+by
	}
	return phase
}

// before fills the time before a call.
func (b *builder) before(next call) {
	if len(b.pod.Phases) == 0 {
		return
	}
	last := b.pod.Phases[len(b.pod.Phases)-1]
	restarts := next.container == last.Container && (next.name == createContainer || next.name == pullImage)
	switch {
	case last.Name == PhaseStart && (restarts || b.Pod.isInit(last.Container)):
		b.ran(last.Container, next.start, restarts)
	case last.Name == PhaseImagePull && last.Error != "" && next.name == pullImage:
		b.gap(next.start, Phase{Name: PhaseBackOff, By: b.kubelet(), Container: next.container, Text: "waiting for the kubelet's back-off after a failed pull"})
	case last.Name == PhaseSandbox && last.Error != "":
		b.gap(next.start, Phase{Name: PhaseBackOff, By: b.kubelet(), Text: "waiting for the kubelet to try again"})
	default:
		b.gap(next.start, Phase{Name: PhaseGap, By: b.kubelet(), Text: "waiting for the kubelet"})
	}
}

// ran adds the time in which a container ran and, if it was restarted, in which the
// kubelet backed off.
func (b *builder) ran(container string, until time.Time, restarted bool) {
	run := Phase{Name: PhaseRun, By: container, Container: container, Text: container + " ran", Start: b.cursor, Source: SourceStatus, Approximate: true}
	end, known := b.ended(container, b.cursor)
	switch {
	case known && end.Finished.Before(until):
		run.End = later(end.Finished, b.cursor)
		run.Text, run.Error = end.text(container), end.failure()
	case known:
		run.End = until
		run.Text, run.Error = end.text(container), end.failure()
	case restarted:
		b.gap(until, Phase{
			Name: PhaseBackOff, By: b.kubelet(), Container: container,
			Text: container + " ran and ended, and the kubelet backed off; when it ended is not known",
		})
		return
	default:
		run.End = until
	}
	if run.End.Sub(run.Start) >= least || run.Error != "" {
		b.add(run)
	}
	if restarted {
		b.gap(until, Phase{Name: PhaseBackOff, By: b.kubelet(), Container: container, Text: "waiting for the kubelet's back-off before " + container + " is restarted"})
	} else {
		b.gap(until, Phase{Name: PhaseGap, By: b.kubelet(), Text: "waiting for the kubelet"})
	}
}

// ended returns how the run of a container ended that began at a time, if its status
// still says so.
func (b *builder) ended(container string, began time.Time) (Termination, bool) {
	for _, status := range b.Pod.statuses() {
		for _, state := range []ContainerState{status.Last, status.State} {
			if end := state.Terminated; status.Name == container && end != nil && !end.Started.IsZero() &&
				end.Started.Sub(began).Abs() < eventSlack+time.Second {
				return *end, true
			}
		}
	}
	return Termination{}, false
}

func (t Termination) text(container string) string {
	if t.ExitCode == 0 {
		return container + " ran and completed"
	}
	return container + " ran and failed"
}

// failure returns what went wrong; empty if nothing did.
func (t Termination) failure() string {
	if t.ExitCode == 0 {
		return ""
	}
	text := fmt.Sprintf("exit code %d", t.ExitCode)
	if t.Reason != "" && t.Reason != "Error" {
		text += ", " + t.Reason
	}
	if t.Message != "" {
		text += ": " + strings.TrimSpace(t.Message)
	}
	return text
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// ready adds what happened after the last call: the pod became ready, ended, or waits.
func (b *builder) ready() {
	if b.Pod == nil {
		return
	}
	status := b.Pod.Status
	var last Phase
	if len(b.pod.Phases) > 0 {
		last = b.pod.Phases[len(b.pod.Phases)-1]
	}
	ready := b.Pod.condition("Ready")
	switch {
	case status.Phase == "Succeeded" || status.Phase == "Failed":
		b.complete()
	case ready.Status == "True":
		b.pod.State = StateReady
		b.becameReady(ready)
	default:
		b.waiting(last)
	}
	if b.Pod.Metadata.Deleted != nil && !b.pod.State.Settled() {
		b.pod.State, b.pod.Reason = StateNotReady, "it is being deleted"
	}
}

// complete adds the end of a pod that is not restarted.
func (b *builder) complete() {
	b.pod.State = StateCompleted
	var end time.Time
	failure := ""
	for _, status := range b.Pod.statuses() {
		if t := status.State.Terminated; t != nil && !b.Pod.isInit(status.Name) {
			end = later(end, t.Finished)
			if words := t.failure(); words != "" {
				failure = status.Name + ": " + words
			}
		}
	}
	if b.Pod.Status.Phase == "Failed" {
		b.pod.State = StateFailed
		reason := b.Pod.Status.Reason
		if message := b.Pod.Status.Message; message != "" {
			reason += ": " + message
		}
		b.pod.Reason = cmp.Or(strings.TrimPrefix(reason, ": "), failure)
	}
	if end.IsZero() {
		return
	}
	b.add(Phase{
		Name: PhaseRun, By: "its containers", Text: "its containers ran and ended", Start: b.cursor, End: later(end, b.cursor),
		Error: failure, Approximate: true, Source: SourceStatus,
	})
}

// becameReady adds the time until the pod was ready.
func (b *builder) becameReady(condition Condition) {
	phase := Phase{Name: PhaseReady, By: b.kubelet(), Text: "waiting for the kubelet to report the pod ready", Wait: true, Start: b.cursor}
	probed := b.probed()
	if len(probed) > 0 {
		phase.By = "the readiness probe"
		phase.Text = "waiting for the readiness probe of " + strings.Join(probed, ", ") + " until ready"
	}
	phase.End, phase.Source, phase.Approximate = later(condition.Transition, b.cursor), SourceStatus, true
	if reported, has := b.reported(condition.Transition, len(probed) > 0); has {
		phase.End, phase.Source, phase.Approximate = reported.span.End, SourceSpan, false
		phase.TraceID, phase.SpanID = reported.span.TraceID, reported.span.ID
	} else if b.Now.Sub(condition.Transition) < arrival {
		b.pod.Incomplete = true
	}
	b.pod.ReadyAfter = Duration(phase.End.Sub(b.pod.first()))
	b.add(phase)
}

// arrival is how long a span may take until it is in Jaeger: five seconds of a batch,
// and some for the way.
//
// Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
// (OTEL_BSP_SCHEDULE_DELAY).
const arrival = 10 * time.Second

// probed returns the containers with a readiness probe.
func (b *builder) probed() []string {
	var names []string
	for _, container := range b.Pod.Spec.Containers {
		if container.Readiness != nil {
			names = append(names, container.Name)
		}
	}
	return names
}

// reported returns the kubelet's write of the status by which the pod became ready: in
// the second of the condition's transition or just after it. If the kubelet waits for a
// probe, it has written other changes before.
func (b *builder) reported(transition time.Time, probed bool) (request, bool) {
	var inSecond, after []request
	for _, r := range b.requests {
		if r.verb != verbStatus || !r.ok() || r.caller != tracing.ServiceKubelet || r.span.End.Before(b.cursor) {
			continue
		}
		switch distance := r.span.Start.Sub(transition); {
		case distance < 0 || distance >= 2*time.Second:
		case distance < time.Second:
			inSecond = append(inSecond, r)
		default:
			after = append(after, r)
		}
	}
	switch {
	case len(inSecond) > 0 && probed:
		return inSecond[len(inSecond)-1], true
	case len(inSecond) > 0:
		return inSecond[0], true
	case len(after) > 0:
		return after[0], true
	default:
		return request{}, false
	}
}

// waiting adds what a pod that is not ready waits for.
func (b *builder) waiting(last Phase) {
	b.pod.State = StateStarting
	for _, status := range b.Pod.statuses() {
		if b.waitingFor(status, last) {
			return
		}
	}
	kubelet := Phase{Name: PhaseGap, By: b.kubelet(), Text: "waiting for the kubelet"}
	switch {
	case last.Name == PhaseSandbox && last.Error != "":
		b.pod.State, b.pod.Reason = StateFailing, last.Error
		kubelet.Name, kubelet.Text = PhaseBackOff, "waiting for the kubelet to try again"
	case len(b.calls) == 0:
		kubelet.Name, kubelet.Text = PhaseVolumes, "volumes and other preparation by the kubelet"
		if words := b.mountFailure(); words != "" {
			b.pod.Reason = words
			kubelet.Text, kubelet.Error = "waiting for a volume", words
		}
	case last.Name == PhaseStart:
		b.pod.State = StateNotReady
		b.pod.Reason = b.Pod.condition("Ready").Message
		kubelet.Name, kubelet.Text = PhaseReady, "waiting for the kubelet to report the pod ready"
		if probed := b.probed(); len(probed) > 0 {
			kubelet.By, kubelet.Text = "the readiness probe", "waiting for the readiness probe of "+strings.Join(probed, ", ")
			if event, has := b.lastEvent("Unhealthy"); has {
				b.pod.Reason, kubelet.Error = event.Message, event.Message
			}
		}
	}
	b.open(kubelet)
}

func (b *builder) lastEvent(reason string) (Event, bool) {
	for _, event := range slices.Backward(b.events) {
		if event.Reason == reason {
			return event, true
		}
	}
	return Event{}, false
}

// uneventful are the reasons for which a container waits while all is well.
//
// Source: kubernetes pkg/kubelet/kubelet_pods.go (ContainerCreating,
// PodInitializing).
var uneventful = []string{"ContainerCreating", "PodInitializing", ""}

// waitingFor adds what a container waits for, and reports whether it fails.
func (b *builder) waitingFor(status ContainerStatus, last Phase) bool {
	backOff := Phase{Name: PhaseBackOff, By: b.kubelet(), Container: status.Name}
	end := status.State.Terminated
	if end == nil && status.State.Waiting != nil && status.Last.Terminated != nil && !slices.Contains(uneventful, status.State.Waiting.Reason) {
		end = status.Last.Terminated
	}
	switch waits := status.State.Waiting; {
	case end != nil && end.ExitCode != 0 || end != nil && !b.Pod.isInit(status.Name):
		b.pod.State = StateFailing
		b.pod.Reason = fmt.Sprintf("%s ended %s: %s", status.Name, timesText(status.Restarts+1), cmp.Or(end.failure(), "completed"))
		if last.Name == PhaseStart && last.Container == status.Name {
			run := Phase{
				Name: PhaseRun, By: status.Name, Container: status.Name, Text: end.text(status.Name), Start: b.cursor,
				End: later(end.Finished, b.cursor), Error: end.failure(), Approximate: true, Source: SourceStatus,
			}
			b.add(run)
		}
		backOff.Text = "waiting for the kubelet's back-off before " + status.Name + " is restarted"
	case waits == nil || slices.Contains(uneventful, waits.Reason):
		return false
	default:
		b.pod.State = StateFailing
		b.pod.Reason = status.Name + ": " + waits.Reason
		if waits.Message != "" {
			b.pod.Reason += ": " + waits.Message
		}
		backOff.Text, backOff.Error = "waiting for the kubelet to try again: "+waits.Reason, waits.Message
		if last.Error != "" {
			// The same words stand in the line above.
			backOff.Error = ""
		}
	}
	b.open(backOff)
	return true
}

func timesText(count int) string {
	if count == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", count)
}

// remove adds the end of a pod that was deleted.
func (b *builder) remove() {
	stops := syncs(b.Spans, b.Object.UID, syncTerminatingPod)
	var deletions []request
	for _, r := range b.requests {
		if (r.verb == verbDelete || r.verb == verbEvict) && r.ok() {
			deletions = append(deletions, r)
		}
	}
	// The kubelet also stops a pod that has ended.
	if b.Pod == nil && len(stops) > 0 && (len(deletions) == 0 || stops[0].Start.Before(deletions[0].span.Start)) {
		b.ranUntil(stops[0].Start, "its containers ran and ended")
		b.add(b.stopped(stops[0]))
		stops = stops[1:]
		if len(deletions) > 0 {
			b.gap(deletions[0].span.Start, Phase{Name: PhaseDelete, By: cmp.Or(deletions[0].caller, tracing.ServiceKubelet), Text: "ended, and not deleted yet"})
		}
	}
	for i, r := range deletions {
		what := "deletion"
		switch {
		case r.verb == verbEvict:
			what = "eviction"
		case i > 0:
			what = "removal"
		}
		b.ranUntil(r.span.Start, "ran until it was deleted")
		b.add(spanned(Phase{Name: PhaseDelete, By: apiserver, Text: what + " for " + cmp.Or(r.caller, tracing.ServiceKubelet)}, r.span))
		for _, stop := range stops {
			b.gap(stop.Start, Phase{Name: PhaseGap, By: b.kubelet(), Text: "waiting for the kubelet to notice the deletion"})
			b.add(b.stopped(stop))
		}
		stops = nil
	}
	if event, has := b.lastEvent("Killing"); has && len(deletions) == 0 && b.Pod == nil {
		at, exact := event.first()
		b.ranUntil(at, "ran until it was deleted")
		b.add(Phase{Name: PhaseStop, By: b.kubelet(), Text: "stopped by the kubelet", Start: at, End: at, Source: SourceEvent, Approximate: !exact})
	}
	if b.Pod == nil {
		b.gone()
	}
}

func (b *builder) stopped(stop verify.Span) Phase {
	return spanned(Phase{Name: PhaseStop, By: b.kubelet(), Text: "stopped by the kubelet"}, stop)
}

// ranUntil adds the time in which a pod ran.
func (b *builder) ranUntil(at time.Time, text string) {
	if len(b.pod.Phases) == 0 || at.Sub(b.cursor) < least {
		return
	}
	if last := b.pod.Phases[len(b.pod.Phases)-1].Name; last == PhaseDelete || last == PhaseStop {
		b.gap(at, Phase{Name: PhaseGap, By: b.kubelet(), Text: "waiting for the kubelet"})
		return
	}
	b.add(Phase{Name: PhaseRun, By: "its containers", Text: text, Start: b.cursor, End: at, Source: SourceGap})
}

// gone says what became of a pod that the cluster no longer has.
func (b *builder) gone() {
	if b.Away {
		b.pod.State, b.pod.Reason = StateUnknown, "the cluster could not be asked"
		return
	}
	b.pod.State = StateDeleted
	if len(b.calls) > 0 {
		b.note("the pod is gone, and with it when it was ready and how its containers ended: no span or Event says so")
	}
}

// first returns when the first phase began.
func (p Pod) first() time.Time {
	if len(p.Phases) == 0 {
		return time.Time{}
	}
	return p.Phases[0].Start
}

// finish computes lengths and marks the longest phase.
func (b *builder) finish() {
	p := &b.pod
	p.Start, p.End = p.first(), b.cursor
	for _, phase := range p.Phases {
		if phase.End.IsZero() {
			p.End = later(b.Now, b.cursor)
		}
		if phase.Start.Before(p.Start) {
			p.Start = phase.Start
		}
	}
	longest := -1
	for i := range p.Phases {
		phase := &p.Phases[i]
		end := phase.End
		if end.IsZero() {
			end = p.End
		}
		phase.Length = Duration(end.Sub(phase.Start))
		if b.intended(*phase) {
			continue
		}
		if phase.Length > 0 && (longest < 0 || phase.Length > p.Phases[longest].Length) {
			longest = i
		}
	}
	if longest >= 0 {
		p.Phases[longest].Longest = true
	}
	if p.State == StateCompleted && len(p.Phases) > 0 {
		p.ReadyAfter = Duration(p.Phases[len(p.Phases)-1].End.Sub(p.Start))
	}
}

// intended reports whether a phase is what the pod is for, or its end.
func (b *builder) intended(phase Phase) bool {
	switch phase.Name {
	case PhaseRun:
		return !b.Pod.isInit(phase.Container)
	case PhaseDelete, PhaseStop:
		return true
	default:
		return false
	}
}
