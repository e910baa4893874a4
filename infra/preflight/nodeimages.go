package preflight

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/stacks"
)

// LocalImages returns what the Docker daemon has of the images of a stack's nodes.
func LocalImages(ctx context.Context, client *docker.Client, stack stacks.Stack) (spec.LocalImages, error) {
	var local spec.LocalImages
	base, err := client.InspectImage(ctx, stack.BaseImage())
	if err != nil && !errors.Is(err, docker.ErrNotFound) {
		return local, err
	}
	local.Base = base.ID
	images, err := client.Images(ctx, docker.Filter{Label: spec.StackLabel, Value: stack.Names.Owner})
	if err != nil {
		return local, err
	}
	slices.SortFunc(images, func(a, b docker.Image) int { return b.Created.Compare(a.Created) })
	for _, image := range images {
		for _, reference := range image.Tags {
			if strings.HasPrefix(reference, stack.Names.NodeImage()+":") {
				local.Nodes = append(local.Nodes, spec.LocalNodeImage{Reference: reference, Base: image.Labels[spec.BaseLabel]})
			}
		}
	}
	return local, nil
}
