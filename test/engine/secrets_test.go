package engine_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
)

func TestStack_KubeconfigIsSecret(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	s := h.stack(t, "dev", nil)
	log := s.mustUp(t).log

	outputs, err := s.Outputs(t.Context())
	require.NoError(t, err)
	assert.True(t, outputs["kubeconfig"].Secret)
	assert.Contains(t, outputs["kubeconfig"].Value, privateKey, "it is an output of the stack")
	configured := false
	for _, arguments := range h.journal.configurations {
		text, err := protojson.Marshal(arguments)
		require.NoError(t, err)
		configured = configured || strings.Contains(string(text), privateKey)
	}
	assert.True(t, configured, "the Kubernetes provider gets it")

	// Another cluster has another kubeconfig, and the preview a difference to show.
	s.configure(t, map[string]string{"kubetracing:cluster": `{"kubernetes":"1.36"}`})
	preview := s.preview(t, optpreview.Diff())
	require.NoError(t, preview.err)
	require.Contains(t, preview.text, "cluster-kubeconfig")
	log += preview.log + s.mustUp(t).log + s.destroy(t).log

	encoded := base64.StdEncoding.EncodeToString([]byte(privateKey))
	assert.NotContains(t, log, privateKey, "output, diffs and events")
	assert.NotContains(t, log, encoded)
	states := 0
	for path, content := range h.written(t) {
		assert.NotContains(t, content, privateKey, path)
		assert.NotContains(t, content, encoded, path)
		if strings.Contains(content, "ciphertext") {
			states++
		}
	}
	assert.Positive(t, states, "state and history hold it encrypted")
}

func TestStack_PasswordIsSecret(t *testing.T) {
	t.Parallel()
	const first, second = "Tr4ces-of-one!", "Tr4ces-of-two!"
	stored := func(password string) map[string]string {
		return map[string]string{"kubetracing:jaeger": `{"storage":"opensearch","server":{"password":"` + password + `"}}`}
	}
	h := newHost(t)
	s := h.stack(t, "dev", stored(first))
	log := s.mustUp(t).log
	done := h.journal.drain()
	for _, container := range []string{"server-container", "jaeger-container", "index-cleaner-container"} {
		text, err := protojson.Marshal(done.only(t, "create", container).inputs)
		require.NoError(t, err)
		assert.Contains(t, string(text), first, container)
	}

	// Another password is a difference to show, but not what it is.
	s.configure(t, stored(second))
	preview := s.preview(t, optpreview.Diff())
	require.NoError(t, preview.err)
	require.Contains(t, preview.changes, "replace jaeger-container")
	log += preview.log + s.mustUp(t).log + s.destroy(t).log

	for _, password := range []string{first, second} {
		assert.NotContains(t, log, password, "output, diffs and events")
		for path, content := range h.written(t) {
			assert.NotContains(t, content, password, path)
		}
	}
}

// A password of the nodes is in no diff and no state in the clear; another one restarts
// the nodes, and what the verification prints stays for everyone to read.
func TestStack_NodePasswordIsSecret(t *testing.T) {
	t.Parallel()
	const first, second = "Tr4ces-of-one!", "Tr4ces-of-two!"
	stored := func(password string) map[string]string {
		return map[string]string{"kubetracing:cluster": `{"registries":[{"name":"docker.io","username":"me","password":"` + password + `"}]}`}
	}
	h := newHost(t)
	s := h.stack(t, "dev", stored(first))
	log := s.mustUp(t).log
	text, err := protojson.Marshal(h.journal.drain().only(t, "create", "node-config-files").inputs)
	require.NoError(t, err)
	assert.Contains(t, string(text), first)
	outputs, err := s.Outputs(t.Context())
	require.NoError(t, err)
	assert.False(t, outputs["services"].Secret)

	assert.Empty(t, s.preview(t).changes, "nothing changes by itself")
	s.configure(t, stored(second))
	preview := s.preview(t, optpreview.Diff())
	require.NoError(t, preview.err)
	assert.Contains(t, preview.changes, "update node-config-files")
	assert.Contains(t, preview.changes, "update cluster-k3d")
	log += preview.log + s.mustUp(t).log + s.destroy(t).log

	for _, password := range []string{first, second} {
		assert.NotContains(t, log, password, "output, diffs and events")
		for path, content := range h.written(t) {
			assert.NotContains(t, content, password, path)
		}
	}
}
