package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/verify"
)

// Facts are what is known of a pod.
type Facts struct {
	// Object is the pod; its UID tells two pods of one name apart.
	Object Object
	// Pod is the pod as the cluster has it; nil if it is gone or the cluster is away.
	Pod *PodObject
	// Owners are its controllers, from its own upwards.
	Owners []Object
	// Events are those of the pod, and of other pods that had its name.
	Events []Event
	// Claims are the Events of the pod's volume claims.
	Claims []Event
	// Spans are those of all traces that may concern the pod.
	Spans []verify.Span
	// Rates are the sampling rates, for the reasons why a span is missing.
	Rates Rates
	// Away reports whether the cluster could not be asked, so that a pod that is not
	// there may exist.
	Away bool
	// Now ends what still goes on.
	Now time.Time
	// TraceURL returns where a trace is shown. Optional.
	TraceURL func(id string) string
}

// Rates are sampling rates per million.
type Rates struct {
	// Known reports whether the rates are.
	Known bool
	// APIServer, Kubelet and Collector are the rates of those, and the last that of
	// everything that passes it.
	APIServer, Kubelet, Collector int
	// UnnamedPods reports whether the kubelet has no span that names a pod.
	UnnamedPods bool
}

// least is the shortest time between two phases that is a phase of its own.
const least = time.Millisecond

// clockError is how far two readings of one clock, or the times of a span and what it
// reports, may differ without meaning anything.
const clockError = 2 * time.Millisecond

// builder builds the timeline of a pod.
type builder struct {
	Facts
	events   []Event
	requests []request
	tree     tree
	syncs    []verify.Span
	calls    []call
	pod      Pod
	// cursor is the end of the latest phase.
	cursor time.Time
	traces map[string]int
	// unnamed reports whether kube-apiserver's spans do not name what is created.
	unnamed bool
}

// Build returns the timeline of a pod.
func Build(facts Facts) Pod {
	b := &builder{Facts: facts, tree: newTree(facts.Spans), traces: map[string]int{}}
	b.pod = Pod{Object: facts.Object, Owners: facts.Owners, State: StateUnknown}
	uid := facts.Object.UID
	for _, event := range facts.Events {
		if event.Involved.UID == uid {
			b.events = append(b.events, event)
		}
	}
	slices.SortStableFunc(b.events, func(a, c Event) int {
		first, _ := a.first()
		second, _ := c.first()
		return first.Compare(second)
	})
	b.syncs = syncs(facts.Spans, uid, syncPod)
	b.findCalls()
	b.findRequests()

	b.accept()
	scheduled := b.schedule()
	if scheduled {
		b.run()
	}
	b.remove()
	b.finish()
	return b.pod
}

// findCalls finds the calls to the runtime, in the order of their starts.
func (b *builder) findCalls() {
	b.calls = callsBelow(b.tree, b.syncs)
	if len(b.calls) == 0 && len(b.syncs) == 0 {
		b.calls = append(callsByLog(b.tree, b.Spans, b.Object.UID), b.pullsByImage()...)
	}
	b.nameContainers()
	b.addEvents()
	slices.SortStableFunc(b.calls, func(x, y call) int { return x.start.Compare(y.start) })
}

// eventSlack is how much later than the end of a call the Event about it may be.
const eventSlack = time.Second

// eventOf are the reasons of the Events that the kubelet creates after a call.
//
// Source: kubernetes pkg/kubelet/events/event.go.
var eventOf = map[string]string{createContainer: "Created", startContainer: "Started"}

