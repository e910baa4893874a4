package components_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

const all = tracing.SamplingRateMax

func TestServiceExpectations(t *testing.T) {
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
			tracing.Sampling{APIServer: seldom, Etcd: all, Kubelet: all, Runtime: seldom}, 1, all,
			[]verify.Expectation{service("kubelet")},
		},
		"a Collector that passes on one trace in a hundred": {
			tracing.Sampling{APIServer: all, Etcd: all, Kubelet: all, Runtime: all}, 1, rare, everyone,
		},
		"the Collector's rate multiplies with the others": {
			tracing.Sampling{APIServer: all, Etcd: all, Kubelet: all / 10, Runtime: all / 10}, 1, all / 11,
			[]verify.Expectation{service("apiserver"), etcd},
		},
		"a Collector that drops everything expects nothing": {
			tracing.Sampling{APIServer: all, Etcd: all, Kubelet: all, Runtime: all}, 1, 0, nil,
		},
		"all rates at 0 expect nothing": {tracing.Sampling{}, 1, all, nil},
		"without kube-apiserver there is no etcd either: it joins its traces": {
			tracing.Sampling{Etcd: all, Kubelet: all, Runtime: all}, 1, all,
			[]verify.Expectation{service("kubelet"), service("containerd")},
		},
		"a single server with etcd off has no etcd": {
			tracing.Sampling{APIServer: all, Kubelet: all, Runtime: all}, 1, all,
			[]verify.Expectation{service("apiserver"), service("kubelet"), service("containerd")},
		},
		"several servers have an etcd, which is not expected when it is off": {
			tracing.Sampling{APIServer: all, Kubelet: all, Runtime: all}, 3, all,
			[]verify.Expectation{service("apiserver"), service("kubelet"), service("containerd")},
		},
		"a kubelet that is off is not expected": {
			tracing.Sampling{APIServer: all, Etcd: all, Runtime: all}, 1, all,
			[]verify.Expectation{service("apiserver"), etcd, service("containerd")},
		},
		"a runtime that is off is not expected": {
			tracing.Sampling{APIServer: all, Etcd: all, Kubelet: all}, 1, all,
			[]verify.Expectation{service("apiserver"), etcd, service("kubelet")},
		},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			spec := newSpec(t, "1.37")
			spec.Sampling, spec.Servers = test.sampling, test.servers
			assert.Equal(t, test.want, components.ServiceExpectations(spec, test.collector))
		})
	}
}

func TestEchoExpectations(t *testing.T) {
	t.Parallel()
	sandbox := []verify.SpanMatch{
		{Service: "kubelet", Operation: "runtime.v1.RuntimeService/RunPodSandbox"},
		{Service: "containerd", Operation: "runtime.v1.RuntimeService/RunPodSandbox"},
	}
	named := verify.SpanMatch{
		Service: "kubelet", Operation: "syncPod", Attributes: map[string]string{"k8s.pod": "kubetracing/echo"},
	}
	const describe = "docker exec k3d-traced-server-0 kubectl --namespace kubetracing describe pod echo"
	full := tracing.Sampling{APIServer: all, Etcd: all, Kubelet: all, Runtime: all}
	tests := map[string]struct {
		kubernetes string
		sampling   tracing.Sampling
		collector  int
		want       []verify.Expectation
	}{
		"a new kubelet names the pod":              {"1.37", full, all, []verify.Expectation{{Name: "echo", Spans: append(sandbox[:2:2], named), Hint: describe}}},
		"the oldest kubelet does not name the pod": {"1.25", full, all, []verify.Expectation{{Name: "echo", Spans: sandbox, Hint: describe}}},
		"kube-apiserver and etcd have no say": {
			"1.25", tracing.Sampling{Kubelet: all, Runtime: all}, all, []verify.Expectation{{Name: "echo", Spans: sandbox, Hint: describe}},
		},
		"a kubelet that drops one trace in a million may drop this one": {
			"1.37", tracing.Sampling{Kubelet: all - 1, Runtime: all}, all, nil,
		},
		"a runtime that is off leaves no trace to expect": {"1.37", tracing.Sampling{Kubelet: all}, all, nil},
		"a Collector that drops traces may drop this one": {"1.37", full, all - 1, nil},
		"a Collector that drops everything":               {"1.37", full, 0, nil},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			spec := newSpec(t, test.kubernetes)
			spec.Sampling = test.sampling
			assert.Equal(t, test.want, components.WorkloadExpectations("echo", spec, test.collector))
		})
	}
}

