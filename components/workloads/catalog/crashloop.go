package catalog

import (
	"github.com/kubetracing/kubetracing/components/internal/manifest"
	"github.com/kubetracing/kubetracing/components/verify"
)

// CrashLoop is the name of the workload crashloop, and of its pod.
const CrashLoop = "crashloop"

// crashLoop is a pod whose container fails whenever it is started.
var crashLoop = Workload{
	Name:    CrashLoop,
	Summary: "fails whenever it starts",
	Runs: func(Target) []Run {
		runs := single(CrashLoop, pod(CrashLoop, "Always", manifest.Map{
			"image": image, "command": manifest.List{"sh", "-c", "echo I fail; exit 1"},
		}))
		runs[0].Restarts = true
		return runs
	},
	Expectations: func(target Target) []verify.Expectation {
		if !target.podTraced() {
			return nil
		}
		return []verify.Expectation{{
			Name: CrashLoop, Hint: target.kubectl("describe pod " + CrashLoop),
			// The first start and the first restart, ten seconds later.
			Traces: 2,
			Spans:  append(target.call(criStartContainer), target.syncPod(CrashLoop)...),
		}}
	},
}