// nameContainers gives calls the containers of the Events that followed them.
func (b *builder) nameContainers() {
	for i := range b.calls {
		c := &b.calls[i]
		if c.container != "" || c.name == runPodSandbox {
			continue
		}
		nearest := eventSlack
		for _, event := range b.events {
			at, exact := event.first()
			distance := at.Sub(c.end)
			if c.name == pullImage && event.Reason == "Pulling" {
				distance = at.Sub(c.start).Abs()
			} else if event.Reason != eventOf[c.name] {
				continue
			}
			if exact && distance.Abs() < nearest && event.container() != "" {
				nearest, c.container = distance.Abs(), event.container()
			}
		}
	}
	// What follows in the same synchronization is about the same container.
	slices.SortStableFunc(b.calls, func(x, y call) int { return x.start.Compare(y.start) })
	for i := len(b.calls) - 2; i >= 0; i-- {
		c, next := &b.calls[i], b.calls[i+1]
		if c.container == "" && c.name != runPodSandbox && c.traceID != "" && c.traceID == next.traceID {
			c.container = next.container
		}
	}
	for i := 1; i < len(b.calls); i++ {
		c, previous := &b.calls[i], b.calls[i-1]
		if c.container == "" && c.name == startContainer && previous.name == createContainer && c.traceID == previous.traceID {
			c.container = previous.container
		}
	}
	// A pod of one container leaves no choice.
	if only := b.onlyContainer(); only != "" {
		for i := range b.calls {
			if c := &b.calls[i]; c.container == "" && c.name != runPodSandbox {
				c.container = only
			}
		}
	}
}

func (b *builder) onlyContainer() string {
	if b.Pod != nil && len(b.Pod.Spec.InitContainers) == 0 && len(b.Pod.Spec.Containers) == 1 {
		return b.Pod.Spec.Containers[0].Name
	}
	return ""
}

// pullsByImage returns the runtime's spans of pulls of the pod's images, where no span
// names the pod.
func (b *builder) pullsByImage() []call {
	images := map[string]string{}
	if b.Pod != nil {
		for _, container := range append(slices.Clone(b.Pod.Spec.InitContainers), b.Pod.Spec.Containers...) {
			images[container.Image] = container.Name
		}
	}
	var first time.Time
	for _, event := range b.events {
		if image, found := strings.CutPrefix(event.Message, "Pulling image \""); found && event.Reason == "Pulling" {
			images[strings.TrimSuffix(image, "\"")] = event.container()
			at, _ := event.first()
			if first.IsZero() || at.Before(first) {
				first = at
			}
		}
	}
	if first.IsZero() {
		return nil
	}
	var calls []call
	for _, span := range b.Spans {
		if method(span.Operation) != pullImage || strings.HasPrefix(span.Operation, "pkg.") || span.Start.Before(first.Add(-eventSlack)) {
			continue
		}
		c := newCall(b.tree, span)
		if container, own := images[c.image]; own {
			c.container = container
			calls = append(calls, c)
		}
	}
	return calls
}

// addEvents adds calls that only Events tell of.
func (b *builder) addEvents() {
	known := slices.Clone(b.calls)
	has := func(name, container string, at time.Time, exact bool) bool {
		slack := eventSlack
		if !exact {
			slack += time.Second
		}
		return slices.ContainsFunc(known, func(c call) bool {
			return c.name == name && (c.container == container || c.container == "") &&
				at.After(c.start.Add(-slack)) && at.Before(c.end.Add(slack))
		})
	}
	for _, event := range b.events {
		at, exact := event.first()
		container := event.container()
		c := call{container: container, start: at, end: at, source: SourceEvent, exact: exact}
		switch event.Reason {
		case "Pulling":
			c.name = pullImage
			c.image = quoted(event.Message)
			if done, ok := b.after(at, container, "Pulled", "Failed"); ok {
				c.end, _ = done.first()
				if done.Reason == "Failed" {
					c.err = done.Message
				}
			}
		case "Created":
			c.name = createContainer
		case "Started":
			c.name = startContainer
		case "FailedCreatePodSandBox":
			c.name, c.err = runPodSandbox, event.Message
		default:
			continue
		}
		if !has(c.name, container, c.end, exact) && !has(c.name, container, c.start, exact) {
			b.calls = append(b.calls, c)
		}
		if last := event.last(); event.times() > 1 && !has(c.name, container, last, false) {
			c.start, c.end, c.exact = last, last, event.Series != nil
			b.calls = append(b.calls, c)
		}
	}
}

// after returns the first Event about a container with one of some reasons that is
// not before a time.
func (b *builder) after(at time.Time, container string, reasons ...string) (Event, bool) {
	for _, event := range b.events {
		first, _ := event.first()
		if event.container() == container && slices.Contains(reasons, event.Reason) && !first.Before(at) {
			return event, true
		}
	}
	return Event{}, false
}

