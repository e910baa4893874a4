package components

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ImagePullPod is the name of the imagepull workload and of its pod.
const ImagePullPod = "imagepull"

// missingImage is nowhere: no name below .invalid ever resolves (RFC 2606), so that
// no registry is asked, with or without an internet connection.
const missingImage = "registry.invalid/kubetracing/missing:1"

// newImagePull is a pod whose image cannot be pulled.
func newImagePull(ctx *pulumi.Context, w workload) (pulumi.CustomResource, error) {
	return w.newPod(ctx, ImagePullPod, "Never", corev1.ContainerArgs{Image: pulumi.String(missingImage)}, unawaited)
}
