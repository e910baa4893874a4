package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// startKubelet gives every pod that is created a phase, and returns a cluster and the
// highest number of pods that it has had at once.
func startKubelet(t *testing.T, phase core.PodPhase) (cluster *fake.Clientset, most func() int) {
	t.Helper()
	cluster = fake.NewClientset()
	var lock sync.Mutex
	present, highest := 0, 0
	cluster.PrependReactor("*", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		lock.Lock()
		defer lock.Unlock()
		switch action.GetVerb() {
		case "create":
			present++
		case "delete":
			present--
		}
		highest = max(highest, present)
		return false, nil, nil
	})
	pods := cluster.CoreV1().Pods(meta.NamespaceDefault)
	ctx := t.Context()
	events, err := pods.Watch(ctx, meta.ListOptions{})
	require.NoError(t, err)
	go func() {
		for event := range events.ResultChan() {
			pod, ok := event.Object.(*core.Pod)
			if !ok || event.Type != "ADDED" {
				continue
			}
			pod = pod.DeepCopy()
			pod.Status.Phase, pod.Status.Reason, pod.Status.Message = phase, "Evicted", "the node is full"
			_, _ = pods.UpdateStatus(ctx, pod, meta.UpdateOptions{}) // the pod may be gone by now
		}
	}()
	t.Cleanup(events.Stop)
	return cluster, func() int {
		lock.Lock()
		defer lock.Unlock()
		return highest
	}
}

func TestTurnover_Run(t *testing.T) {
	t.Parallel()
	cluster, most := startKubelet(t, core.PodRunning)
	pods := cluster.CoreV1().Pods(meta.NamespaceDefault)
	require.NoError(t, cluster.Tracker().Add(&core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: "stranger", Namespace: meta.NamespaceDefault}, Status: core.PodStatus{Phase: core.PodRunning},
	}))

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	times, err := turnover{
		pods: pods, name: "churn", count: 25, atOnce: 4, phase: core.PodRunning,
		container: core.Container{Name: "pause", Image: "pause"},
	}.run(ctx)
	require.NoError(t, err)
	assert.Len(t, times, 25)
	assert.Equal(t, 4, most())

	created := map[string]bool{}
	for _, action := range cluster.Actions() {
		if create, ok := action.(clienttesting.CreateAction); ok && action.GetVerb() == "create" {
			pod, isPod := create.GetObject().(*core.Pod)
			require.True(t, isPod)
			created[pod.Name] = true
			assert.Equal(t, []core.Container{{Name: "pause", Image: "pause"}}, pod.Spec.Containers)
		}
	}
	assert.Len(t, created, 25)
	left, err := pods.List(ctx, meta.ListOptions{})
	require.NoError(t, err)
	require.Len(t, left.Items, 1)
	assert.Equal(t, "stranger", left.Items[0].Name)
}

func TestTurnover_Run_Failure(t *testing.T) {
	t.Parallel()
	cluster, _ := startKubelet(t, core.PodFailed)
	_, err := turnover{pods: cluster.CoreV1().Pods(meta.NamespaceDefault), name: "p", count: 1, atOnce: 1, phase: core.PodSucceeded}.run(t.Context())
	require.EqualError(t, err, "pod p-0 failed: Evicted the node is full")
}

func TestTurnover_Run_Canceled(t *testing.T) {
	t.Parallel()
	cluster, _ := startKubelet(t, core.PodPending)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("too slow"))
	defer cancel()
	_, err := turnover{pods: cluster.CoreV1().Pods(meta.NamespaceDefault), name: "p", count: 3, atOnce: 2, phase: core.PodRunning}.run(ctx)
	require.EqualError(t, err, "wait for pods, 0 of 3 of which are gone: too slow")
}