// quoted returns what stands between the first two quotation marks.
func quoted(text string) string {
	_, text, _ = strings.Cut(text, `"`)
	text, _, _ = strings.Cut(text, `"`)
	return text
}

// promptly is how soon the scheduler sees a new pod: a request that no span ties to the
// pod can only be its creation if the next step followed as soon.
const promptly = 250 * time.Millisecond

// findRequests finds the writes to this pod, not to others of its name: those between
// its creation and the next one.
func (b *builder) findRequests() {
	all := requests(b.Spans, b.Object)
	step := b.firstStep(all)
	evidence := step
	if evidence.IsZero() {
		evidence = b.Now
	}
	if b.Pod != nil {
		created := b.Pod.Metadata.Created
		// A clock that differs must not hide the creation.
		if latest := created.Add(time.Second); evidence.After(latest) || evidence.Before(created) {
			evidence = latest
		}
	}
	created, others, has := creation(all, b.earliest(), evidence)
	if has && !created.sure && (step.IsZero() || step.Sub(created.span.End) > promptly) {
		has, b.unnamed = false, true
	}
	from, until := b.earliest(), time.Time{}
	if has {
		from = created.span.Start
	}
	for _, r := range all {
		if r.verb == verbCreate && r.sure && r.ok() && r.span.Start.After(evidence) {
			until = r.span.Start
			break
		}
	}
	for _, r := range all {
		switch {
		case r.verb == verbCreate, r.span.Start.Before(from), !until.IsZero() && !r.span.Start.Before(until):
		default:
			b.requests = append(b.requests, r)
		}
	}
	if has {
		b.requests = slices.Insert(b.requests, 0, created)
		if others > 0 {
			b.note("which request created the pod is inferred from its time: %d others shortly before would fit, and this kube-apiserver's spans do not name what is created", others)
		}
	}
}

// earliest is a time before which nothing can be about this pod.
func (b *builder) earliest() time.Time {
	if b.Pod != nil {
		return b.Pod.Metadata.Created.Add(-clockError)
	}
	return time.Time{}
}

// firstStep returns the earliest time at which something was done for the pod after its
// creation; zero if nothing is known.
func (b *builder) firstStep(all []request) time.Time {
	earliest := time.Time{}
	add := func(at time.Time) {
		if !at.IsZero() && (earliest.IsZero() || at.Before(earliest)) {
			earliest = at
		}
	}
	for _, event := range b.events {
		if at, exact := event.first(); exact {
			add(at)
		} else {
			add(at.Add(time.Second))
		}
	}
	for _, sync := range b.syncs {
		add(sync.Start)
	}
	for _, c := range b.calls {
		if c.traceID != "" {
			add(c.start)
		}
	}
	if b.Pod != nil {
		for _, r := range all {
			if r.verb == verbBind && r.ok() && !r.span.Start.Before(b.earliest()) {
				add(r.span.Start)
			}
		}
	}
	return earliest
}

func (b *builder) note(format string, arguments ...any) {
	b.pod.Notes = append(b.pod.Notes, fmt.Sprintf(format, arguments...))
}

// add appends a phase. A start that is known to the second only is not before what
// happened earlier.
func (b *builder) add(phase Phase) {
	if phase.Approximate && phase.Start.Before(b.cursor) {
		phase.Start = b.cursor
	}
	if !phase.End.IsZero() && phase.End.Before(phase.Start) {
		phase.End = phase.Start
	}
	if phase.TraceID != "" {
		phase.Trace = b.trace(phase.TraceID, phase)
	}
	if phase.End.After(b.cursor) {
		b.cursor = phase.End
	} else if phase.Start.After(b.cursor) {
		b.cursor = phase.Start
	}
	b.pod.Phases = append(b.pod.Phases, phase)
}

// gap appends the time from the last phase until a start, if it is long enough to be
// one.
func (b *builder) gap(until time.Time, phase Phase) {
	if len(b.pod.Phases) == 0 || until.Sub(b.cursor) < least {
		return
	}
	phase.Start, phase.End, phase.Wait, phase.Source = b.cursor, until, true, SourceGap
	phase.Approximate = b.pod.Phases[len(b.pod.Phases)-1].Approximate
	b.add(phase)
}

