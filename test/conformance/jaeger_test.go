package conformance

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

func TestJaegerAcceptsItsConfiguration(t *testing.T) {
	config, err := tracing.RenderJaeger(tracing.JaegerSpec{Storage: tracing.StorageMemory})
	require.NoError(t, err)
	_, err = jaegerReader.read(t, config)
	require.NoError(t, err)
}

func TestJaegerRefusesAKeyThatDoesNotExist(t *testing.T) {
	config, err := tracing.RenderJaeger(tracing.JaegerSpec{Storage: tracing.StorageMemory})
	require.NoError(t, err)
	for _, key := range []string{"max_traces", "trace_storage", "use_v2", "backends"} {
		t.Run(key, func(t *testing.T) {
			_, err := jaegerReader.read(t, spoil(t, config, key+":", key+"_x:"))
			require.ErrorIs(t, err, errRefused)
			assert.ErrorContains(t, err, key+"_x")
		})
	}
}
