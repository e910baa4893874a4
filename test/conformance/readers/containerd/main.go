// Command containerd reads a file of NAME=VALUE lines on standard input, starts
// the tracing plugins of one containerd line (versions/*.mod choose which; 1.x
// also needs the build tag containerd1) with that environment and makes one span
// with a sampled and one without any parent. It prints what was exported as
// JSON. It fails where a plugin does not start, with the plugin's own error.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	exported, err := run(context.Background(), os.Stdin)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(exported)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, environment io.Reader) (*Exported, error) {
	if err := setEnvironment(environment); err != nil {
		return nil, err
	}
	receiver, err := startReceiver()
	if err != nil {
		return nil, err
	}
	defer receiver.Close()
	tracer, err := startTracingPlugins(ctx)
	if err != nil {
		return nil, err
	}
	makeSpans(ctx)
	// Closing flushes.
	if err := tracer.Close(); err != nil {
		return nil, err
	}
	return receiver.Exported()
}

func setEnvironment(in io.Reader) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		name, value, assigned := strings.Cut(lines.Text(), "=")
		if !assigned {
			return fmt.Errorf("not NAME=VALUE: %q", lines.Text())
		}
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return lines.Err()
}

const (
	rootSpan  = "root"
	childSpan = "child of a sampled parent"
)

func makeSpans(ctx context.Context) {
	tracer := otel.Tracer("conformance")
	_, root := tracer.Start(ctx, rootSpan)
	root.End()

	sampled := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, Remote: true,
	})
	_, child := tracer.Start(trace.ContextWithRemoteSpanContext(ctx, sampled), childSpan)
	child.End()
}
