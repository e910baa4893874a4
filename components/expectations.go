package components

import (
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

// Service names of the Kubernetes components.
//
// Sources: k8s.io/apiserver pkg/server/options/tracing.go, kubernetes
// cmd/kubelet/app/server.go (newTracerProvider).
const (
	serviceAPIServer = "apiserver"
	serviceKubelet   = "kubelet"
)

// runPodSandbox is the CRI call that creates a pod's sandbox; its client span is
// the kubelet's, its server span the runtime's.
const runPodSandbox = "runtime.v1.RuntimeService/RunPodSandbox"

// ServiceExpectations are the services that a cluster must have sent spans of.
// A rate of 0 anywhere on the way expects nothing.
func ServiceExpectations(spec tracing.ClusterSpec, collectorRate int) []verify.Expectation {
	if collectorRate == 0 {
		return nil
	}
	var expectations []verify.Expectation
	expect := func(rate int, services ...string) {
		if rate == 0 {
			return
		}
		expectation := verify.Expectation{}
		for i, service := range services {
			if i > 0 {
				expectation.Name += " with "
			}
			expectation.Name += service
			expectation.Spans = append(expectation.Spans, verify.SpanMatch{Service: service})
		}
		expectations = append(expectations, expectation)
	}
	rates := spec.Sampling
	expect(rates.APIServer, serviceAPIServer)
	if spec.EmbeddedEtcd() {
		// etcd joins the traces of sampled requests to kube-apiserver.
		expect(min(rates.APIServer, rates.Etcd), tracing.ServiceEtcd, serviceAPIServer)
	}
	expect(rates.Kubelet, serviceKubelet)
	expect(rates.Runtime, tracing.ServiceContainerd)
	return expectations
}

// EchoExpectations are the traces that the echo workload leaves: its sandbox as
// the kubelet asked for it and as the runtime made it. A single pod's trace is
// only certain when nothing on the way drops traces.
func EchoExpectations(spec tracing.ClusterSpec, collectorRate int) []verify.Expectation {
	if min(spec.Sampling.Kubelet, spec.Sampling.Runtime, collectorRate) < tracing.SamplingRateMax {
		return nil
	}
	expectation := verify.Expectation{Name: EchoPod, Spans: []verify.SpanMatch{
		{Service: serviceKubelet, Operation: runPodSandbox},
		{Service: tracing.ServiceContainerd, Operation: runPodSandbox},
	}}
	if spec.Release.Rules.SyncPodSpans {
		expectation.Spans = append(expectation.Spans, verify.SpanMatch{
			Service: serviceKubelet, Operation: "syncPod",
			Attributes: map[string]string{"k8s.pod": WorkloadNamespace + "/" + EchoPod},
		})
	}
	return []verify.Expectation{expectation}
}
