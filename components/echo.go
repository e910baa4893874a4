package components

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// EchoPod is the name of the echo workload and of its pod.
const EchoPod = "echo"

// newEcho is `kubectl run --restart=Never -- echo hi` of the published recipe, as
// an object that can be waited for.
func newEcho(ctx *pulumi.Context, w workload) (pulumi.CustomResource, error) {
	return w.newPod(ctx, underClass(EchoPod, w.class), "Never", corev1.ContainerArgs{
		Image: pulumi.String(echoImage), Command: stringArray([]string{"echo", "hi"}),
	}, nil)
}
