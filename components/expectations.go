package components

import (
	"fmt"

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

// minExpectedRate is the lowest rate, per million, of a trace to be kept at which a
// service is expected within a verification's time. An idle node's kubelet starts
// three or more traces a second: of the hundreds in two minutes, at one in a hundred
// at least one is all but certain to be kept; at less, a healthy cluster may well
// show none.
const minExpectedRate = tracing.SamplingRateMax / 100

// ServiceExpectations are the services that a cluster must have sent spans of.
// Rates that leave it to chance whether one is seen in time expect nothing.
func ServiceExpectations(spec tracing.ClusterSpec, collectorRate int) []verify.Expectation {
	var expectations []verify.Expectation
	expect := func(rate int, look string, services ...string) {
		if kept := rate * collectorRate / tracing.SamplingRateMax; kept < minExpectedRate {
			return
		}
		expectation := verify.Expectation{Hint: look}
		for i, service := range services {
			if i > 0 {
				expectation.Name += " with "
			}
			expectation.Name += service
			expectation.Spans = append(expectation.Spans, verify.SpanMatch{Service: service})
		}
		expectations = append(expectations, expectation)
	}
	rates, node := spec.Sampling, spec.NodeNames()[0]
	expect(rates.APIServer, fmt.Sprintf("docker logs %s 2>&1 | grep -i -E 'tracing|otel'", node), serviceAPIServer)
	if spec.EmbeddedEtcd() {
		// etcd joins the traces of sampled requests to kube-apiserver.
		expect(min(rates.APIServer, rates.Etcd),
			fmt.Sprintf("docker exec %s grep tracing /var/lib/rancher/k3s/server/db/etcd/config", node),
			tracing.ServiceEtcd, serviceAPIServer)
	}
	expect(rates.Kubelet, fmt.Sprintf("docker exec %s kubectl get --raw /api/v1/nodes/%s/proxy/configz", node, node), serviceKubelet)
	expect(rates.Runtime, fmt.Sprintf("docker exec %s ctr plugins ls", node), tracing.ServiceContainerd)
	return expectations
}

// EchoExpectations are the traces that the echo workload leaves: its sandbox as
// the kubelet asked for it and as the runtime made it. A single pod's trace is
// only certain when nothing on the way drops traces.
func EchoExpectations(spec tracing.ClusterSpec, collectorRate int) []verify.Expectation {
	if min(spec.Sampling.Kubelet, spec.Sampling.Runtime, collectorRate) < tracing.SamplingRateMax {
		return nil
	}
	expectation := verify.Expectation{
		Name: EchoPod,
		Hint: describePod(spec, EchoPod),
		Spans: []verify.SpanMatch{
			{Service: serviceKubelet, Operation: runPodSandbox},
			{Service: tracing.ServiceContainerd, Operation: runPodSandbox},
		},
	}
	if spec.Release.Rules.SyncPodSpans {
		expectation.Spans = append(expectation.Spans, verify.SpanMatch{
			Service: serviceKubelet, Operation: "syncPod",
			Attributes: map[string]string{"k8s.pod": WorkloadNamespace + "/" + EchoPod},
		})
	}
	return []verify.Expectation{expectation}
}

// describePod is the command that shows what became of a workload's pod.
func describePod(spec tracing.ClusterSpec, pod string) string {
	return fmt.Sprintf("docker exec %s kubectl --namespace %s describe pod %s", spec.NodeNames()[0], WorkloadNamespace, pod)
}
