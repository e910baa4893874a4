package gather

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/kubernetes"
	"github.com/kubetracing/kubetracing/infra/timeline"
)

// owner returns the timeline of an object that has pods.
func (s *Sources) owner(ctx context.Context, target Target) (timeline.Timeline, error) {
	object := timeline.Object{Kind: target.Kind, Namespace: target.Namespace, Name: target.Name}
	if target.UID != "" {
		return timeline.Timeline{}, fmt.Errorf("%s: only a pod is chosen by its uid", object)
	}
	k := kindOf(target.Kind)
	var controller timeline.Controller
	switch err := s.get(ctx, k.path(target.Namespace, target.Name), nil, &controller); {
	case err == nil:
	case kubernetes.IsNotFound(err):
		return s.withoutOwner(ctx, object, nil)
	case answered(err) || ctx.Err() != nil:
		return timeline.Timeline{}, fmt.Errorf("read %s in namespace %s: %w", object, object.Namespace, err)
	default:
		return s.withoutOwner(ctx, object, err)
	}
	controller.Kind = k.object
	object = controller.Object()
	owned := []timeline.Controller{controller}
	if target.Kind == "deployment" {
		sets, err := s.replicaSets(ctx, controller)
		if err != nil {
			return timeline.Timeline{}, err
		}
		owned = append(owned, sets...)
	}
	var pods list[timeline.PodObject]
	if err := s.get(ctx, kindOf("pod").path(target.Namespace, ""), nil, &pods); err != nil {
		return timeline.Timeline{}, fmt.Errorf("read the pods of %s: %w", object, err)
	}
	mine := slices.DeleteFunc(pods.Items, func(pod timeline.PodObject) bool {
		return !slices.ContainsFunc(owned, func(owner timeline.Controller) bool { return owns(owner, pod.Metadata) })
	})
	// Sets of earlier revisions that have no pods any more are history.
	owned = slices.DeleteFunc(owned, func(owner timeline.Controller) bool {
		return owner.Kind == "ReplicaSet" && target.Kind == "deployment" &&
			!slices.ContainsFunc(mine, func(pod timeline.PodObject) bool { return owns(owner, pod.Metadata) })
	})
	t := timeline.Timeline{Object: object}
	var err error
	if t.Pods, err = s.pods(ctx, object.Namespace, mine); err != nil {
		return timeline.Timeline{}, err
	}
	spans, err := s.creations(ctx, owned)
	if err != nil {
		t.Notes = append(t.Notes, fmt.Sprintf("Jaeger could not be asked (%v): this is what the objects and their Events tell", err))
	}
	t.AddCreations(owned, spans, func(id string) string { return verify.TraceURL(s.Jaeger.BaseURL, id) })
	return t, nil
}

func owns(owner timeline.Controller, meta timeline.Meta) bool {
	return slices.ContainsFunc(meta.Owners, func(ref timeline.OwnerRef) bool { return ref.Controller && ref.UID == owner.Metadata.UID })
}

// replicaSets returns the ReplicaSets of a Deployment.
func (s *Sources) replicaSets(ctx context.Context, deployment timeline.Controller) ([]timeline.Controller, error) {
	var sets list[timeline.Controller]
	if err := s.get(ctx, kindOf("replicaset").path(deployment.Metadata.Namespace, ""), nil, &sets); err != nil {
		return nil, fmt.Errorf("read the ReplicaSets of %s: %w", deployment.Object(), err)
	}
	var own []timeline.Controller
	for _, set := range sets.Items {
		if owns(deployment, set.Metadata) {
			set.Kind = "ReplicaSet"
			own = append(own, set)
		}
	}
	return own, nil
}

