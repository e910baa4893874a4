package catalog

import (
	"github.com/kubetracing/kubetracing/components/internal/manifest"
	"github.com/kubetracing/kubetracing/components/verify"
)

// ImagePull is the name of the workload imagepull, and of its pod.
const ImagePull = "imagepull"

// missingImage does not exist: no name below .invalid ever resolves (RFC 2606), so
// no registry is asked, with or without an internet connection.
const missingImage = "registry.invalid/kubetracing/missing:1"

// imagePull is a pod whose image cannot be pulled.
var imagePull = Workload{
	Name:    ImagePull,
	Summary: "its image does not exist",
	Runs: func(Target) []Run {
		pod := pod(ImagePull, "Never", manifest.Map{"image": missingImage})
		pod.Annotations = skipAwait()
		return []Run{{Name: ImagePull, Resources: []Resource{pod}}}
	},
	Expectations: func(target Target) []verify.Expectation {
		if !target.podTraced() {
			return nil
		}
		return []verify.Expectation{{
			Name: ImagePull, Hint: target.kubectl("describe pod " + ImagePull), Spans: failedPull(target),
		}}
	},
}

// failedPull returns the spans of a pull that failed. A kubelet without syncPod spans
// does not trace its calls about images either, as seen with 1.25; there the runtime's
// span has the error. Elsewhere the kubelet's span certainly has it: a server's span
// has none for codes that blame the caller (go.opentelemetry.io/contrib otelgrpc,
// serverStatus).
func failedPull(target Target) []verify.SpanMatch {
	failed := true
	pull := target.call(criPullImage)
	kubelet, runtime := pull[0], pull[1]
	if !target.Cluster.Release.Rules.SyncPodSpans {
		runtime.Error = &failed
		return []verify.SpanMatch{runtime}
	}
	kubelet.Error = &failed
	return append([]verify.SpanMatch{kubelet, runtime}, target.syncPod(ImagePull)...)
}
