package conformance

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// Names of the spans that the containerd reader makes.
const (
	rootSpan  = "root"
	childSpan = "child of a sampled parent"
)

// checkContainerd checks what containerd exports with its environment.
func checkContainerd(t *testing.T, reader reader, files rendered) {
	assert.Equal(t, containerdExport{
		urls:     []string{"http://" + tracing.CollectorAlias + ":4318/v1/traces"},
		services: []string{tracing.ServiceContainerd},
		spans:    []string{rootSpan, childSpan},
	}, exportOf(t, reader, files), "everything sampled")

	off := distinctRates
	off.Runtime = 0
	assert.Empty(t, exportOf(t, reader, render(t, files.release.Kubernetes, off)).spans, "a rate of 0 turns spans off")

	rare := distinctRates
	rare.Runtime = 1
	// The root span is kept once in a million runs.
	assert.Contains(t, exportOf(t, reader, render(t, files.release.Kubernetes, rare)).spans, childSpan,
		"a sampled parent is followed at any other rate")
}

// containerdExport are the requests of containerd's exporter.
type containerdExport struct {
	urls, services, spans []string
}

// exportOf returns what containerd's exporter sends with a rendered environment.
func exportOf(t *testing.T, reader reader, files rendered) containerdExport {
	t.Helper()
	output, err := reader.read(t, files.files[tracing.FileContainerd])
	require.NoError(t, err)
	var sent struct {
		URLs     []string `json:"urls"`
		Requests [][]byte `json:"requests"`
	}
	require.NoError(t, json.Unmarshal(output, &sent))

	export := containerdExport{urls: sent.URLs}
	for _, request := range sent.Requests {
		// An export request has the same encoding as TracesData.
		var traces tracepb.TracesData
		require.NoError(t, proto.Unmarshal(request, &traces))
		for _, resource := range traces.GetResourceSpans() {
			for _, attribute := range resource.GetResource().GetAttributes() {
				if attribute.GetKey() == "service.name" {
					export.services = append(export.services, attribute.GetValue().GetStringValue())
				}
			}
			for _, scope := range resource.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					export.spans = append(export.spans, span.GetName())
				}
			}
		}
	}
	return export
}
