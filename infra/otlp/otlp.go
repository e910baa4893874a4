// Package otlp sends spans to a stack. Its receivers are not published on the host, so
// a node of the cluster, which is on their network, passes them on.
package otlp

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/stacks"
)

// Sender sends spans through a container.
type Sender struct {
	// Docker runs the container's wget.
	Docker *docker.Client
	// Container is on the receiver's network.
	Container string
	// Receiver is the host name of the receiver on that network.
	Receiver string
}

// NewSender returns a sender to what receives a stack's spans: the Collector, unless it
// drops some.
func NewSender(client *docker.Client, stack stacks.Stack) Sender {
	settings := stack.Settings
	sender := Sender{Docker: client, Container: stack.Layout().Nodes[0], Receiver: tracing.JaegerAlias}
	if settings.Collector.Enabled && settings.Collector.TailSampling == nil && settings.Sampling.Collector == tracing.SamplingRateMax {
		sender.Receiver = tracing.CollectorAlias
	}
	return sender
}

// maxBody bounds a request's body. It is one argument of a command, which Linux limits
// to 128 KiB.
//
// Source: execve(2) (MAX_ARG_STRLEN).
const maxBody = 100 << 10

// post is the command that posts its standard input. Not every release of busybox has
// --post-file.
const post = `exec wget -q -O - --header 'Content-Type: application/json' --post-data "$(cat)" "$0"`

// Send sends spans, in as many requests as they need. It fails if the receiver does not
// accept all of them.
func (s Sender) Send(ctx context.Context, traces ptrace.Traces) error {
	bodies, err := split(traces, maxBody)
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	url := "http://" + s.Receiver + ":" + strconv.Itoa(tracing.OTLPHTTPPort) + "/v1/traces"
	for _, body := range bodies {
		answer, err := s.Docker.ExecInput(ctx, s.Container, string(body), "sh", "-c", post, url)
		if err != nil {
			return fmt.Errorf("send spans to %s: %w", s.Receiver, err)
		}
		if err := rejected(answer); err != nil {
			return fmt.Errorf("send spans to %s: %w", s.Receiver, err)
		}
	}
	return nil
}

// rejected returns an error if a receiver did not accept all spans.
//
// Source: https://opentelemetry.io/docs/specs/otlp/ (Partial Success).
func rejected(answer string) error {
	var response struct {
		Partial struct {
			Rejected json.Number `json:"rejectedSpans"`
			Message  string      `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if answer = strings.TrimSpace(answer); answer == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(answer), &response); err != nil {
		return fmt.Errorf("read the answer %q: %w", answer, err)
	}
	if count := response.Partial.Rejected.String(); count != "" && count != "0" {
		return fmt.Errorf("%s spans were rejected: %s", count, response.Partial.Message)
	}
	return nil
}

// split encodes traces as JSON documents of at most a size in bytes. A single span may
// be larger.
func split(traces ptrace.Traces, size int) ([][]byte, error) {
	body, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	if err != nil {
		return nil, fmt.Errorf("encode traces: %w", err)
	}
	count := traces.SpanCount()
	if len(body) <= size || count < 2 {
		return [][]byte{body}, nil
	}
	var bodies [][]byte
	for _, keep := range []func(index int) bool{
		func(index int) bool { return index < count/2 },
		func(index int) bool { return index >= count/2 },
	} {
		half, err := split(filter(traces, keep), size)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, half...)
	}
	return bodies, nil
}

// filter returns the spans whose index, counted over all, is to be kept.
func filter(traces ptrace.Traces, keep func(index int) bool) ptrace.Traces {
	kept := ptrace.NewTraces()
	traces.CopyTo(kept)
	index := 0
	for _, resource := range kept.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			scope.Spans().RemoveIf(func(ptrace.Span) bool {
				index++
				return !keep(index - 1)
			})
		}
		resource.ScopeSpans().RemoveIf(func(scope ptrace.ScopeSpans) bool { return scope.Spans().Len() == 0 })
	}
	kept.ResourceSpans().RemoveIf(func(resource ptrace.ResourceSpans) bool { return resource.ScopeSpans().Len() == 0 })
	return kept
}
