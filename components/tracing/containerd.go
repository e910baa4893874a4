package tracing

import (
	"fmt"
	"strings"
)

// ServiceContainerd is the service name of containerd's spans.
const ServiceContainerd = "containerd"

// containerdEnvironment renders the environment that containerd's tracing
// plugin reads, as a file for a POSIX shell to source. All containerd versions
// that this package pairs with a k3s release read the environment; the config
// keys of older ones are ignored by newer ones (containerd_releases.go).
//
// The sampler is the parent-based one: the plain traceidratio of containerd's
// documentation would cut spans out of the middle of a kubelet's trace.
//
// Source: containerd/v2@v2.3.4/pkg/tracing/plugin/otlp.go; sampler names:
// go.opentelemetry.io/otel/sdk/trace/sampler_env.go.
func containerdEnvironment(spec ClusterSpec) string {
	rate := spec.Sampling.Runtime
	sampler := []string{"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=" + ratio(rate)}
	if rate == 0 {
		// A parent-based sampler at 0 still follows the kubelet's sampled calls.
		sampler = []string{"OTEL_TRACES_SAMPLER=always_off"}
	}
	lines := append([]string{
		fmt.Sprintf("OTEL_EXPORTER_OTLP_ENDPOINT=%s", httpURL(spec.Receiver)),
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
		"OTEL_SERVICE_NAME=" + ServiceContainerd,
	}, sampler...)
	if spec.Pulls.environment() {
		// The script that sources this file defines FILES.
		lines = append(lines, `. "$FILES/`+FileContainerdPulls+`"`)
	}
	return strings.Join(lines, "\n") + "\n"
}
