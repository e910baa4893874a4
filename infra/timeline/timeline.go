// Package timeline tells where the time of a pod went: it joins the object, its Events
// and the spans of kube-apiserver, kubelet and container runtime into one sequence of
// phases, each with who was responsible. It only computes; package gather asks the
// cluster and Jaeger.
package timeline

import (
	"fmt"
	"slices"
	"time"
)

// Object names a Kubernetes object.
type Object struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
}

func (o Object) String() string { return o.Kind + "/" + o.Name }

// Timeline is what happened to an object.
type Timeline struct {
	Object
	// Phases are those of the object itself if it is not a pod: its own creation, and
	// that of what it owns.
	Phases []Phase `json:"phases,omitempty"`
	// Pods are the pod itself or those that the object owns, in the order of their
	// creation.
	Pods []Pod `json:"pods"`
	// Wanted is how many pods the object is to have; 0 if that is unknown.
	Wanted int `json:"wanted,omitempty"`
	// Changing reports whether the object does not have the pods yet that it is to have.
	Changing bool `json:"changing,omitempty"`
	// Traces are those of Phases.
	Traces []Trace `json:"traces,omitempty"`
	// Notes name what is not known, and why.
	Notes []string `json:"notes,omitempty"`
}

// Pod is what happened to a pod.
type Pod struct {
	Object
	// Owners are the controllers, from the pod's own upwards.
	Owners []Object `json:"owners,omitempty"`
	Node   string   `json:"node,omitempty"`
	// CreatedBy is the client that created the pod; empty if unknown.
	CreatedBy string `json:"createdBy,omitempty"`
	// State is the state at the end of the timeline.
	State State `json:"state"`
	// Reason says why in one line, in the words of the component that knows.
	Reason string `json:"reason,omitempty"`
	// Start is when the first phase began, and End when the last one ended, or now if
	// something still goes on.
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// ReadyAfter is the time from Start until the pod was ready, or completed; zero if it
	// was not or that is unknown.
	ReadyAfter Duration `json:"readyAfter,omitempty"`
	Phases     []Phase  `json:"phases"`
	// Traces are the real traces of which the phases have spans. Phase.Trace is an index
	// into them.
	Traces []Trace `json:"traces"`
	// Notes name what is not known, and why.
	Notes []string `json:"notes,omitempty"`
	// Incomplete reports whether a span is missing that may still arrive.
	Incomplete bool `json:"incomplete,omitempty"`
}

// State is what became of a pod.
type State string

// The states of a pod.
const (
	StateReady     State = "ready"
	StateNotReady  State = "not ready"
	StateStarting  State = "starting"
	StatePending   State = "pending"
	StateFailing   State = "failing"
	StateCompleted State = "completed"
	StateFailed    State = "failed"
	StateDeleted   State = "deleted"
	StateUnknown   State = "unknown"
)

// Settled reports whether a pod in this state has nothing to wait for: it is ready, it
// ended, or something in it fails.
func (s State) Settled() bool {
	switch s {
	case StateReady, StateCompleted, StateFailed, StateFailing, StateDeleted:
		return true
	default:
		return false
	}
}

// PhaseName names a phase for programs.
type PhaseName string

// The phases, in the order in which a pod passes through them.
const (
	PhaseAccepted PhaseName = "accepted"
	// PhaseScheduling is the time until the scheduler binds the pod.
	PhaseScheduling PhaseName = "scheduling"
	PhaseScheduled  PhaseName = "scheduled"
	PhaseNoticed    PhaseName = "noticed"
	PhaseVolumes    PhaseName = "volumes"
	PhaseSandbox    PhaseName = "sandbox"
	PhaseImagePull  PhaseName = "imagePull"
	PhaseCreate     PhaseName = "create"
	PhaseStart      PhaseName = "start"
	PhaseRun        PhaseName = "run"
	PhaseReady      PhaseName = "ready"
	PhaseBackOff    PhaseName = "backOff"
	PhaseDelete     PhaseName = "delete"
	PhaseStop       PhaseName = "stop"
	// PhaseGap is time between two phases.
	PhaseGap PhaseName = "gap"
	// PhaseCreated is the creation of an object that is not a pod.
	PhaseCreated PhaseName = "created"
)

