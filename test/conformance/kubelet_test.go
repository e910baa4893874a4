package conformance

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// checkKubelet decodes with the public configuration types, which compile quickly
// enough to do so for every minor.
func checkKubelet(t *testing.T, reader reader, files rendered) {
	output, err := reader.read(t, files.mountedFile(t, files.k3sServer(t).Kubelet, "config"), "kubelet")
	require.NoError(t, err)
	assertKubeletDecoded(t, output, files)
}

// The kubelet's own defaults, feature gates and validation take minutes to
// compile. They run for the releases where the feature gate is set, for the
// first where it is not, and for the newest.
func TestKubelet_Validates(t *testing.T) {
	results := newTable("k3s")
	defer func() { t.Log("\n" + results.String()) }()
	for _, test := range []struct {
		k3s string
		by  reader
	}{
		{"v1.25.16+k3s4", kubeletReader("1.25.4")},
		{"v1.26.15+k3s1", kubeletReader("1.26.3")},
		{"v1.27.16+k3s1", kubeletReader("1.27.3")},
		{"v1.37.1+k3s1", kubeletReader("1.37.1")},
	} {
		results.check(t, test.k3s, "kubelet's own validation", test.by, func(t *testing.T) {
			files := render(t, test.k3s, distinctRates)
			output, err := test.by.read(t, files.files[tracing.FileKubelet])
			require.NoError(t, err)
			assertKubeletDecoded(t, output, files)
		})
	}
}

func kubeletReader(version string) reader { return newReader("kubelet", version) }

// assertKubeletDecoded compares a KubeletConfiguration with the settings behind its
// file. encoding/json matches the field names of the kubelet's internal type,
// too, which differ in case only.
func assertKubeletDecoded(t *testing.T, output []byte, files rendered) {
	t.Helper()
	var decoded struct {
		Tracing      endpointAndRate `json:"tracing"`
		FailCgroupV1 *bool           `json:"failCgroupV1"`
	}
	require.NoError(t, json.Unmarshal(output, &decoded))
	assert.Equal(t, endpointAndRate{Endpoint: collectorGRPC, SamplingRatePerMillion: files.spec.Sampling.Kubelet}, decoded.Tracing)
	if files.release.Rules.RefusesCgroupV1 && assert.NotNil(t, decoded.FailCgroupV1) {
		assert.False(t, *decoded.FailCgroupV1)
	}
}
