package catalog

import (
	"github.com/kubetracing/kubetracing/components/internal/manifest"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

// Echo is the name of the workload echo, and of its pod.
const Echo = "echo"

// echo is `kubectl run --restart=Never -- echo hi` of the published recipe, as an
// object that can be waited for. It runs under every RuntimeClass too, to compare
// them.
var echo = Workload{
	Name:    Echo,
	Summary: "prints hi",
	Runs: func(target Target) []Run {
		var runs []Run
		for _, class := range append([]tracing.OCIRuntime{""}, target.Cluster.Runtime.Classes...) {
			name := echoUnder(class)
			pod := pod(name, "Never", manifest.Map{"image": image, "command": manifest.List{"echo", "hi"}})
			if class != "" {
				pod.Fields["spec"].(manifest.Map)["runtimeClassName"] = string(class)
			}
			runs = append(runs, single(name, pod)...)
		}
		return runs
	},
	Expectations: func(target Target) []verify.Expectation {
		if !target.podTraced() {
			return nil
		}
		classes := []tracing.OCIRuntime{""}
		if target.Cluster.Release.Rules.SyncPodSpans {
			// If the kubelet does not name the pod, one pod's trace is like another's.
			classes = append(classes, target.Cluster.Runtime.Classes...)
		}
		var expectations []verify.Expectation
		for _, class := range classes {
			pod := echoUnder(class)
			expectations = append(expectations, verify.Expectation{
				Name: pod, Hint: target.kubectl("describe pod " + pod),
				Spans: append(target.call(criRunPodSandbox), target.syncPod(pod)...),
			})
		}
		return expectations
	},
}

// echoUnder returns the name of the run, and of its pod, under a RuntimeClass; ""
// stands for the default.
func echoUnder(class tracing.OCIRuntime) string {
	if class == "" {
		return Echo
	}
	return Echo + "-" + string(class)
}