// Phase is a part of a timeline.
type Phase struct {
	Name PhaseName `json:"name"`
	// Wait reports whether nothing was done for the pod in this time but waiting for
	// By.
	Wait bool `json:"wait,omitempty"`
	// By is the component that was responsible.
	By string `json:"by"`
	// Container is the container's name, if the phase is that of one.
	Container string `json:"container,omitempty"`
	// Text describes the phase for people.
	Text  string    `json:"text"`
	Start time.Time `json:"start"`
	// End is zero while the phase goes on.
	End time.Time `json:"end,omitzero"`
	// Length is the time from Start to End, or to the end of the timeline.
	Length Duration `json:"length"`
	// Error is what failed, in the words of the component that failed.
	Error string `json:"error,omitempty"`
	// Detail is what a component said about the phase without a failure.
	Detail string `json:"detail,omitempty"`
	// Approximate reports whether Start or End is known to the second only.
	Approximate bool `json:"approximate,omitempty"`
	// Source is where the times are from.
	Source Source `json:"source"`
	// Trace is the index of the phase's trace in Traces, from 1; 0 if there is none.
	Trace int `json:"trace,omitempty"`
	// TraceID and SpanID identify the real span, if there is one.
	TraceID string `json:"traceID,omitempty"`
	SpanID  string `json:"spanID,omitempty"`
	// Longest marks the longest phase of the pod in which it did not run as intended.
	Longest bool `json:"longest,omitempty"`
}

// Source is where the times of a phase are from.
type Source string

// The sources, the most exact first.
const (
	SourceSpan   Source = "span"
	SourceEvent  Source = "event"
	SourceStatus Source = "status"
	// SourceGap is for the time between two phases.
	SourceGap Source = "gap"
)

// Trace is a trace in Jaeger.
type Trace struct {
	ID string `json:"id"`
	// URL is where Jaeger's UI shows it; empty if that is unknown.
	URL string `json:"url,omitempty"`
	// Text says what it is the trace of.
	Text string `json:"text"`
}

// Duration is a length of time, written as Go writes it, as 1.5s.
type Duration time.Duration

// MarshalText writes the duration as [time.Duration] does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration with its unit.
func (d *Duration) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("read a duration: %w", err)
	}
	*d = Duration(value)
	return nil
}

// Settled reports whether there is nothing to wait for: the object has the pods that it
// is to have and each is ready or has ended, or one fails.
func (t Timeline) Settled() bool {
	if t.Failed() != "" {
		return true
	}
	return t.Name != "" && !t.Changing && len(t.Pods) >= t.Wanted &&
		!slices.ContainsFunc(t.Pods, func(pod Pod) bool { return !pod.State.Settled() })
}

// Complete reports whether no span is known to be missing.
func (t Timeline) Complete() bool {
	return !slices.ContainsFunc(t.Pods, func(pod Pod) bool { return pod.Incomplete })
}

// Failed says which pod failed; it returns an empty text if none did.
func (t Timeline) Failed() string {
	for _, pod := range t.Pods {
		if pod.State == StateFailed || pod.State == StateFailing {
			return pod.String() + " is " + string(pod.State) + ": " + pod.Reason
		}
	}
	return ""
}

// Now says in one line what a pod does.
func (p Pod) Now() string {
	text := string(p.State)
	if len(p.Phases) > 0 {
		if last := p.Phases[len(p.Phases)-1]; last.End.IsZero() {
			text += ", " + last.Text
		}
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

// TraceIDs returns the ids of the real traces of a timeline, each once.
func (t Timeline) TraceIDs() []string {
	var ids []string
	add := func(traces []Trace) {
		for _, trace := range traces {
			if !slices.Contains(ids, trace.ID) {
				ids = append(ids, trace.ID)
			}
		}
	}
	add(t.Traces)
	for _, pod := range t.Pods {
		add(pod.Traces)
	}
	return ids
}
