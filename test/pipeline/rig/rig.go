// Package rig runs the rendered pipeline, a Collector that exports to a Jaeger, as
// processes of this machine.
package rig

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/test/processes"
)

// Spec defines the pipeline.
type Spec struct {
	// Folder holds logs, configurations and data. Required; it must exist.
	Folder string
	// Jaeger is rendered as it is for a stack. Required.
	Jaeger tracing.JaegerSpec
	// Collector is rendered as it is for a stack, unless CollectorConfig is set.
	Collector tracing.CollectorSpec
	// CollectorConfig is another configuration for the Collector; its exporter to
	// Jaeger is named JaegerExporter. Optional.
	CollectorConfig, JaegerExporter string
	// Overrides replace single values of the Collector's configuration, as
	// [processes.Options] has them. Optional.
	Overrides map[string]string
	// JaegerEnvironment are NAME=VALUE variables for Jaeger. Optional.
	JaegerEnvironment []string
	// CollectorEnvironment are NAME=VALUE variables for the Collector. Optional.
	CollectorEnvironment []string
}

// Rig is the pipeline.
type Rig struct {
	Collector *processes.CollectorProcess
	Jaeger    *processes.JaegerProcess
}

// New prepares the pipeline; nothing runs yet.
func New(spec Spec) (*Rig, error) {
	jaegerConfig, err := tracing.RenderJaeger(spec.Jaeger)
	if err != nil {
		return nil, err
	}
	jaeger := processes.Options{
		Folder: filepath.Join(spec.Folder, "jaeger"), Config: jaegerConfig,
		// As the container has it.
		Environment: append([]string{tracing.JaegerQuiet}, spec.JaegerEnvironment...),
	}
	if spec.Jaeger.Storage == tracing.StorageBadger {
		const directories = "extensions::jaeger_storage::backends::traces::badger::directories::"
		jaeger.Overrides = map[string]string{
			directories + "keys":   filepath.Join(jaeger.Folder, "keys"),
			directories + "values": filepath.Join(jaeger.Folder, "values"),
		}
	}
	config, exporter, environment := spec.CollectorConfig, spec.JaegerExporter, spec.CollectorEnvironment
	if config == "" {
		exporter = "otlp_grpc/jaeger"
		// As the container has it.
		environment = append(tracing.CollectorEnvironment(), environment...)
		if config, err = tracing.RenderCollector(spec.Collector); err != nil {
			return nil, err
		}
	}
	collector := processes.Options{
		Folder: filepath.Join(spec.Folder, "collector"), Config: config, Environment: environment,
		Overrides: map[string]string{},
	}
	if spec.Collector.DiskQueue {
		collector.Overrides["extensions::file_storage/queues::directory"] = filepath.Join(collector.Folder, "queues")
	}
	for _, folder := range []string{jaeger.Folder, collector.Folder} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, fmt.Errorf("prepare the pipeline: %w", err)
		}
	}
	rig := &Rig{}
	if rig.Jaeger, err = processes.NewJaeger(jaeger); err != nil {
		return nil, err
	}
	collector.Overrides["exporters::"+exporter+"::endpoint"] = rig.Jaeger.OTLPGRPC
	maps.Copy(collector.Overrides, spec.Overrides)
	if rig.Collector, err = processes.NewCollector(collector); err != nil {
		return nil, err
	}
	return rig, nil
}

// Start starts Jaeger, then the Collector, and waits until both are healthy.
func (r *Rig) Start(ctx context.Context) error {
	return errors.Join(r.Jaeger.Start(ctx), r.Collector.Start(ctx))
}

// Kill ends both as kill -9 does.
func (r *Rig) Kill() error { return errors.Join(r.Collector.Kill(), r.Jaeger.Kill()) }