func (b *builder) trace(id string, phase Phase) int {
	if index, has := b.traces[id]; has {
		return index
	}
	text := map[PhaseName]string{
		PhaseAccepted: "the request that created the pod", PhaseScheduled: "the request that bound it to its node",
		PhaseReady: "the request that reported it ready", PhaseDelete: "the request that deleted it",
		PhaseStop: "the kubelet stops it",
	}[phase.Name]
	if text == "" {
		text, _, _ = strings.Cut("the kubelet: "+phase.Text, " by ")
		if phase.Name == PhaseNoticed || phase.Name == PhaseVolumes {
			text = "the kubelet's work for the pod"
		}
	}
	trace := Trace{ID: id, Text: text}
	if b.TraceURL != nil {
		trace.URL = b.TraceURL(id)
	}
	b.pod.Traces = append(b.pod.Traces, trace)
	b.traces[id] = len(b.pod.Traces)
	return len(b.pod.Traces)
}

// spanned fills in the times and the place of a span.
func spanned(phase Phase, span verify.Span) Phase {
	phase.Start, phase.End, phase.Source = span.Start, span.End, SourceSpan
	phase.TraceID, phase.SpanID = span.TraceID, span.ID
	if span.Error && phase.Error == "" {
		phase.Error = cmp.Or(span.Message, "failed")
	}
	return phase
}

// find returns the first request of a kind that succeeded, if there is one.
func (b *builder) find(v verb) (request, bool) {
	for _, r := range b.requests {
		if r.verb == v && r.ok() {
			return r, true
		}
	}
	return request{}, false
}

// accept adds the creation of the pod.
func (b *builder) accept() {
	phase := Phase{Name: PhaseAccepted, By: apiserver, Text: "accepted by " + apiserver}
	creator := ""
	if b.Pod != nil {
		creator = b.Pod.Metadata.creator()
	}
	created, has := b.find(verbCreate)
	if has {
		creator = cmp.Or(created.caller, creator)
	}
	if b.pod.CreatedBy = creator; creator != "" {
		phase.Text += " for " + creator
	}
	switch {
	case has:
		b.add(spanned(phase, created.span))
	case b.Pod != nil:
		phase.Start, phase.End = b.Pod.Metadata.Created, b.Pod.Metadata.Created
		phase.Approximate, phase.Source = true, SourceStatus
		b.add(phase)
		b.missing("the request that created the pod", apiserver, b.Rates.APIServer, "when it was created is known to the second, and who asked by the name in its managed fields")
	default:
		b.missing("the request that created the pod", apiserver, b.Rates.APIServer, "when it was created and who asked is not known")
	}
}

// missing notes that a span is not there, why, and what that means.
func (b *builder) missing(what, component string, rate int, consequence string) {
	const all = 1_000_000
	reason := "Jaeger has no span of it"
	switch {
	case b.unnamed && component == apiserver:
		reason = "this kube-apiserver's spans do not name what is created, and several would fit"
	case b.Rates.Known && rate == 0:
		reason = "no span of it exists, since " + component + " does not sample"
	case b.Rates.Known && rate < all:
		reason = fmt.Sprintf("Jaeger has no span of it, since %s samples %s", component, share(rate))
	case b.Rates.Known && b.Rates.Collector < all:
		reason = fmt.Sprintf("Jaeger has no span of it, since the Collector passes on %s", share(b.Rates.Collector))
	case b.Rates.Known:
		reason = "Jaeger no longer has its span, or not yet"
		b.pod.Incomplete = true
	}
	b.note("%s: %s; %s", what, reason, consequence)
}

// share writes a rate per million as a percentage.
func share(rate int) string {
	const percent = 10_000
	return fmt.Sprintf("%g %%", float64(rate)/percent)
}

