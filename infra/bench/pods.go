package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// turnoverLabel marks the pods of a turnover, with its name as the value.
const turnoverLabel = "kubetracing.bench"

// turnover creates pods and deletes each once it is in a phase.
type turnover struct {
	pods client.PodInterface
	// name begins the pods' names.
	name string
	// count is how many pods there will have been, atOnce how many there are at most.
	count, atOnce int
	// phase is that in which a pod has done what it is for.
	phase     core.PodPhase
	container core.Container
}

// run returns how long each pod took from its creation to the phase, once the last one
// is gone.
func (t turnover) run(ctx context.Context) ([]time.Duration, error) {
	options := meta.ListOptions{LabelSelector: turnoverLabel + "=" + t.name}
	// There is none of them yet, so that everything that happens to them is seen.
	events, err := t.pods.Watch(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("watch pods: %w", err)
	}
	defer events.Stop()
	created, done := map[string]time.Time{}, map[string]bool{}
	var times []time.Duration
	create := func() error {
		name := fmt.Sprintf("%s-%d", t.name, len(created))
		created[name] = time.Now()
		if _, err := t.pods.Create(ctx, t.pod(name), meta.CreateOptions{}); err != nil {
			return fmt.Errorf("create pod %s: %w", name, err)
		}
		return nil
	}
	for len(created) < min(t.count, t.atOnce) {
		if err := create(); err != nil {
			return nil, err
		}
	}
	for gone := 0; gone < t.count; {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for pods, %d of %d of which are gone: %w", gone, t.count, context.Cause(ctx))
		case event, open := <-events.ResultChan():
			if !open {
				return nil, errors.New("watch pods: it ended before they did")
			}
			pod, ok := event.Object.(*core.Pod)
			if !ok {
				return nil, fmt.Errorf("watch pods: %v", event.Object)
			}
			if _, ours := created[pod.Name]; !ours {
				continue
			}
			switch {
			case event.Type == "DELETED":
				if gone++; len(created) < t.count {
					if err := create(); err != nil {
						return nil, err
					}
				}
			case pod.Status.Phase == t.phase && !done[pod.Name]:
				done[pod.Name] = true
				times = append(times, time.Since(created[pod.Name]))
				if err := t.pods.Delete(ctx, pod.Name, meta.DeleteOptions{}); err != nil {
					return nil, fmt.Errorf("delete pod %s: %w", pod.Name, err)
				}
			case pod.Status.Phase == core.PodFailed && !done[pod.Name]:
				return nil, fmt.Errorf("pod %s failed: %s %s", pod.Name, pod.Status.Reason, pod.Status.Message)
			}
		}
	}
	return times, nil
}

func (t turnover) pod(name string) *core.Pod {
	return &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{turnoverLabel: t.name}},
		Spec:       core.PodSpec{RestartPolicy: core.RestartPolicyNever, Containers: []core.Container{t.container}},
	}
}
