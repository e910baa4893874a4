package components

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// CrashLoopPod is the name of the crashloop workload and of its pod.
const CrashLoopPod = "crashloop"

// newCrashLoop is a pod whose container fails whenever it is started.
func newCrashLoop(ctx *pulumi.Context, w workload) (pulumi.CustomResource, error) {
	return w.newPod(ctx, CrashLoopPod, "Always", corev1.ContainerArgs{
		Image: pulumi.String(echoImage), Command: stringArray([]string{"sh", "-c", "echo I fail; exit 1"}),
	}, unawaited)
}
