package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubetracing/kubetracing/infra/docker"
)

// missingImages returns an error that names every image that an update without a
// network would look for in vain. Docker downloads each when it is needed: without this,
// an update would end in the middle.
func (m Machine) missingImages(ctx context.Context, needs Needs) error {
	if !m.Offline {
		return nil
	}
	needed := append(slices.Clone(needs.Images), m.K3dImages(ctx, needs.LoadBalancer)...)
	slices.Sort(needed)
	var missing, absent []string
	for _, image := range slices.Compact(needed) {
		present, err := m.hasImage(ctx, image)
		switch {
		case err != nil:
			return err
		case present:
			continue
		}
		tagged := withoutDigest(image)
		loaded := false
		if tagged != image {
			if loaded, err = m.hasImage(ctx, tagged); err != nil {
				return err
			}
		}
		if loaded {
			image += " (" + tagged + " is there without a digest, as docker load leaves it: name it so in the stack's file)"
		} else {
			absent = append(absent, tagged)
		}
		missing = append(missing, image)
	}
	if len(missing) == 0 {
		return nil
	}
	message := fmt.Sprintf("OFFLINE forbids downloads, and Docker lacks %d of the images that an update needs: %s",
		len(missing), strings.Join(missing, ", "))
	if names := strings.Join(absent, " "); names != "" {
		message += fmt.Sprintf(". Where there is a network, run `for image in %s; do docker pull $image; done; "+
			"docker save --output images.tar %s`; here, `docker load --input images.tar`", names, names)
	}
	return errors.New(message)
}

// hasImage reports whether Docker has an image.
func (m Machine) hasImage(ctx context.Context, reference string) (bool, error) {
	_, err := m.Docker.InspectImage(ctx, reference)
	if errors.Is(err, docker.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// withoutDigest returns a reference without its digest.
func withoutDigest(reference string) string {
	name, _, _ := strings.Cut(reference, "@")
	return name
}