// The kubelet of 1.25 does not trace its calls about images.
func TestImagePullExpectsTheErrorWhereItIsCertainToBe(t *testing.T) {
	t.Parallel()
	yes := true
	pull := func(service string, failed *bool) verify.SpanMatch {
		return verify.SpanMatch{Service: service, Operation: "runtime.v1.ImageService/PullImage", Error: failed}
	}
	for minor, want := range map[string][]verify.SpanMatch{
		"1.25": {pull("containerd", &yes)},
		"1.37": {pull("kubelet", &yes), pull("containerd", nil), {
			Service: "kubelet", Operation: "syncPod", Attributes: map[string]string{"k8s.pod": "kubetracing/imagepull"},
		}},
	} {
		spec := newSpec(t, minor)
		spec.Sampling = tracing.Sampling{Kubelet: all, Runtime: all}
		got := components.WorkloadExpectations("imagepull", spec, all)
		require.Len(t, got, 1)
		assert.Equal(t, want, got[0].Spans, minor)
	}
}

func TestWorkloadExpectations(t *testing.T) {
	t.Parallel()
	of := func(service, operation string) verify.SpanMatch {
		return verify.SpanMatch{Service: service, Operation: operation}
	}
	pod := func(name string) verify.SpanMatch {
		return verify.SpanMatch{Service: "kubelet", Operation: "syncPod", Attributes: map[string]string{"k8s.pod": "kubetracing/" + name}}
	}
	tests := map[string]struct {
		traces   int
		noErrors bool
		spans    []verify.SpanMatch
		named    []verify.SpanMatch
	}{
		"crashloop": {2, false, []verify.SpanMatch{
			of("kubelet", "runtime.v1.RuntimeService/StartContainer"), of("containerd", "runtime.v1.RuntimeService/StartContainer"),
		}, []verify.SpanMatch{pod("crashloop")}},
		"churn": {5, false, []verify.SpanMatch{
			of("kubelet", "runtime.v1.RuntimeService/RunPodSandbox"), of("containerd", "runtime.v1.RuntimeService/RunPodSandbox"),
		}, []verify.SpanMatch{pod("churn-*")}},
		"traced-app": {3, true, []verify.SpanMatch{of("traced-app-client", "GET /hello"), of("traced-app", "GET /hello")}, nil},
	}
	for workload, test := range tests {
		t.Run(workload, func(t *testing.T) {
			t.Parallel()
			for minor, spans := range map[string][]verify.SpanMatch{"1.25": test.spans, "1.37": append(test.spans[:2:2], test.named...)} {
				spec := newSpec(t, minor)
				spec.Sampling = tracing.Sampling{Kubelet: all, Runtime: all}
				got := components.WorkloadExpectations(workload, spec, all)
				require.Len(t, got, 1)
				assert.Contains(t, got[0].Hint, "docker exec k3d-traced-server-0 kubectl --namespace kubetracing ")
				got[0].Hint = ""
				assert.Equal(t, verify.Expectation{Name: workload, Traces: test.traces, NoErrors: test.noErrors, Spans: spans}, got[0], minor)

				assert.Empty(t, components.WorkloadExpectations(workload, spec, all-1), "the Collector may drop any trace")
				spec.Sampling.Kubelet = all - 1
				assert.Equal(t, workload == "traced-app", len(components.WorkloadExpectations(workload, spec, all)) == 1,
					"only an application's own spans do not depend on Kubernetes' rates")
			}
		})
	}
}

func TestServiceExpectations_ConmonRs(t *testing.T) {
	t.Parallel()
	const hint = "docker exec k3d-traced-server-0 /opt/kubetracing/crio/bin/crio status config"
	created := verify.SpanMatch{Service: "conmonrs", Operation: "create_container"}
	joined := verify.Expectation{
		Name: "conmonrs with crio", Spans: []verify.SpanMatch{created, {Service: "crio"}}, Hint: hint,
	}
	apart := verify.Expectation{Name: "conmonrs", Spans: []verify.SpanMatch{created}, Hint: hint}
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
			spec := newSpec(t, "1.36")
			spec.Sampling = tracing.Sampling{Runtime: test.rate}
			spec.Runtime = tracing.Runtime{
				Name: tracing.RuntimeCRIO, CRIO: tracing.CRIORelease{Version: "1.36.3", ConmonRs: test.conmonRs}, Default: tracing.OCIRunc,
			}
			assert.Equal(t, test.want, components.ServiceExpectations(spec, test.collect))
		})
	}
}

func TestEveryRuntimeClassLeavesATraceOfItsOwn(t *testing.T) {
	t.Parallel()
	traces := func(kubernetes string) (names, pods []string) {
		spec := newSpec(t, kubernetes)
		spec.Runtime.Classes = []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCIYouki}
		for _, expectation := range components.WorkloadExpectations("echo", spec, all) {
			names = append(names, expectation.Name)
			for _, span := range expectation.Spans {
				if pod := span.Attributes["k8s.pod"]; pod != "" {
					pods = append(pods, pod)
				}
			}
		}
		return names, pods
	}
	names, pods := traces("1.37")
	assert.Equal(t, []string{"echo", "echo-runc", "echo-youki"}, names)
	assert.Equal(t, []string{"kubetracing/echo", "kubetracing/echo-runc", "kubetracing/echo-youki"}, pods)
	names, pods = traces("1.26")
	assert.Equal(t, []string{"echo"}, names, "without the pod's name, one trace is like another")
	assert.Empty(t, pods)
}
