package controlplane

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/test/processes"
	"github.com/kubetracing/kubetracing/test/processes/build"
)

// serviceAPIServer is kube-apiserver's name in Jaeger.
//
// Source: k8s.io/apiserver pkg/server/options/tracing.go.
const serviceAPIServer = "apiserver"

// Operations of gRPC servers, named as otelgrpc names them: the write to etcd that
// a created object ends in, and a call of the container runtime.
const (
	etcdTransaction = "etcdserverpb.KV/Txn"
	criVersion      = "runtime.v1.RuntimeService/Version"
)

var (
	sharedTrace = verify.Expectation{Name: "kube-apiserver and etcd in one trace", Spans: []verify.SpanMatch{
		{Service: tracing.ServiceEtcd, Operation: etcdTransaction}, {Service: serviceAPIServer},
	}}
	apiserverSpans = ofService(serviceAPIServer)
	etcdSpans      = ofService(tracing.ServiceEtcd)
	criSpans       = verify.Expectation{Name: "containerd's CRI", Spans: []verify.SpanMatch{
		{Service: tracing.ServiceContainerd, Operation: criVersion},
	}}
)

func ofService(service string) verify.Expectation {
	return verify.Expectation{Name: service, Spans: []verify.SpanMatch{{Service: service}}}
}

func TestControlPlane(t *testing.T) {
	const most = tracing.SamplingRateMax
	cases := []struct {
		name     string
		sampling tracing.Sampling
		// expected spans must arrive, unexpected must not.
		expected, unexpected []verify.Expectation
		// controlPlane and containerd are what the case starts.
		controlPlane, containerd bool
	}{
		{
			name:     "kube-apiserver and etcd share a trace",
			sampling: tracing.Sampling{APIServer: most, Etcd: most},
			expected: []verify.Expectation{sharedTrace}, controlPlane: true,
		},
		{
			name:       "a rate of 0 disables kube-apiserver alone",
			sampling:   tracing.Sampling{Etcd: most},
			expected:   []verify.Expectation{etcdSpans},
			unexpected: []verify.Expectation{apiserverSpans}, controlPlane: true,
		},
		{
			name:       "a rate of 0 disables etcd alone",
			sampling:   tracing.Sampling{APIServer: most},
			expected:   []verify.Expectation{apiserverSpans},
			unexpected: []verify.Expectation{etcdSpans}, controlPlane: true,
		},
		{
			name:     "containerd traces calls of its CRI",
			sampling: tracing.Sampling{Runtime: most},
			expected: []verify.Expectation{criSpans}, containerd: true,
		},
		{
			name:     "a rate of 0 disables containerd",
			sampling: tracing.Sampling{APIServer: most},
			// kube-apiserver, which is used later, shows that spans arrive.
			expected:   []verify.Expectation{apiserverSpans},
			unexpected: []verify.Expectation{ofService(tracing.ServiceContainerd)}, controlPlane: true, containerd: true,
		},
	}
	for _, release := range selected(t) {
		for _, test := range cases {
			t.Run(release.k3s+"/"+test.name, func(t *testing.T) {
				if reason := containerdUnavailable(); test.containerd && reason != "" {
					t.Skip(reason)
				}
				rendered := render(t, release.k3s, receiver, test.sampling)
				jaeger, began := startPipeline(t), time.Now()
				if test.containerd {
					callCRI(t, startContainerd(t, release, rendered))
				}
				if test.controlPlane {
					startControlPlane(t, release, rendered).use(t)
				}

				report := verifySpans(t, jaeger, began, spanTimeout, test.expected...)
				require.True(t, report.Met(), "%+v", report)
				t.Logf("expected: %v", report.Outputs(jaeger.BaseURL))
				for _, unexpected := range test.unexpected {
					report := verifySpans(t, jaeger, began, settleTime, unexpected)
					require.NoError(t, report.Reason)
					assert.False(t, report.Met(), "%+v", report)
				}
			})
		}
	}
}

// binary builds a program and logs that it does: the first time takes minutes.
func binary(t *testing.T, program build.Program) string {
	t.Helper()
	t.Logf("%s %s: taken from the cache, or built now", program.Folder, program.Version)
	path, err := program.Binary()
	require.NoError(t, err)
	return path
}

func freeAddresses(t *testing.T, count int) []string {
	t.Helper()
	addresses, err := processes.FreeAddresses(count)
	require.NoError(t, err)
	return addresses
}

func splitAddress(t *testing.T, address string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return host, port
}
