package conformance

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// checkEtcd relies on the reader to fail on an argument that etcd ignores.
func checkEtcd(t *testing.T, reader reader, files rendered) {
	arguments := files.k3sServer(t).Etcd
	output, err := reader.read(t, "", arguments...)
	require.NoError(t, err)

	var loaded map[string]any
	require.NoError(t, json.Unmarshal(output, &loaded))
	withoutPrefix := map[string]any{}
	for name, value := range loaded {
		withoutPrefix[strings.TrimPrefix(name, "experimental-")] = value
	}
	want := map[string]any{
		"enable-distributed-tracing":       true,
		"distributed-tracing-address":      collectorGRPC,
		"distributed-tracing-service-name": tracing.ServiceEtcd,
	}
	if files.release.Rules.EtcdTracing != tracing.EtcdExperimentalWithoutRate {
		// encoding/json decodes every number as a float64.
		want["distributed-tracing-sampling-rate"] = float64(files.spec.Sampling.Etcd)
	}
	if files.spec.Servers == 1 {
		want["heartbeat-interval"], want["election-timeout"] = float64(100), float64(1000)
	}
	assert.Equal(t, want, withoutPrefix)
}
