package stacks

import (
	"slices"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// Combination is a Kubernetes minor on a container runtime.
type Combination struct {
	Kubernetes string              `json:"kubernetes"`
	Runtime    tracing.RuntimeName `json:"runtime"`
	OCI        tracing.OCIRuntime  `json:"oci"`
}

// Combinations returns those worth testing: every minor on the default runtimes, and
// each other runtime that needs no further setting on the newest minor that has a
// release of it.
func Combinations() []Combination {
	defaults := Defaults()
	var all []Combination
	for _, minor := range tracing.Minors() {
		all = append(all, Combination{minor, defaults.Runtime.Name, defaults.Runtime.OCI})
	}
	for _, name := range runtimeNames {
		for _, oci := range ociRuntimes {
			if name == defaults.Runtime.Name && oci == defaults.Runtime.OCI {
				continue
			}
			for _, minor := range slices.Backward(tracing.Minors()) {
				settings := Defaults()
				settings.Cluster.Kubernetes, settings.Runtime.Name, settings.Runtime.OCI = minor, name, oci
				if len(validate("", settings, nil)) == 0 {
					all = append(all, Combination{minor, name, oci})
					break
				}
			}
		}
	}
	return all
}
