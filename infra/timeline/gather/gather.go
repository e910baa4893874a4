// Package gather asks a cluster and its Jaeger for what a timeline is made of. Either
// may be away: then the timeline says what is not known.
package gather

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/kubernetes"
	"github.com/kubetracing/kubetracing/infra/timeline"
)

// Sources are where the facts are.
type Sources struct {
	// Cluster is the cluster; nil if it is away, for the reason Away.
	Cluster *kubernetes.Client
	Away    error
	Jaeger  verify.Client
	Rates   timeline.Rates
	// Runtimes are the service names of the container runtimes.
	Runtimes []string
	// Lookback is how far back an object is searched that the cluster does not have.
	Lookback time.Duration
	// Now returns the time.
	Now func() time.Time
}

// concurrency bounds how many pods of an object are asked for at once.
const concurrency = 8

// ErrNotFound says that neither the cluster nor Jaeger knows an object.
var ErrNotFound = errors.New("not found")

// Timeline returns the timeline of an object.
func (s Sources) Timeline(ctx context.Context, target Target) (timeline.Timeline, error) {
	if target.Kind == "" {
		resolved, err := s.resolve(ctx, target)
		if err != nil {
			return timeline.Timeline{}, err
		}
		target = resolved
	}
	if target.Kind == "pod" {
		object := timeline.Object{Kind: "pod", Namespace: target.Namespace, Name: target.Name, UID: target.UID}
		pod, err := s.pod(ctx, object, nil)
		if err != nil {
			return timeline.Timeline{}, err
		}
		return timeline.Timeline{Object: pod.Object, Pods: []timeline.Pod{pod}}, nil
	}
	return s.owner(ctx, target)
}

// get reads an object of the cluster.
func (s *Sources) get(ctx context.Context, path string, query url.Values, into any) error {
	if s.Cluster == nil {
		return s.Away
	}
	err := s.Cluster.Get(ctx, path, query, into)
	if kubernetes.IsDenied(err) {
		return fmt.Errorf("this kubeconfig's user may not read it: %w", err)
	}
	return err
}

// answered reports whether the cluster answered with a status of its own.
func answered(err error) bool {
	var status *kubernetes.StatusError
	return errors.As(err, &status)
}

