package kubeconfig_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/kubeconfig"
)

const clusters = `
clusters:
- {name: dev, cluster: {server: "https://dev.test"}}
- {name: work, cluster: {server: "https://work.test"}}
users: [{name: me, user: {}}]
contexts:
- {name: a, context: {cluster: work, user: me}}
- {name: b, context: {cluster: work, user: nobody}}
`

func TestRead_Context(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		clusters:                        "https://dev.test",
		clusters + "current-context: a": "https://work.test",
	} {
		config, err := kubeconfig.Read([]byte(text))
		require.NoError(t, err)
		assert.Equal(t, want, config.Server())
	}
	for text, want := range map[string]string{
		clusters + "current-context: b": `read kubeconfig: its context "b" names a cluster or a user that it does not have`,
		clusters + "current-context: c": `read kubeconfig: it does not have its current context "c"`,
	} {
		_, err := kubeconfig.Read([]byte(text))
		require.EqualError(t, err, want)
	}
}
