package verify

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Phases returns the names of the phases that an expectation can bound, in the order in
// which a pod passes through them.
func Phases() []string {
	return []string{"accepted", "scheduling", "scheduled", "noticed", "volumes", "sandbox", "imagePull", "create", "start"}
}

// PodPhase is a phase through which a pod has passed. A pod may have several of one name,
// as one for each container.
type PodPhase struct {
	// Pod is the pod, as NAMESPACE/NAME, and UID tells pods of one name apart.
	Pod, UID string
	// Name is the phase's, Container the container's if the phase is that of one.
	Name, Container string
	Length          time.Duration
	// Error is what failed; empty if nothing did.
	Error string
	// TraceID is the trace that shows the phase; empty if none does.
	TraceID string
}

// PhaseSource returns the phases of one name of the pods that match a pattern, by the
// spans that began after a time.
type PhaseSource func(ctx context.Context, client Client, phase, pods string, since time.Time) ([]PodPhase, error)

// phaseProblems returns the mistakes of an expectation of a phase.
func (e Expectation) phaseProblems(entry string) []error {
	var problems []error
	reject := func(format string, arguments ...any) {
		problems = append(problems, fmt.Errorf(entry+format, arguments...))
	}
	if !slices.Contains(Phases(), e.Phase) {
		reject(".phase: %q: must be one of %s", e.Phase, strings.Join(Phases(), ", "))
	}
	if len(e.Spans) > 0 {
		reject(".spans: cannot be combined with phase")
	}
	if e.MaxDuration == 0 {
		reject(".maxDuration: is required together with phase")
	}
	if _, err := path.Match(e.Pod, ""); err != nil {
		reject(".pod: %q: %w", e.Pod, err)
	} else if e.Pod != "" && strings.Count(e.Pod, "/") != 1 {
		reject(".pod: %q: must be NAMESPACE/NAME", e.Pod)
	}
	return problems
}

// pods returns the pattern of the pods of a phase.
func (e Expectation) pods() string {
	if e.Pod == "" {
		return "*/*"
	}
	return e.Pod
}

// pollPhases evaluates an expectation of a phase. held are the uids of the pods that
// hold.
func (c Check) pollPhases(ctx context.Context, result *Result, held map[string]bool) error {
	if c.Phases == nil {
		return errors.New("the phases of pods are not known here")
	}
	expectation := result.Expectation
	phases, err := c.Phases(ctx, c.Client, expectation.Phase, expectation.pods(), c.Since)
	if err != nil {
		return err
	}
	broken := map[string]bool{}
	for _, phase := range phases {
		if words := expectation.breaksPhase(phase); words != "" {
			broken[phase.UID] = true
			result.Broken, result.BrokenBy = []string{words}, phase.TraceID
		}
	}
	for _, phase := range phases {
		if broken[phase.UID] {
			delete(held, phase.UID)
			continue
		}
		held[phase.UID] = true
		if result.Trace.ID == "" {
			result.Trace = Trace{ID: phase.TraceID, Duration: phase.Length}
		}
	}
	result.Traces = len(held)
	return nil
}

// breaksPhase says which limit a phase exceeds; it returns an empty text if none.
func (e Expectation) breaksPhase(phase PodPhase) string {
	name := phase.Pod + " " + phase.Name
	if phase.Container != "" {
		name += " of " + phase.Container
	}
	switch {
	case phase.Length > time.Duration(e.MaxDuration):
		return fmt.Sprintf("%s took %s, more than %s", name, rounded(phase.Length), e.MaxDuration)
	case e.NoErrors && phase.Error != "":
		return fmt.Sprintf("%s has an error: %q", name, phase.Error)
	default:
		return ""
	}
}