// resolve finds the kind of an object of which only the name is known.
func (s *Sources) resolve(ctx context.Context, target Target) (Target, error) {
	found := make([]bool, len(kinds))
	group, groupCtx := errgroup.WithContext(ctx)
	for i, k := range kinds {
		group.Go(func() error {
			var object timeline.Controller
			err := s.get(groupCtx, k.path(target.Namespace, target.Name), nil, &object)
			found[i] = err == nil
			if err == nil || kubernetes.IsNotFound(err) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil && (answered(err) || ctx.Err() != nil) {
		return target, fmt.Errorf("find %q: %w", target.Name, err)
	}
	var matches []string
	for i, k := range kinds {
		if found[i] {
			target.Kind = k.name
			matches = append(matches, k.name+"/"+target.Name)
		}
	}
	if len(matches) > 1 {
		return target, fmt.Errorf("%q is ambiguous: %s", target.Name, strings.Join(matches, " or "))
	}
	// What the cluster does not have may be a pod that is gone.
	target.Kind = cmp.Or(target.Kind, "pod")
	return target, nil
}

// list is a list of objects.
type list[T any] struct {
	Items []T `json:"items"`
}

// pod returns the timeline of a pod. object is the pod as a list had it, or nil.
func (s *Sources) pod(ctx context.Context, object timeline.Object, known *timeline.PodObject) (timeline.Pod, error) {
	facts := timeline.Facts{Object: object, Pod: known, Rates: s.Rates, Now: s.Now(), TraceURL: func(id string) string { return verify.TraceURL(s.Jaeger.BaseURL, id) }}
	var notes []string
	var away error
	if known == nil {
		var pod timeline.PodObject
		switch err := s.get(ctx, kindOf("pod").path(object.Namespace, object.Name), nil, &pod); {
		case err == nil:
			facts.Pod = &pod
		case kubernetes.IsNotFound(err):
		case answered(err) || ctx.Err() != nil:
			return timeline.Pod{}, fmt.Errorf("read %s in namespace %s: %w", object, object.Namespace, err)
		default:
			facts.Away, away = true, err
			notes = append(notes, awayNote(err))
		}
	}
	live := facts.Pod
	if facts.Pod != nil && object.UID != "" && facts.Pod.Metadata.UID != object.UID {
		// An earlier pod of this name is asked for.
		facts.Pod = nil
	}
	events, spans, jaegerErr, err := s.evidence(ctx, &facts)
	if err != nil {
		return timeline.Pod{}, err
	}
	facts.Events, facts.Spans = events, spans
	if jaegerErr != nil {
		notes = append(notes, fmt.Sprintf("Jaeger could not be asked (%v): this is what the object and its Events tell", jaegerErr))
		if away != nil {
			return timeline.Pod{}, bothAway(object, away, jaegerErr)
		}
	}
	chosen, others := choose(facts, live, object.UID)
	if chosen == "" {
		return timeline.Pod{}, s.notFound(ctx, object, away)
	}
	facts.Object.UID = chosen
	if facts.Pod != nil {
		facts.Owners = s.owners(ctx, facts.Pod.Metadata)
	}
	pod := timeline.Build(facts)
	if len(others) > 0 {
		notes = append(notes, fmt.Sprintf("there was more than one pod of this name: --uid shows another, %s", strings.Join(others, " or ")))
	}
	pod.Notes = append(notes, pod.Notes...)
	return pod, nil
}

// awayNote says that only Jaeger could be asked.
func awayNote(away error) string {
	return fmt.Sprintf("the cluster is away (%v): this is what Jaeger still knows", away)
}

// bothAway says that nobody can be asked about an object.
func bothAway(object timeline.Object, away, jaeger error) error {
	return fmt.Errorf("%s in namespace %s: the cluster is away (%w), and Jaeger could not be asked either: %w", object, object.Namespace, away, jaeger)
}

// choose returns the uid of the pod that a timeline is of, and the uids of other pods of
// its name: the one that was asked for, the one that exists, or the newest.
func choose(facts timeline.Facts, live *timeline.PodObject, asked string) (chosen string, others []string) {
	seen := timeline.Incarnations(facts)
	if live != nil {
		seen[live.Metadata.UID] = live.Metadata.Created
	}
	uids := slices.SortedFunc(maps.Keys(seen), func(a, b string) int { return seen[b].Compare(seen[a]) })
	switch {
	case asked != "" && !slices.Contains(uids, asked):
		return "", uids
	case asked != "":
		chosen = asked
	case live != nil:
		chosen = live.Metadata.UID
	case len(uids) > 0:
		chosen = uids[0]
	}
	return chosen, slices.DeleteFunc(uids, func(uid string) bool { return uid == chosen })
}

// evidence asks for a pod's Events and spans. An error of Jaeger is not one of the
// timeline.
func (s *Sources) evidence(ctx context.Context, facts *timeline.Facts) (events []timeline.Event, spans []verify.Span, jaegerErr, err error) {
	group, groupCtx := errgroup.WithContext(ctx)
	if !facts.Away {
		group.Go(func() error {
			var err error
			events, err = s.events(groupCtx, facts.Object.Namespace, "Pod", facts.Object.Name)
			return err
		})
		group.Go(func() error {
			for _, claim := range facts.Pod.Claims() {
				found, err := s.events(groupCtx, facts.Object.Namespace, "PersistentVolumeClaim", claim)
				if err != nil {
					return err
				}
				facts.Claims = append(facts.Claims, found...)
			}
			return nil
		})
	}
	group.Go(func() error {
		spans, jaegerErr = s.spans(groupCtx, *facts)
		return nil
	})
	if err := group.Wait(); err != nil {
		return nil, nil, nil, err
	}
	if jaegerErr == nil && !timeline.NamesCreation(spans, facts.Object) {
		// Only now is known when the pod was created, if it is gone.
		more, err := s.creation(ctx, *facts, events)
		spans, jaegerErr = append(spans, more...), err
	}
	return events, spans, jaegerErr, nil
}

// events returns the Events about an object, and about others of its name.
func (s *Sources) events(ctx context.Context, namespace, kind, name string) ([]timeline.Event, error) {
	var found list[timeline.Event]
	query := url.Values{"fieldSelector": {"involvedObject.kind=" + kind + ",involvedObject.name=" + name}}
	if err := s.get(ctx, "/api/v1/namespaces/"+namespace+"/events", query, &found); err != nil {
		return nil, fmt.Errorf("read the Events of %s %s: %w", strings.ToLower(kind), name, err)
	}
	return found.Items, nil
}

// maxTraces bounds how many traces one question may have as its answer.
const maxTraces = 1000

// slack is how much earlier than an object's creation its first span may be.
const slack = 5 * time.Second

// since returns the earliest start of a span that may concern a pod.
func (s *Sources) since(facts timeline.Facts) time.Time {
	if facts.Pod != nil {
		return facts.Pod.Metadata.Created.Add(-slack)
	}
	return s.Now().Add(-s.Lookback)
}

// spans returns the spans of all traces that name a pod.
func (s *Sources) spans(ctx context.Context, facts timeline.Facts) ([]verify.Span, error) {
	object := facts.Object
	name := object.Namespace + "/" + object.Name
	spans, err := s.ask(ctx, slices.Concat(
		s.parts(facts, verify.Query{Service: tracing.ServiceAPIServer, Attributes: map[string]string{timeline.KeyAttribute: timeline.Key(object)}}),
		s.parts(facts, verify.Query{Service: tracing.ServiceKubelet, Attributes: map[string]string{timeline.PodAttribute: name}}),
	)...)
	if err != nil {
		return nil, err
	}
	var more []verify.Query
	if !slices.ContainsFunc(spans, func(span verify.Span) bool { return span.Service == tracing.ServiceAPIServer }) {
		// A kube-apiserver before 1.27 names an object only in the path of a request.
		path := kindOf("pod").path(object.Namespace, object.Name)
		for _, target := range []string{path, path + "/binding", path + "/status", path + "/eviction"} {
			more = append(more, s.parts(facts, verify.Query{Service: tracing.ServiceAPIServer, Attributes: map[string]string{"http.target": target}})...)
		}
	}
	if !slices.ContainsFunc(spans, func(span verify.Span) bool { return span.Attributes[timeline.PodAttribute] == name }) {
		for _, runtime := range s.Runtimes {
			for _, operation := range timeline.RuntimeOperations() {
				more = append(more, s.parts(facts, verify.Query{Service: runtime, Operation: operation})...)
			}
		}
	}
	found, err := s.ask(ctx, more...)
	return append(spans, found...), err
}

// beginning is the time after a pod's creation that is asked for on its own: of a pod
// that runs for days, the newest traces are not those of its start.
const beginning = 10 * time.Minute

// parts divides the time since a pod was created.
func (s *Sources) parts(facts timeline.Facts, query verify.Query) []verify.Query {
	since := s.since(facts)
	if facts.Pod == nil || s.Now().Sub(facts.Pod.Metadata.Created) <= beginning {
		query.Since = since
		return []verify.Query{query}
	}
	first, rest := query, query
	first.Since, first.Until = since, since.Add(beginning)
	rest.Since = first.Until.Add(time.Nanosecond)
	return []verify.Query{first, rest}
}

// creation returns the requests among which a pod's creation is, where no span names
// what is created.
func (s *Sources) creation(ctx context.Context, facts timeline.Facts, events []timeline.Event) ([]verify.Span, error) {
	facts.Events = events
	var from time.Time
	if facts.Pod != nil {
		from = facts.Pod.Metadata.Created
	} else {
		for uid, at := range timeline.Incarnations(facts) {
			if facts.Object.UID == "" || uid == facts.Object.UID {
				from = later(from, at)
			}
		}
	}
	if from.IsZero() {
		return nil, nil
	}
	client := s.Jaeger
	spans, _, err := client.All(ctx, verify.Query{
		Service: tracing.ServiceAPIServer, Attributes: map[string]string{"http.method": http.MethodPost},
		Since: from.Add(-slack), Until: from.Add(time.Second), Limit: maxTraces,
	})
	return spans, err
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// ask returns the spans of the traces that any of several queries selects, each once.
func (s *Sources) ask(ctx context.Context, queries ...verify.Query) ([]verify.Span, error) {
	answers := make([][]verify.Span, len(queries))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, query := range queries {
		group.Go(func() error {
			query.Limit = maxTraces
			var err error
			answers[i], _, err = s.Jaeger.All(ctx, query)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	seen := map[[2]string]bool{}
	var spans []verify.Span
	for _, span := range slices.Concat(answers...) {
		if id := [2]string{span.TraceID, span.ID}; !seen[id] {
			seen[id] = true
			spans = append(spans, span)
		}
	}
	return spans, nil
}

// owners returns the controllers above an object.
func (s *Sources) owners(ctx context.Context, meta timeline.Meta) []timeline.Object {
	var owners []timeline.Object
	for range kinds {
		i := slices.IndexFunc(meta.Owners, func(owner timeline.OwnerRef) bool { return owner.Controller })
		if i < 0 {
			return owners
		}
		ref := meta.Owners[i]
		owners = append(owners, timeline.Object{Kind: strings.ToLower(ref.Kind), Namespace: meta.Namespace, Name: ref.Name, UID: ref.UID})
		known := slices.IndexFunc(kinds, func(k kind) bool { return k.object == ref.Kind })
		if known < 0 {
			return owners
		}
		var owner timeline.Controller
		if err := s.get(ctx, kinds[known].path(meta.Namespace, ref.Name), nil, &owner); err != nil || owner.Metadata.UID != ref.UID {
			return owners
		}
		meta = owner.Metadata
	}
	return owners
}

// notFound says that an object does not exist, and which one may be meant.
func (s *Sources) notFound(ctx context.Context, object timeline.Object, away error) error {
	if object.UID != "" && away == nil {
		return fmt.Errorf("%s in namespace %s: no pod of this name has the uid %s: %w", object, object.Namespace, object.UID, ErrNotFound)
	}
	text := fmt.Sprintf("%s in namespace %s", object, object.Namespace)
	if away != nil {
		return fmt.Errorf("%s: the cluster is away (%w), and Jaeger has no span of the last %s that names it", text, away, s.Lookback)
	}
	k := kindOf(object.Kind)
	var all list[timeline.Controller]
	if err := s.get(ctx, k.group+"/"+k.name+"s", nil, &all); err != nil {
		return fmt.Errorf("%s: %w", text, ErrNotFound)
	}
	var here, elsewhere []string
	for _, item := range all.Items {
		switch {
		case item.Metadata.Namespace == object.Namespace:
			here = append(here, item.Metadata.Name)
		case item.Metadata.Name == object.Name:
			elsewhere = append(elsewhere, item.Metadata.Namespace)
		}
	}
	switch {
	case len(elsewhere) > 0:
		return fmt.Errorf("%s: %w: there is one in namespace %s", text, ErrNotFound, strings.Join(elsewhere, " and "))
	case len(here) > 0:
		const shown = 3
		return fmt.Errorf("%s: %w: the nearest names are %s", text, ErrNotFound, strings.Join(nearest(object.Name, here, shown), ", "))
	default:
		return fmt.Errorf("%s: %w: the namespace has no %ss", text, ErrNotFound, k.name)
	}
}
