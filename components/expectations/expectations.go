// Package expectations derives, from what a traced cluster is, the services whose
// spans it must send.
package expectations

import (
	"fmt"
	"strings"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

// minExpectedRate is the lowest rate, per million, of a trace to be kept at which a
// service is expected within a verification's time. An idle node's kubelet starts
// three or more traces a second: of the hundreds in two minutes, at one in a hundred
// at least one is all but certain to be kept; at less, a healthy cluster may well
// show none.
const minExpectedRate = tracing.SamplingRateMax / 100

// Services returns the services that a cluster must have sent spans of. collectorRate
// is the share of ordinary traces that reach Jaeger, per million. Rates that leave it
// to chance whether a span is seen in time expect nothing.
func Services(cluster tracing.ClusterSpec, collectorRate int) []verify.Expectation {
	var expectations []verify.Expectation
	expect := func(rate int, hint string, services ...string) {
		if kept := rate * collectorRate / tracing.SamplingRateMax; kept < minExpectedRate {
			return
		}
		expectation := verify.Expectation{Name: strings.Join(services, " with "), Hint: hint}
		for _, service := range services {
			expectation.Spans = append(expectation.Spans, verify.SpanMatch{Service: service})
		}
		expectations = append(expectations, expectation)
	}
	rates, node := cluster.Sampling, cluster.NodeNames()[0]
	expect(rates.APIServer, fmt.Sprintf("docker logs %s 2>&1 | grep -i -E 'tracing|otel'", node), tracing.ServiceAPIServer)
	if cluster.EmbeddedEtcd() {
		// etcd joins the traces of sampled requests to kube-apiserver.
		expect(min(rates.APIServer, rates.Etcd),
			fmt.Sprintf("docker exec %s grep tracing /var/lib/rancher/k3s/server/db/etcd/config", node),
			tracing.ServiceEtcd, tracing.ServiceAPIServer)
	}
	expect(rates.Kubelet, fmt.Sprintf("docker exec %s kubectl get --raw /api/v1/nodes/%s/proxy/configz", node, node),
		tracing.ServiceKubelet)
	expect(rates.Runtime, runtimeHint(cluster), cluster.Runtime.Service())
	if rates.Runtime == tracing.SamplingRateMax && collectorRate >= minExpectedRate {
		if expectation, expected := conmonRs(cluster); expected {
			expectations = append(expectations, expectation)
		}
	}
	return expectations
}

// conmonRs returns the span that conmon-rs sends when a pod starts, in the trace of the
// call of CRI-O that it answers if the release joins it, and reports whether the
// cluster's conmon-rs sends spans at all.
func conmonRs(cluster tracing.ClusterSpec) (verify.Expectation, bool) {
	release := cluster.Runtime.ConmonRs()
	expectation := verify.Expectation{
		Name:  tracing.ServiceConmonRs,
		Hint:  runtimeHint(cluster),
		Spans: []verify.SpanMatch{{Service: tracing.ServiceConmonRs, Operation: tracing.SpanConmonRsVersion}},
	}
	if release.JoinsTraces() {
		expectation.Name += " with " + tracing.ServiceCRIO
		expectation.Spans = append(expectation.Spans, verify.SpanMatch{Service: tracing.ServiceCRIO})
	}
	return expectation, release.SendsSpans()
}

// runtimeHint returns the command that shows whether the first node's container
// runtime can trace.
func runtimeHint(cluster tracing.ClusterSpec) string {
	node := cluster.NodeNames()[0]
	if cluster.Runtime.Name == tracing.RuntimeCRIO {
		return fmt.Sprintf("docker exec %s %s/crio status config", node, tracing.CRIODirectory)
	}
	return fmt.Sprintf("docker exec %s ctr plugins ls", node)
}
