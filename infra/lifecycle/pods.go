package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/poll"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/diagnose"
	"github.com/kubetracing/kubetracing/infra/docker"
)

const (
	// podInterval is the pause between two questions for pods.
	podInterval = time.Second
	// stuckTime is how long the same pod may be kept from starting by what is tried again,
	// such as the pull of an image, before it is given up.
	stuckTime = time.Minute
)

// WaitPods waits until pods have started or, if they end, have succeeded. It fails with
// the words of their events when one of them never starts, or is kept from it for a
// minute.
func (m *Manager) WaitPods(ctx context.Context, document spec.Pods) error {
	namespace := diagnose.Namespace{Client: m.docker, Node: document.Node, Name: document.Namespace}
	limit := time.Duration(document.Timeout)
	start := time.Now()
	stuckSince := map[string]time.Time{}
	loop := poll.Loop{Interval: podInterval, Progress: func(status string) { m.log.printf("%s", status) }}
	return loop.Until(ctx, func(ctx context.Context) (string, bool, error) {
		all, err := namespace.Pods(ctx)
		late := time.Since(start) >= limit
		if err != nil {
			if late || errors.Is(err, docker.ErrNotFound) || errors.Is(err, docker.ErrUnavailable) {
				return "", false, err
			}
			// Kubernetes may not answer for a moment.
			return "", false, nil
		}
		waiting := missingPods(document, all)
		giveUp := late
		for _, pod := range waiting {
			switch pod.State {
			case diagnose.Failed:
				giveUp = true
			case diagnose.Pending:
				delete(stuckSince, pod.Name)
			default:
				if stuckSince[pod.Name].IsZero() {
					stuckSince[pod.Name] = time.Now()
				}
				giveUp = giveUp || time.Since(stuckSince[pod.Name]) >= stuckTime
			}
		}
		switch {
		case len(waiting) == 0:
			return "", true, nil
		case giveUp:
			return "", false, explainPods(ctx, namespace, waiting, late)
		}
		return podStatus(waiting), false, nil
	})
}

// missingPods returns those of a document's pods that have not started. One that does not
// exist may have been deleted behind Pulumi's back.
func missingPods(document spec.Pods, all []diagnose.Pod) []diagnose.Pod {
	var missing []diagnose.Pod
	for _, name := range document.Names {
		i := slices.IndexFunc(all, func(p diagnose.Pod) bool { return p.Name == name })
		switch {
		case i < 0:
			missing = append(missing, diagnose.Pod{Name: name, State: diagnose.Stuck, Reason: "it does not exist"})
		case all[i].State != diagnose.Started && (all[i].State != diagnose.Restarting || !document.Restarts):
			missing = append(missing, all[i])
		}
	}
	return missing
}

// explainPods returns the error of pods that have not started: of those that something
// is wrong with, or of all after the deadline; and the nodes that take none, of which
// events may name but a taint.
func explainPods(ctx context.Context, namespace diagnose.Namespace, waiting []diagnose.Pod, late bool) error {
	var failures []error
	for _, pod := range waiting {
		if late || pod.State != diagnose.Pending {
			failures = append(failures, fmt.Errorf("%s\n  look further: %s", pod.Describe(), namespace.Look(pod.Name)))
		}
	}
	for _, cause := range diagnose.Pressures(ctx, namespace.Client, namespace.Node) {
		failures = append(failures, fmt.Errorf("%s\n  look further: %s", cause.What, cause.Look))
	}
	return errors.Join(failures...)
}

// podStatus describes what keeps pods from starting; empty if nothing does.
func podStatus(waiting []diagnose.Pod) string {
	var texts []string
	for _, pod := range waiting {
		if pod.State != diagnose.Pending {
			texts = append(texts, pod.Describe())
		}
	}
	return strings.Join(texts, "; ")
}
