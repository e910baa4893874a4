package stacks

import "github.com/kubetracing/kubetracing/components/spec"

// Images returns the images that the stack's containers are created from, and those
// that the image of its nodes is built from, but not k3d's own.
func (s Stack) Images() []string {
	settings := s.Settings
	images := []string{s.BaseImage(), settings.Jaeger.Image, spec.ToolsImage}
	if settings.Collector.Enabled {
		images = append(images, settings.CollectorImage())
	}
	if settings.OwnServer() {
		images = append(images, settings.ServerImage())
	}
	if settings.Jaeger.Storage.IsServer() {
		images = append(images, settings.Jaeger.Server.CleanerImage)
	}
	return images
}