// pods returns the timelines of pods, in the order of their creation.
func (s *Sources) pods(ctx context.Context, namespace string, objects []timeline.PodObject) ([]timeline.Pod, error) {
	built := make([]timeline.Pod, len(objects))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i := range objects {
		group.Go(func() error {
			pod := objects[i]
			object := timeline.Object{Kind: "pod", Namespace: namespace, Name: pod.Metadata.Name, UID: pod.Metadata.UID}
			var err error
			built[i], err = s.pod(ctx, object, &pod)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(built, func(a, b timeline.Pod) int { return a.Start.Compare(b.Start) })
	return built, nil
}

// creations returns the spans of the traces that name controllers.
func (s *Sources) creations(ctx context.Context, controllers []timeline.Controller) ([]verify.Span, error) {
	var spans []verify.Span
	for _, controller := range controllers {
		// Only the creation is of interest, and later writes are many.
		client := s.Jaeger
		found, _, err := client.All(ctx, verify.Query{
			Service: tracing.ServiceAPIServer, Attributes: map[string]string{timeline.KeyAttribute: timeline.Key(controller.Object())},
			Since: controller.Metadata.Created.Add(-slack), Until: controller.Metadata.Created.Add(slack), Limit: maxTraces,
		})
		if err != nil {
			return nil, err
		}
		spans = append(spans, found...)
	}
	return spans, nil
}

// withoutOwner returns the timelines of the pods whose names say that an object owned
// them that the cluster does not have, or that is not to be asked.
func (s *Sources) withoutOwner(ctx context.Context, object timeline.Object, away error) (timeline.Timeline, error) {
	names, jaegerErr := s.podsByName(ctx, object)
	if jaegerErr != nil && away != nil {
		return timeline.Timeline{}, bothAway(object, away, jaegerErr)
	}
	t := timeline.Timeline{Object: object}
	for _, name := range names {
		pod, err := s.pod(ctx, timeline.Object{Kind: "pod", Namespace: object.Namespace, Name: name}, nil)
		if err != nil {
			return timeline.Timeline{}, err
		}
		if away != nil {
			// The timeline says so once.
			pod.Notes = slices.DeleteFunc(pod.Notes, func(note string) bool { return note == awayNote(away) })
		}
		t.Pods = append(t.Pods, pod)
	}
	if len(t.Pods) == 0 {
		return timeline.Timeline{}, s.notFound(ctx, object, away)
	}
	slices.SortStableFunc(t.Pods, func(a, b timeline.Pod) int { return a.Start.Compare(b.Start) })
	if away != nil {
		t.Notes = append(t.Notes, fmt.Sprintf("the cluster is away (%v): these are the pods in Jaeger whose names begin with %s-", away, object.Name))
	} else {
		t.Notes = append(t.Notes, fmt.Sprintf("%s does not exist: these are the pods in Jaeger of the last %s whose names begin with %s-", object, s.Lookback, object.Name))
	}
	return t, nil
}

// suffixes is how many parts the names of a controller's pods have after its own: a
// Deployment's those of the ReplicaSet and of the pod.
//
// Source: k8s.io/apiserver pkg/storage/names/generate.go.
func suffixes(kind string) int {
	if kind == "deployment" {
		return 2
	}
	return 1
}

// podsByName returns the pods of which the kubelet's newest spans tell and whose names
// follow from that of their owner.
func (s *Sources) podsByName(ctx context.Context, object timeline.Object) ([]string, error) {
	since := s.Now().Add(-s.Lookback)
	spans, err := s.ask(ctx, verify.Query{Service: tracing.ServiceKubelet, Operation: "syncPod", Since: since})
	if err != nil {
		return nil, err
	}
	prefix := object.Namespace + "/" + object.Name + "-"
	newest := map[string]time.Time{}
	for _, span := range spans {
		rest, matches := strings.CutPrefix(span.Attributes[timeline.PodAttribute], prefix)
		if matches && strings.Count(rest, "-") == suffixes(object.Kind)-1 {
			name := object.Name + "-" + rest
			newest[name] = later(newest[name], span.Start)
		}
	}
	names := make([]string, 0, len(newest))
	for name := range newest {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return newest[a].Compare(newest[b]) })
	return names, nil
}
