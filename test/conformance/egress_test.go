package conformance

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// k3sEgressSelector has, like the one that k3s writes, a dialer for nodes and none for
// the control plane, to which traces belong.
//
// Source: k3s pkg/daemons/control/deps/deps.go (genEgressSelectorConfig).
const k3sEgressSelector = `
apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection: {proxyProtocol: Direct}
`

func TestKubeAPIServer_EgressSelector(t *testing.T) {
	reader := newReader("egress", "1.25.4")
	release, err := tracing.ResolveRelease("v1.25.4+k3s1")
	require.NoError(t, err)
	// The selector's dialer is only used for an endpoint that is an address.
	spec := render(t, release.Kubernetes, distinctRates).spec
	spec.Receiver = "127.0.0.1"
	files := renderSpec(t, spec)
	arguments := files.k3sServer(t).APIServer
	file := filepath.Join(t.TempDir(), tracing.FileAPIServerTracing)
	require.NoError(t, os.WriteFile(file, []byte(files.mountedFile(t, arguments, "tracing-config-file")), 0o600))

	t.Run("with the selector of k3s it panics", func(t *testing.T) {
		_, err := reader.read(t, k3sEgressSelector, file)
		require.ErrorIs(t, err, errRefused)
		require.ErrorContains(t, err, "nil pointer dereference")
		assert.ErrorContains(t, err, "pkg/server/options.(*TracingOptions).ApplyTo")
	})
	t.Run("without one, as rendered, it starts", func(t *testing.T) {
		require.Contains(t, arguments, "egress-selector-config-file=")
		_, err := reader.read(t, "", file)
		require.NoError(t, err)
	})
}
