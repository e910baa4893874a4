package pulumi_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/pulumi"
)

const snapshotText = `{"manifest":{"version":"v3"},"resources":[
{"urn":"urn:pulumi:dev::p::T::traced-identity","type":"command:local:Command","id":"i1","outputs":{"stdout":"ABC\n"}},
{"urn":"urn:pulumi:dev::p::T::jaeger-container","type":"docker:index/container:Container","id":"jjj","inputs":{"name":"jaeger"},"dependencies":["urn:pulumi:dev::p::T::network"]}],
"pending_operations":[
{"resource":{"urn":"urn:pulumi:dev::p::T::jaeger-container","type":"docker:index/container:Container"},"type":"creating"},
{"resource":{"urn":"urn:pulumi:dev::p::T::echo","type":"kubernetes:core/v1:Pod"},"type":"updating"},
{"resource":{"urn":"urn:pulumi:dev::p::T::cluster-k3d","type":"command:local:Command"},"type":"creating"}]}`

func TestReadState(t *testing.T) {
	t.Parallel()
	for form, text := range map[string]string{
		"as pulumi stack export prints it": `{"version":3,"deployment":` + snapshotText + `}`,
		"as the local backend keeps it":    `{"version":3,"checkpoint":{"stack":"organization/p/dev","latest":` + snapshotText + `}}`,
	} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			state, err := pulumi.ReadState([]byte(text))
			require.NoError(t, err)
			require.Len(t, state.Resources, 2)
			container := state.Resources[1]
			assert.Equal(t, "jaeger-container", container.Name())
			assert.Equal(t, "jjj", string(container.ID))
			assert.Equal(t, map[string]any{"name": "jaeger"}, container.Inputs)
			assert.Equal(t, "ABC", state.Identity())
			assert.False(t, state.HasCluster())
			assert.True(t, state.Pending)
			require.Len(t, state.Creating, 1, "what is known is created, and what is updated exists")
			assert.Equal(t, "cluster-k3d", state.Creating[0].Name())
		})
	}
}

func TestReadState_no_resources(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"version":3,"checkpoint":{"stack":"organization/p/dev"}}`, `{"version":3,"deployment":{"manifest":{}}}`, `{}`} {
		state, err := pulumi.ReadState([]byte(text))
		require.NoError(t, err)
		assert.Equal(t, pulumi.State{}, state)
		assert.Empty(t, state.Identity())
	}
}

func TestReadState_incomplete(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "nothing", `{"version":3,"checkpoint":{"latest":{"resources":[`} {
		_, err := pulumi.ReadState([]byte(text))
		require.EqualError(t, err, "it is not complete JSON", text)
	}
	_, err := pulumi.ReadState([]byte(`{"version":3,"deployment":{"resources":7}}`))
	require.ErrorContains(t, err, "cannot unmarshal number")
}
