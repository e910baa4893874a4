//go:build containerd1

package main

import (
	"context"
	"errors"
	"io"

	"github.com/containerd/containerd/plugin"
	_ "github.com/containerd/containerd/tracing/plugin" // registers the tracing plugins
)

// startTracingPlugins starts the exporter and the tracer that needs it, in the
// order and with the default configuration that containerd passes, and
// returns the tracer.
//
// Source: github.com/containerd/containerd@v1.7.34/services/server/server.go (New).
func startTracingPlugins(ctx context.Context) (io.Closer, error) {
	started := plugin.NewPluginSet()
	for _, registration := range plugin.Graph(func(r *plugin.Registration) bool {
		return r.Type != plugin.TracingProcessorPlugin && r.URI() != string(plugin.InternalPlugin)+".tracing"
	}) {
		init := plugin.NewContext(ctx, registration, started, "", "")
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