// schedule adds the scheduler's phases and reports whether the pod has a node.
func (b *builder) schedule() bool {
	waiting := Phase{Name: PhaseScheduling, By: scheduler, Text: "waiting for " + scheduler}
	for _, event := range b.events {
		if event.Reason == "FailedScheduling" {
			waiting.Error = event.Message
		}
	}
	scheduled := Phase{Name: PhaseScheduled, By: scheduler, Text: "scheduled by " + scheduler}
	if b.Pod != nil {
		b.pod.Node = b.Pod.Spec.NodeName
	}
	event, has := b.after(time.Time{}, "", "Scheduled")
	if _, node, found := strings.Cut(event.Message, " to "); has && found {
		b.pod.Node = cmp.Or(b.pod.Node, node)
	}
	for _, sync := range b.syncs {
		b.pod.Node = cmp.Or(b.pod.Node, sync.Attributes["k8s.node.name"], sync.Attributes["host.name"])
	}
	if b.pod.Node != "" {
		scheduled.Text += " to " + b.pod.Node
	}
	bound, isBound := b.find(verbBind)
	condition := b.Pod.condition("PodScheduled")
	switch {
	case isBound:
		b.waitForClaim(&waiting, bound.span.Start)
		b.gap(bound.span.Start, waiting)
		b.add(spanned(scheduled, bound.span))
	case has:
		at, exact := event.first()
		b.waitForClaim(&waiting, at)
		b.gap(at, waiting)
		scheduled.Start, scheduled.End, scheduled.Source, scheduled.Approximate = at, at, SourceEvent, !exact
		b.add(scheduled)
		b.missing("the scheduler's binding", apiserver, b.Rates.APIServer, "its end is known by an Event")
	case condition.Status == "True" && condition.Reason == "":
		scheduled.Start, scheduled.End = condition.Transition, condition.Transition
		scheduled.Source, scheduled.Approximate = SourceStatus, true
		b.gap(scheduled.Start, waiting)
		b.add(scheduled)
		b.missing("the scheduler's binding", apiserver, b.Rates.APIServer, "its end is known to the second, by the pod's condition PodScheduled")
	case b.pod.Node != "" || len(b.calls) > 0:
		// Whoever created the pod chose its node, or nothing tells of the scheduler.
	case b.Pod != nil:
		waiting.Error = cmp.Or(condition.Message, waiting.Error)
		b.waitForClaim(&waiting, b.Now)
		b.pod.State, b.pod.Reason = StatePending, cmp.Or(waiting.Error, waiting.Detail, "it has not been scheduled")
		b.open(waiting)
		return false
	default:
		if waiting.Error != "" {
			b.openFrom(waiting)
		}
		return false
	}
	return true
}

// waitForClaim says for which volume claim the scheduler waited until a time, if an
// Event of one tells.
func (b *builder) waitForClaim(waiting *Phase, until time.Time) {
	for _, event := range b.Claims {
		at, _ := event.first()
		if at.Before(b.cursor.Add(-time.Second)) || at.After(until) {
			continue
		}
		waiting.By = cmp.Or(provisioner(event), scheduler)
		waiting.Text = "waiting for " + scheduler + ", which waits for volume claim " + event.Involved.Name
		waiting.Detail = event.Message
	}
}

// provisioner returns the name of what reported an Event of a volume claim, without
// the instance that some append.
func provisioner(event Event) string {
	name, _, _ := strings.Cut(cmp.Or(event.Reporter, event.Source.Component), "_")
	return name
}

// openFrom adds a wait that only Events tell of: from the first to the last.
func (b *builder) openFrom(waiting Phase) {
	for _, event := range b.events {
		if event.Message == waiting.Error {
			first, exact := event.first()
			if len(b.pod.Phases) == 0 {
				b.cursor = first
			}
			waiting.Start, waiting.End, waiting.Source, waiting.Approximate, waiting.Wait = b.cursor, event.last(), SourceEvent, !exact, true
		}
	}
	b.add(waiting)
}

// open adds a phase that goes on.
func (b *builder) open(phase Phase) {
	phase.Start, phase.End, phase.Wait, phase.Source = b.cursor, time.Time{}, true, cmp.Or(phase.Source, SourceGap)
	if len(b.pod.Phases) == 0 {
		phase.Start = b.Now
	}
	b.pod.Phases = append(b.pod.Phases, phase)
}
