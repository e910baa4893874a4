package cli

import (
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/stacks"
)

// images returns the images that the stack's containers are created from, and those
// of its nodes and helpers.
func images(stack stacks.Stack) []string {
	settings := stack.Settings
	list := []string{stack.BaseImage(), settings.Jaeger.Image, spec.ToolsImage}
	if settings.Collector.Enabled {
		list = append(list, settings.CollectorImage())
	}
	if settings.OwnServer() {
		list = append(list, settings.ServerImage())
	}
	if settings.Jaeger.Storage.IsServer() {
		list = append(list, settings.Jaeger.Server.CleanerImage)
	}
	return list
}
