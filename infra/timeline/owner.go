package timeline

import (
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

// AddCreations adds the creations of controllers, the object itself first, from the
// spans of all traces that name them, and what the object says of its pods.
func (t *Timeline) AddCreations(controllers []Controller, spans []verify.Span, traceURL func(id string) string) {
	if len(controllers) > 0 {
		wanted, done := controllers[0].rollout()
		t.Wanted, t.Changing = wanted, !done
	}
	for _, controller := range controllers {
		object := controller.Object()
		created := controller.Metadata.Created
		phase := Phase{
			Name: PhaseCreated, By: apiserver, Text: object.String() + " accepted by " + apiserver,
			Start: created, End: created, Approximate: true, Source: SourceStatus,
		}
		creator := controller.Metadata.creator()
		for _, r := range requests(spans, object) {
			if r.verb != verbCreate || !r.sure || !r.ok() || r.span.Start.Sub(created).Abs() > eventSlack+time.Second {
				continue
			}
			phase.Approximate = false
			phase = spanned(phase, r.span)
			if r.caller != "" {
				creator = r.caller
			}
			t.Traces = append(t.Traces, Trace{ID: r.span.TraceID, URL: traceURL(r.span.TraceID), Text: "the request that created " + object.String()})
			phase.Trace = len(t.Traces)
			break
		}
		if creator != "" {
			phase.Text += " for " + creator
		}
		phase.Length = Duration(phase.End.Sub(phase.Start))
		t.Phases = append(t.Phases, phase)
	}
	slices.SortStableFunc(t.Phases, func(a, b Phase) int { return a.Start.Compare(b.Start) })
}

// Incarnations returns the uids of the pods of a name, each with the earliest time at
// which it existed, by Events and the kubelet's spans.
func Incarnations(facts Facts) map[string]time.Time {
	seen := map[string]time.Time{}
	add := func(uid string, at time.Time) {
		if earlier, has := seen[uid]; uid != "" && (!has || at.Before(earlier)) {
			seen[uid] = at
		}
	}
	for _, event := range facts.Events {
		at, _ := event.first()
		add(event.Involved.UID, at)
	}
	name := facts.Object.Namespace + "/" + facts.Object.Name
	for _, span := range facts.Spans {
		if span.Attributes[PodAttribute] == name {
			add(span.Attributes[UIDAttribute], span.Start)
		}
		for _, event := range span.Events {
			if parts := ranSandbox.FindStringSubmatch(event); parts != nil && namesPod(event, facts.Object) {
				add(parts[1], span.Start)
			}
		}
	}
	return seen
}

// namesPod reports whether containerd's log of a sandbox is about a pod of a name.
func namesPod(event string, object Object) bool {
	event = strings.ReplaceAll(event, `"`, "") + " "
	return containsWord(event, "ame:"+object.Name) && containsWord(event, "amespace:"+object.Namespace)
}

// containsWord reports whether a text has a word that ends with a space or a comma.
func containsWord(text, word string) bool {
	return strings.Contains(text, word+" ") || strings.Contains(text, word+",")
}

// NamesCreation reports whether spans name the creation of an object.
func NamesCreation(spans []verify.Span, object Object) bool {
	return slices.ContainsFunc(requests(spans, object), func(r request) bool { return r.verb == verbCreate && r.sure }) ||
		slices.ContainsFunc(spans, func(span verify.Span) bool {
			_, has := span.Attributes[KeyAttribute]
			return has && span.Service == tracing.ServiceAPIServer
		})
}
