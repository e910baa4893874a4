package tools

import (
	"context"
	"os"
	"os/exec"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// Environment variables that choose k3d's images.
//
// Source: github.com/k3d-io/k3d/v5@v5.8.3/pkg/types/env.go.
const (
	k3dToolsVariable = "K3D_IMAGE_TOOLS"
	k3dProxyVariable = "K3D_IMAGE_LOADBALANCER"
	k3dTagVariable   = "K3D_HELPER_IMAGE_TAG"
)

// K3dImages returns the images that k3d uses for containers of its own: those that its
// environment variables choose, else those of the release on PATH, else those of the
// pinned release. A cluster with several servers has a load balancer.
func K3dImages(ctx context.Context, loadBalancer bool) []string {
	tag := os.Getenv(k3dTagVariable)
	if tag == "" {
		tag = k3dRelease(ctx)
	}
	image := func(variable, repository string) string {
		if chosen := os.Getenv(variable); chosen != "" {
			return chosen
		}
		return repository + ":" + tag
	}
	images := []string{image(k3dToolsVariable, tracing.K3dToolsRepository)}
	if loadBalancer {
		images = append(images, image(k3dProxyVariable, tracing.K3dProxyRepository))
	}
	return images
}

// k3dRelease returns the release of the k3d on PATH; the pinned one if there is none, or
// if it is too old and another is used.
func k3dRelease(ctx context.Context) string {
	tool := K3d()
	if path, err := exec.LookPath(tool.Name); err == nil && tool.OnPath(ctx) == nil {
		if version, err := tool.printedVersion(ctx, path); err == nil && version != nil {
			return version.String()
		}
	}
	return tool.Version
}
