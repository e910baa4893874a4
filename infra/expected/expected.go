// Package expected says what the traces of a stack must show, and where.
package expected

import (
	"slices"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/stacks"
)

// Traces are what the traces of a stack must show.
type Traces struct {
	// Services are the services that send spans, Workloads the traces of the test
	// workloads, Own what the user's file asks for.
	Services, Workloads, Own []verify.Expectation
}

// All are the expectations in one list.
func (t Traces) All() []verify.Expectation {
	return slices.Concat(t.Services, t.Workloads, t.Own)
}

// Of derives what the traces of a stack must show from its settings.
func Of(stack stacks.Stack) Traces {
	spec, rate := stack.ClusterSpec(""), stack.Settings.CollectorRate()
	expected := Traces{Services: components.ServiceExpectations(spec, rate), Own: stack.Expectations}
	for _, workload := range stack.Settings.Workloads {
		expected.Workloads = append(expected.Workloads, components.WorkloadExpectations(string(workload), spec, rate)...)
	}
	return expected
}

// JaegerURL is where a stack's Jaeger answers on this machine.
func JaegerURL(stack stacks.Stack) string {
	return components.JaegerURL(stack.Settings.Jaeger.UIPort)
}

// Containers are the Docker names of everything that a stack's spans come from
// and pass through, in the order in which one reads them.
func Containers(stack stacks.Stack) []string {
	var containers []string
	if stack.Settings.OwnServer() {
		containers = append(containers, stack.Names.Server(stack.Settings.Jaeger.Storage))
	}
	containers = append(containers, stack.Names.Jaeger())
	if stack.Settings.Collector.Enabled {
		containers = append(containers, stack.Names.Collector())
	}
	return append(containers, stack.ClusterSpec("").NodeNames()...)
}
