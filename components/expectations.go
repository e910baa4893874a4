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

// Calls of the container runtime interface: the client span is the kubelet's, the
// server span the runtime's.
//
// Source: k8s.io/cri-api/pkg/apis/runtime/v1/api.proto.
const (
	criRunPodSandbox  = "runtime.v1.RuntimeService/RunPodSandbox"
	criStartContainer = "runtime.v1.RuntimeService/StartContainer"
	criPullImage      = "runtime.v1.ImageService/PullImage"
)

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
	expect(rates.Runtime, runtimeHint(spec), spec.Runtime.Service())
	if rates.Runtime == tracing.SamplingRateMax && collectorRate >= minExpectedRate {
		if expectation, expected := conmonRsExpectation(spec); expected {
			expectations = append(expectations, expectation)
		}
	}
	return expectations
}

// conmonRsExpectation returns the span in which conmon-rs creates a container, in the
// trace of the call of CRI-O that it answers if the release joins it, and reports
// whether the cluster's conmon-rs sends spans at all. It sends them only when a pod
// comes or goes.
func conmonRsExpectation(spec tracing.ClusterSpec) (verify.Expectation, bool) {
	conmonRs := spec.Runtime.ConmonRs()
	expectation := verify.Expectation{
		Name:  tracing.ServiceConmonRs,
		Hint:  runtimeHint(spec),
		Spans: []verify.SpanMatch{{Service: tracing.ServiceConmonRs, Operation: tracing.SpanConmonRsCreate}},
	}
	if conmonRs.JoinsTraces() {
		expectation.Name += " with " + tracing.ServiceCRIO
		expectation.Spans = append(expectation.Spans, verify.SpanMatch{Service: tracing.ServiceCRIO})
	}
	return expectation, conmonRs.SendsSpans()
}

// WorkloadExpectations are the traces that a workload leaves. A single pod's trace
// is only certain when nothing on the way drops traces.
func WorkloadExpectations(workload string, spec tracing.ClusterSpec, collectorRate int) []verify.Expectation {
	if collectorRate < tracing.SamplingRateMax {
		return nil
	}
	if workload == TracedApp {
		return []verify.Expectation{tracedAppExpectation(spec)}
	}
	if min(spec.Sampling.Kubelet, spec.Sampling.Runtime) < tracing.SamplingRateMax {
		return nil
	}
	switch workload {
	case EchoPod:
		classes := []tracing.OCIRuntime{""}
		if spec.Release.Rules.SyncPodSpans {
			// Without the kubelet's naming the pod, one pod's trace is like another's.
			classes = append(classes, spec.Runtime.Classes...)
		}
		var expectations []verify.Expectation
		for _, class := range classes {
			pod := underClass(EchoPod, class)
			expectations = append(expectations, verify.Expectation{
				Name: pod, Hint: describePod(spec, pod), Spans: append(sandbox(spec), syncPod(spec, pod)...),
			})
		}
		return expectations
	case CrashLoopPod:
		// The first start and the first restart, ten seconds later.
		return []verify.Expectation{{
			Name: CrashLoopPod, Hint: describePod(spec, CrashLoopPod), Traces: 2,
			Spans: append([]verify.SpanMatch{
				{Service: serviceKubelet, Operation: criStartContainer},
				{Service: spec.Runtime.Service(), Operation: criStartContainer},
			}, syncPod(spec, CrashLoopPod)...),
		}}
	case ImagePullPod:
		return []verify.Expectation{{Name: ImagePullPod, Hint: describePod(spec, ImagePullPod), Spans: failedPull(spec)}}
	case Churn:
		return []verify.Expectation{{
			Name: Churn, Traces: churnPods, Spans: append(sandbox(spec), syncPod(spec, Churn+"-*")...),
			Hint: fmt.Sprintf("docker exec %s kubectl --namespace %s get events", spec.NodeNames()[0], WorkloadNamespace),
		}}
	}
	return nil
}

// sandbox is a pod's sandbox as the kubelet asked for it and as the runtime made it.
func sandbox(spec tracing.ClusterSpec) []verify.SpanMatch {
	return []verify.SpanMatch{
		{Service: serviceKubelet, Operation: criRunPodSandbox},
		{Service: spec.Runtime.Service(), Operation: criRunPodSandbox},
	}
}

// failedPull is a pull of an image that failed. A kubelet without syncPod spans does
// not trace its calls about images either, seen with 1.25; there the runtime tells.
// Elsewhere the kubelet's span is the one that is certain to have the error: a
// server's span has none for codes that blame the caller
// (go.opentelemetry.io/contrib otelgrpc, serverStatus).
func failedPull(spec tracing.ClusterSpec) []verify.SpanMatch {
	failed := true
	runtime := verify.SpanMatch{Service: spec.Runtime.Service(), Operation: criPullImage}
	if !spec.Release.Rules.SyncPodSpans {
		runtime.Error = &failed
		return []verify.SpanMatch{runtime}
	}
	kubelet := verify.SpanMatch{Service: serviceKubelet, Operation: criPullImage, Error: &failed}
	return append([]verify.SpanMatch{kubelet, runtime}, syncPod(spec, ImagePullPod)...)
}

// syncPod is the kubelet's span around everything it does for a pod; releases that
// have none do not say for which pod a span is.
func syncPod(spec tracing.ClusterSpec, pod string) []verify.SpanMatch {
	if !spec.Release.Rules.SyncPodSpans {
		return nil
	}
	return []verify.SpanMatch{{
		Service: serviceKubelet, Operation: "syncPod", Attributes: map[string]string{"k8s.pod": WorkloadNamespace + "/" + pod},
	}}
}

// tracedAppExpectation is a request of the client, answered by the service, in one
// trace. Neither asks Kubernetes or its sampling rates.
func tracedAppExpectation(spec tracing.ClusterSpec) verify.Expectation {
	return verify.Expectation{
		Name: TracedApp, Traces: tracedAppRequests, NoErrors: true,
		Spans: []verify.SpanMatch{
			{Service: tracedAppClient, Operation: "GET /hello"},
			{Service: TracedApp, Operation: "GET /hello"},
		},
		Hint: fmt.Sprintf("docker exec %s kubectl --namespace %s logs %s", spec.NodeNames()[0], WorkloadNamespace, tracedAppClient),
	}
}

// describePod is the command that shows what became of a workload's pod.
func describePod(spec tracing.ClusterSpec, pod string) string {
	return fmt.Sprintf("docker exec %s kubectl --namespace %s describe pod %s", spec.NodeNames()[0], WorkloadNamespace, pod)
}

// runtimeHint is the command that shows whether the first node's container runtime
// can trace.
func runtimeHint(spec tracing.ClusterSpec) string {
	node := spec.NodeNames()[0]
	if spec.Runtime.Name == tracing.RuntimeCRIO {
		return fmt.Sprintf("docker exec %s %s/crio status config", node, tracing.CRIODirectory)
	}
	return fmt.Sprintf("docker exec %s ctr plugins ls", node)
}
