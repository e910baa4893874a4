package engine_test

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A reviewer sees of the nodes' files the lines that change, with the names of their
// files, and a few lines around them.
func TestStack_PreviewDiff(t *testing.T) {
	t.Parallel()
	base := newHost(t)
	base.stack(t, "dev", nil).mustUp(t)

	tests := map[string]struct {
		sampling string
		// want is what the CLI prints of the nodes' files.
		want string
	}{
		"one file": {`{"apiserver":10}`, `~ stdin: 
            ...
            apiserver-tracing.yaml:endpoint: otel-collector:4317
            apiserver-tracing.yaml:kind: TracingConfiguration
          - apiserver-tracing.yaml:samplingRatePerMillion: 1000000
          + apiserver-tracing.yaml:samplingRatePerMillion: 10
            containerd.env:OTEL_EXPORTER_OTLP_ENDPOINT=http://otel-collector:4318
            containerd.env:OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
            ...
`},
		"the first and the last file": {`{"apiserver":10,"kubelet":20}`, `~ stdin: 
            ...
            apiserver-tracing.yaml:endpoint: otel-collector:4317
            apiserver-tracing.yaml:kind: TracingConfiguration
          - apiserver-tracing.yaml:samplingRatePerMillion: 1000000
          + apiserver-tracing.yaml:samplingRatePerMillion: 10
            containerd.env:OTEL_EXPORTER_OTLP_ENDPOINT=http://otel-collector:4318
            containerd.env:OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
            ...
            kubelet.yaml:tracing:
            kubelet.yaml:  endpoint: otel-collector:4317
          - kubelet.yaml:  samplingRatePerMillion: 1000000
          + kubelet.yaml:  samplingRatePerMillion: 20
`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := base.clone(t).stack(t, "dev", map[string]string{"kubetracing:sampling": test.sampling})
			preview := s.preview(t, optpreview.Diff())
			require.NoError(t, preview.err)
			_, files, found := strings.Cut(preview.text, "::traced-node-config-files]\n")
			require.True(t, found, preview.text)
			start, end := strings.Index(files, "~ stdin"), strings.Index(files, "        ~ command:local:Command")
			require.Positive(t, start, files)
			require.Greater(t, end, start, files)
			files = files[start:end]
			assert.Equal(t, test.want, files)
		})
	}
}
