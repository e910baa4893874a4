package drift_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/drift"
)

const snapshot = `{"manifest":{"version":"v3"},"resources":[
{"urn":"urn:pulumi:dev::p::T::jaeger-container","type":"docker:index/container:Container","id":"jjj","inputs":{"name":"jaeger"},"dependencies":["urn:pulumi:dev::p::T::network"]}],
"pending_operations":[
{"resource":{"urn":"urn:pulumi:dev::p::T::jaeger-container","type":"docker:index/container:Container"},"type":"creating"},
{"resource":{"urn":"urn:pulumi:dev::p::T::echo","type":"kubernetes:core/v1:Pod"},"type":"updating"},
{"resource":{"urn":"urn:pulumi:dev::p::T::cluster-k3d","type":"command:local:Command"},"type":"creating"}]}`

func TestAStateIsReadAsPulumiPrintsAndAsItKeepsIt(t *testing.T) {
	t.Parallel()
	for form, text := range map[string]string{
		"printed": `{"version":3,"deployment":` + snapshot + `}`,
		"kept":    `{"version":3,"checkpoint":{"stack":"organization/p/dev","latest":` + snapshot + `}}`,
	} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			state, err := drift.ReadState([]byte(text))
			require.NoError(t, err)
			require.Len(t, state.Resources, 1)
			assert.Equal(t, drift.Resource{
				URN: "urn:pulumi:dev::p::T::jaeger-container", Type: "docker:index/container:Container", ID: "jjj",
				Inputs: map[string]any{"name": "jaeger"}, Dependencies: []string{"urn:pulumi:dev::p::T::network"},
			}, state.Resources[0])
			assert.Equal(t, "jaeger-container", state.Resources[0].Name())
			assert.True(t, state.Unsettled)
			require.Len(t, state.Creating, 1, "what is known is created, what is updated is there")
			assert.Equal(t, "cluster-k3d", state.Creating[0].Name())
		})
	}
}

func TestAStackWithoutResourcesHasAnEmptyState(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"version":3,"checkpoint":{"stack":"organization/p/dev"}}`, `{"version":3,"deployment":{"manifest":{}}}`, `{}`} {
		state, err := drift.ReadState([]byte(text))
		require.NoError(t, err)
		assert.Equal(t, drift.State{}, state)
	}
}

func TestAStateThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	_, err := drift.ReadState([]byte("nothing"))
	assert.ErrorContains(t, err, "read the stack's state: ")
	_, err = drift.Settled([]byte("nothing"))
	assert.ErrorContains(t, err, "read the stack's state: ")
	_, err = drift.Settled([]byte("{}"))
	assert.ErrorContains(t, err, "read the stack's state: ")
}

func TestASettledStateLosesItsUnfinishedOperationsAndNothingElse(t *testing.T) {
	t.Parallel()
	settled, err := drift.Settled([]byte(`{"version":3,"deployment":{"manifest":{"time":"2026-01-01T00:00:00.123456789Z"},` +
		`"secrets_providers":{"type":"passphrase"},"resources":[{"urn":"a","outputs":{"large":12345678901234567890}}],"pending_operations":[{"type":"creating"}]}}`))
	require.NoError(t, err)
	assert.Equal(t, `{"deployment":{"manifest":{"time":"2026-01-01T00:00:00.123456789Z"},"resources":[{"urn":"a","outputs":{"large":12345678901234567890}}],`+
		`"secrets_providers":{"type":"passphrase"}},"version":3}`, string(settled))
}
