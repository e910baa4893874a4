package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubetracing/kubetracing/test/project"
)

// sampledRates are the shares of requests that are traced, per million.
var sampledRates = []int{0, 10_000, 100_000, 1_000_000}

// costFlags define how much is measured.
type costFlags struct {
	rounds, requests, pods int
	image                  string
}

// cost measures what tracing costs those who use the cluster: the latency of API
// requests and the start of pods, on one cluster whose rates change in place, all
// rates in every round.
func cost(flags *flag.FlagSet) func(*results) error {
	var c costFlags
	countVar(flags, &c.rounds, "rounds", 6, "rounds, earlier ones included; fewer than 6 have no interval of 95 %")
	countVar(flags, &c.requests, "requests", 300, "requests of each kind in a round, at each rate")
	countVar(flags, &c.pods, "pods", 5, "pods in a round, at each rate")
	flags.StringVar(&c.image, "image", "docker.io/library/busybox:1.37.0", "the pods' image")
	stackFile := stackFileFlag(flags)
	return func(measured *results) error {
		return withProject(*stackFile, func(ours *project.Project) error { return c.measure(measured, ours) })
	}
}

func (c costFlags) measure(measured *results, ours *project.Project) error {
	// A rate of 0 shows nothing to wait for.
	if err := ours.Merge("verify", map[string]any{"enabled": false}); err != nil {
		return err
	}
	if err := update(ours, sampledRates[0]); err != nil {
		return err
	}
	cluster, err := connect(ours)
	if err != nil {
		return err
	}
	rateName := func(quantity string, rate int) string { return name("Cost", "quantity", quantity, "rate", rate) }
	for round := measured.count(rateName("read", 0)); round < c.rounds; round++ {
		medians := map[string]time.Duration{}
		for i := range sampledRates {
			// Another order every time: what drifts must not fall on one rate.
			rate := sampledRates[(i+round)%len(sampledRates)]
			if err := update(ours, rate); err != nil {
				return err
			}
			quantities, err := c.measureRate(cluster, fmt.Sprintf("r%d-%d", round, rate))
			if err != nil {
				return fmt.Errorf("round %d, rate %d: %w", round, rate, err)
			}
			for quantity, took := range quantities {
				medians[rateName(quantity, rate)] = took
			}
		}
		// A round counts once it has every rate.
		for _, quantity := range []string{"read", "write", "pod"} {
			for _, rate := range sampledRates {
				if err := measured.add(rateName(quantity, rate), seconds(medians[rateName(quantity, rate)])); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// update makes kube-apiserver, the kubelet and the runtime sample a share. etcd's
// tracing is off: some releases cannot sample it, and it does not change in place.
func update(ours *project.Project, perMillion int) error {
	if err := ours.Merge("sampling", map[string]any{
		"apiserver": perMillion, "kubelet": perMillion, "runtime": perMillion, "etcd": 0,
	}); err != nil {
		return err
	}
	return quietly(ours.Command("up"))
}

// connect returns a client of the stack's cluster.
func connect(ours *project.Project) (*client.CoreV1Client, error) {
	kubeconfig, err := ours.Command("pulumi", "--", "stack", "output", "kubeconfig", "--show-secrets", "--stack", ours.Stack).Output()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	// The client must not slow down what is measured.
	config.QPS = -1
	cluster, err := client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return cluster, nil
}

// measureRate returns the median of every quantity.
func (c costFlags) measureRate(cluster *client.CoreV1Client, name string) (map[string]time.Duration, error) {
	ctx := context.Background()
	maps := cluster.ConfigMaps(meta.NamespaceDefault)
	object := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: name}, Data: map[string]string{"key": "value"}}
	if _, err := maps.Create(ctx, object, meta.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("create config map: %w", err)
	}
	// What has just been restarted is slow at first.
	if err := runPod(ctx, cluster, name+"-warm", c.image); err != nil {
		return nil, err
	}
	medians := map[string]time.Duration{}
	for _, quantity := range []struct {
		name  string
		count int
		do    func(i int) error
	}{
		{"read", c.requests, func(int) error {
			if _, err := maps.Get(ctx, name, meta.GetOptions{}); err != nil {
				return fmt.Errorf("read config map: %w", err)
			}
			return nil
		}},
		{"write", c.requests, func(i int) error {
			object.Data["key"] = strconv.Itoa(i)
			if _, err := maps.Update(ctx, object, meta.UpdateOptions{}); err != nil {
				return fmt.Errorf("write config map: %w", err)
			}
			return nil
		}},
		{"pod", c.pods, func(i int) error { return runPod(ctx, cluster, fmt.Sprintf("%s-%d", name, i), c.image) }},
	} {
		// A tenth more, to warm up.
		warm := quantity.count / 10
		var times []time.Duration
		for i := range quantity.count + warm {
			started := time.Now()
			if err := quantity.do(i); err != nil {
				return nil, err
			}
			if i >= warm {
				times = append(times, time.Since(started))
			}
		}
		slices.Sort(times)
		medians[quantity.name] = times[len(times)/2]
	}
	if err := maps.Delete(ctx, name, meta.DeleteOptions{}); err != nil {
		return nil, fmt.Errorf("delete config map: %w", err)
	}
	if err := cluster.Pods(meta.NamespaceDefault).DeleteCollection(ctx, meta.DeleteOptions{}, meta.ListOptions{}); err != nil {
		return nil, fmt.Errorf("delete pods: %w", err)
	}
	return medians, nil
}

// runPod creates a pod and returns once its only container has run and ended.
func runPod(ctx context.Context, cluster *client.CoreV1Client, name, image string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	pods, noGrace := cluster.Pods(meta.NamespaceDefault), int64(0)
	if _, err := pods.Create(ctx, &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: name},
		Spec: core.PodSpec{
			RestartPolicy: core.RestartPolicyNever, TerminationGracePeriodSeconds: &noGrace,
			Containers: []core.Container{{
				Name: "true", Image: image, Command: []string{"true"}, ImagePullPolicy: core.PullIfNotPresent,
			}},
		},
	}, meta.CreateOptions{}); err != nil {
		return fmt.Errorf("create pod %s: %w", name, err)
	}
	// Without a resource version a watch begins with what there is.
	events, err := pods.Watch(ctx, meta.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		return fmt.Errorf("watch pod %s: %w", name, err)
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		if pod, ok := event.Object.(*core.Pod); ok && pod.Status.Phase == core.PodSucceeded {
			return nil
		} else if ok && pod.Status.Phase == core.PodFailed {
			return fmt.Errorf("pod %s failed", name)
		}
	}
	return fmt.Errorf("watch pod %s: ended before the pod did", name)
}
