package conformance

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// endpointAndRate is a Kubernetes tracing configuration as a reader decoded it.
type endpointAndRate struct {
	Endpoint               string `json:"endpoint"`
	SamplingRatePerMillion int    `json:"samplingRatePerMillion"`
}

// checkAPIServer checks what kube-apiserver decodes from its file.
func checkAPIServer(t *testing.T, reader reader, files rendered) {
	arguments := files.k3sServer(t).APIServer
	output, err := reader.read(t, files.mountedFile(t, arguments, "tracing-config-file"),
		"apiserver", argument(arguments, "feature-gates"))
	require.NoError(t, err)

	var decoded endpointAndRate
	require.NoError(t, json.Unmarshal(output, &decoded))
	assert.Equal(t, endpointAndRate{Endpoint: collectorGRPC, SamplingRatePerMillion: files.spec.Sampling.APIServer}, decoded)
}
