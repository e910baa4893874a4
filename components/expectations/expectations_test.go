package expectations_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kubetracing/kubetracing/components/expectations"
	"github.com/kubetracing/kubetracing/components/internal/enginetest"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

const all = tracing.SamplingRateMax

func TestServices(t *testing.T) {
	t.Parallel()
	hints := map[string]string{
		"apiserver":  "docker logs k3d-traced-server-0 2>&1 | grep -i -E 'tracing|otel'",
		"kubelet":    "docker exec k3d-traced-server-0 kubectl get --raw /api/v1/nodes/k3d-traced-server-0/proxy/configz",
		"containerd": "docker exec k3d-traced-server-0 ctr plugins ls",
	}
	service := func(name string) verify.Expectation {
		return verify.Expectation{Name: name, Spans: []verify.SpanMatch{{Service: name}}, Hint: hints[name]}
	}
	etcd := verify.Expectation{
		Name: "etcd with apiserver", Spans: []verify.SpanMatch{{Service: "etcd"}, {Service: "apiserver"}},
		Hint: "docker exec k3d-traced-server-0 grep tracing /var/lib/rancher/k3s/server/db/etcd/config",
	}
	const rare, seldom = 10_000, 9_999
	everyone := []verify.Expectation{service("apiserver"), etcd, service("kubelet"), service("containerd")}
	tests := map[string]struct {
		sampling  tracing.Sampling
		servers   int
		collector int
		want      []verify.Expectation
	}{
		"everything that is sampled is expected": {tracing.Sampling{APIServer: all, Etcd: all, Kubelet: all, Runtime: all}, 1, all, everyone},
		"one trace in a hundred is seen in time": {tracing.Sampling{APIServer: rare, Etcd: rare, Kubelet: rare, Runtime: rare}, 1, all, everyone},
		"less than that may not be": {
			tracing.Sampling{APIServer: seldom, Etcd: all, Kubelet: all, Runtime: seldom},
			1, all,
			[]verify.Expectation{service("kubelet")},
		},
		"a Collector that passes on one trace in a hundred": {
			tracing.Sampling{APIServer: all, Etcd: all, Kubelet: all, Runtime: all}, 1, rare, everyone,
		},
		"the Collector's rate multiplies with the others": {
			tracing.Sampling{APIServer: all, Etcd: all, Kubelet: all / 10, Runtime: all / 10},
			1, all / 11,
			[]verify.Expectation{service("apiserver"), etcd},
		},
		"a Collector that drops everything expects nothing": {
			tracing.Sampling{APIServer: all, Etcd: all, Kubelet: all, Runtime: all}, 1, 0, nil,
		},
		"all rates at 0 expect nothing": {tracing.Sampling{}, 1, all, nil},
		"without kube-apiserver there is no etcd either: it joins its traces": {
			tracing.Sampling{Etcd: all, Kubelet: all, Runtime: all},
			1, all,
			[]verify.Expectation{service("kubelet"), service("containerd")},
		},
		"a single server with etcd off has no etcd": {
			tracing.Sampling{APIServer: all, Kubelet: all, Runtime: all},
			1, all,
			[]verify.Expectation{service("apiserver"), service("kubelet"), service("containerd")},
		},
		"several servers have an etcd, which is not expected when it is off": {
			tracing.Sampling{APIServer: all, Kubelet: all, Runtime: all},
			3, all,
			[]verify.Expectation{service("apiserver"), service("kubelet"), service("containerd")},
		},
		"a kubelet that is off is not expected": {
			tracing.Sampling{APIServer: all, Etcd: all, Runtime: all},
			1, all,
			[]verify.Expectation{service("apiserver"), etcd, service("containerd")},
		},
		"a runtime that is off is not expected": {
			tracing.Sampling{APIServer: all, Etcd: all, Kubelet: all},
			1, all,
			[]verify.Expectation{service("apiserver"), etcd, service("kubelet")},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := enginetest.ClusterSpec(t, "1.37")
			spec.Sampling, spec.Servers = test.sampling, test.servers
			assert.Equal(t, test.want, expectations.Services(spec, test.collector))
		})
	}
}

func TestServices_ConmonRs(t *testing.T) {
	t.Parallel()
	const hint = "docker exec k3d-traced-server-0 /opt/kubetracing/crio/bin/crio status config"
	started := verify.SpanMatch{Service: "conmonrs", Operation: "version"}
	joined := verify.Expectation{
		Name: "conmonrs with crio", Spans: []verify.SpanMatch{started, {Service: "crio"}}, Hint: hint,
	}
	apart := verify.Expectation{Name: "conmonrs", Spans: []verify.SpanMatch{started}, Hint: hint}
	crio := verify.Expectation{Name: "crio", Spans: []verify.SpanMatch{{Service: "crio"}}, Hint: hint}
	tests := map[string]struct {
		conmonRs      tracing.ConmonRs
		rate, collect int
		want          []verify.Expectation
	}{
		"a release that joins CRI-O's traces":     {"0.7.2", all, all, []verify.Expectation{crio, joined}},
		"a release that does not join them":       {"0.8.0", all, all, []verify.Expectation{crio, apart}},
		"conmon":                                  {"", all, all, []verify.Expectation{crio}},
		"a release that is built without tracing": {"1.0.1", all, all, []verify.Expectation{crio}},
		"a rate that may leave its few spans out": {"0.7.2", all / 2, all, []verify.Expectation{crio}},
		"a Collector that keeps next to nothing":  {"0.7.2", all, 1, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := enginetest.ClusterSpec(t, "1.36")
			spec.Sampling = tracing.Sampling{Runtime: test.rate}
			spec.Runtime = tracing.Runtime{
				Name: tracing.RuntimeCRIO, CRIO: tracing.CRIORelease{Version: "1.36.3", ConmonRs: test.conmonRs}, Default: tracing.OCIRunc,
			}
			assert.Equal(t, test.want, expectations.Services(spec, test.collect))
		})
	}
}
