//go:build !containerd1

package main

import (
	"context"
	"errors"
	"io"

	_ "github.com/containerd/containerd/v2/pkg/tracing/plugin" // registers the tracing plugins
	"github.com/containerd/containerd/v2/plugins"
	"github.com/containerd/plugin"
	"github.com/containerd/plugin/registry"
)

// startTracingPlugins starts the exporter and the tracer that needs it, in the
// order and with the default configuration that containerd passes, and
// returns the tracer.
//
// Source: github.com/containerd/containerd/v2@v2.3.4/cmd/containerd/server/server.go (New).
func startTracingPlugins(ctx context.Context) (io.Closer, error) {
	started := plugin.NewPluginSet()
	for _, registration := range registry.Graph(func(r *plugin.Registration) bool {
		return r.Type != plugins.TracingProcessorPlugin && r.URI() != string(plugins.InternalPlugin)+".tracing"
	}) {
		init := plugin.NewContext(ctx, started, nil)
		init.Config = registration.Config
		result := registration.Init(init)
		if err := started.Add(result); err != nil {
			return nil, err
		}
		instance, err := result.Instance()
		if err != nil {
			return nil, err
		}
		if tracer, ok := instance.(io.Closer); ok {
			return tracer, nil
		}
	}
	return nil, errors.New("containerd has no tracing plugin")
}
