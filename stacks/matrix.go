package stacks

import "github.com/kubetracing/kubetracing/components/tracing"

// Combination is a Kubernetes minor on a container runtime.
type Combination struct {
	Kubernetes string      `json:"kubernetes"`
	Runtime    RuntimeName `json:"runtime"`
	OCI        OCIRuntime  `json:"oci"`
}

// Combinations are worth trying one by one: every minor on the default runtimes,
// and the newest on each of the others that needs nothing but its name.
func Combinations() []Combination {
	defaults := Defaults()
	var all []Combination
	for _, minor := range tracing.Minors() {
		all = append(all, Combination{minor, defaults.Runtime.Name, defaults.Runtime.OCI})
	}
	for _, name := range runtimeNames {
		for _, oci := range ociRuntimes {
			settings := Defaults()
			settings.Runtime.Name, settings.Runtime.OCI = name, oci
			if settings.Runtime != defaults.Runtime && len(validate("", settings)) == 0 {
				all = append(all, Combination{tracing.NewestMinor(), name, oci})
			}
		}
	}
	return all
}
