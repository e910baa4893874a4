package gather

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/timeline"
)

// Phases is a [verify.PhaseSource] that knows what Jaeger has: the pods that the
// kubelet's spans name, from Kubernetes 1.27 on.
func Phases(ctx context.Context, client verify.Client, phase, pods string, since time.Time) ([]verify.PodPhase, error) {
	s := &Sources{Jaeger: client, Now: time.Now}
	spans, err := s.ask(ctx, verify.Query{Service: tracing.ServiceKubelet, Operation: "syncPod", Since: since})
	if err != nil {
		return nil, err
	}
	found := map[timeline.Object]bool{}
	for _, span := range spans {
		name := span.Attributes[timeline.PodAttribute]
		if matched, err := path.Match(pods, name); err == nil && matched && span.Attributes[timeline.UIDAttribute] != "" {
			namespace, short, _ := strings.Cut(name, "/")
			found[timeline.Object{Kind: "pod", Namespace: namespace, Name: short, UID: span.Attributes[timeline.UIDAttribute]}] = true
		}
	}
	objects := make([]timeline.Object, 0, len(found))
	for object := range found {
		objects = append(objects, object)
	}
	slices.SortFunc(objects, func(a, b timeline.Object) int { return strings.Compare(a.UID, b.UID) })
	built := make([]timeline.Pod, len(objects))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, object := range objects {
		group.Go(func() error {
			facts := timeline.Facts{Object: object, Spans: spans, Away: true, Now: s.Now()}
			if beforeKubelet(phase) {
				requests, err := s.ask(groupCtx, verify.Query{
					Since: since, Service: tracing.ServiceAPIServer, Attributes: map[string]string{timeline.KeyAttribute: timeline.Key(object)},
				})
				if err != nil {
					return err
				}
				facts.Spans = slices.Concat(spans, requests)
			}
			built[i] = timeline.Build(facts)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var phases []verify.PodPhase
	for _, pod := range built {
		for _, p := range pod.Phases {
			if string(p.Name) != phase || p.End.IsZero() {
				continue
			}
			phases = append(phases, verify.PodPhase{
				Pod: pod.Namespace + "/" + pod.Name, UID: pod.UID, Name: phase, Container: p.Container,
				Length: time.Duration(p.Length), Error: p.Error, TraceID: traceOf(pod, p),
			})
		}
	}
	return phases, nil
}

// beforeKubelet reports whether a phase lies before the kubelet's, whose spans do not
// show it.
func beforeKubelet(phase string) bool {
	return slices.Contains([]timeline.PhaseName{
		timeline.PhaseAccepted, timeline.PhaseScheduling, timeline.PhaseScheduled, timeline.PhaseNoticed,
	}, timeline.PhaseName(phase))
}

// traceOf returns the trace that shows a phase, or the one that follows a wait.
func traceOf(pod timeline.Pod, phase timeline.Phase) string {
	for _, p := range pod.Phases {
		if p.TraceID != "" && !p.Start.Before(phase.Start) {
			return p.TraceID
		}
	}
	return phase.TraceID
}
