package conformance

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// jaegerSpecs are the variants of Jaeger's configuration.
var jaegerSpecs = map[string]tracing.JaegerSpec{
	"memory": {Storage: tracing.StorageMemory, MaxTraces: 100_000},
	"badger": {Storage: tracing.StorageBadger, Retention: "72h0m0s"},
}

func TestJaeger_Accepts(t *testing.T) {
	for name, spec := range jaegerSpecs {
		t.Run(name, func(t *testing.T) {
			config, err := tracing.RenderJaeger(spec)
			require.NoError(t, err)
			_, err = jaegerReader.read(t, config)
			require.NoError(t, err)
		})
	}
}

func TestJaeger_RefusesUnknownKey(t *testing.T) {
	for key, spec := range map[string]string{
		"max_traces": "memory", "trace_storage": "memory", "use_v2": "memory", "backends": "memory",
		"max_recv_msg_size_mib": "memory", "config_file": "memory", "directories": "badger", "ephemeral": "badger", "spans": "badger",
	} {
		t.Run(key, func(t *testing.T) {
			config, err := tracing.RenderJaeger(jaegerSpecs[spec])
			require.NoError(t, err)
			_, err = jaegerReader.read(t, replaceOnce(t, config, key+":", key+"_x:"))
			require.ErrorIs(t, err, errRefused)
			assert.ErrorContains(t, err, key+"_x")
		})
	}
}
