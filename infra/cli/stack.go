package cli

import (
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/expected"
	"github.com/kubetracing/kubetracing/stacks"
)

// expectations returns what the stack's traces must show.
func expectations(stack stacks.Stack) []verify.Expectation { return expected.Of(stack).All() }

// jaegerURL returns the URL of the stack's Jaeger.
func jaegerURL(stack stacks.Stack) string { return expected.JaegerURL(stack) }

// containers returns the names of the containers that spans come from and pass
// through.
func containers(stack stacks.Stack) []string { return expected.Containers(stack) }

// images returns the images that the stack's containers are created from.
func images(stack stacks.Stack) []string {
	settings := stack.Settings
	list := []string{stack.BaseImage(), settings.Jaeger.Image}
	if settings.Collector.Enabled {
		list = append(list, settings.CollectorImage())
	}
	if settings.OwnServer() {
		list = append(list, settings.ServerImage())
	}
	if settings.Jaeger.Server != nil {
		list = append(list, settings.Jaeger.Server.CleanerImage)
	}
	return list
}
