package manifest_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/internal/manifest"
)

func TestObject_Token(t *testing.T) {
	t.Parallel()
	for token, object := range map[string]manifest.Object{
		"kubernetes:core/v1:Pod":                 {APIVersion: "v1", Kind: "Pod"},
		"kubernetes:apps/v1:Deployment":          {APIVersion: "apps/v1", Kind: "Deployment"},
		"kubernetes:node.k8s.io/v1:RuntimeClass": {APIVersion: "node.k8s.io/v1", Kind: "RuntimeClass"},
	} {
		assert.Equal(t, token, object.Token())
	}
}

func TestObject_MarshalJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(manifest.Object{
		APIVersion: "v1", Kind: "Pod", Name: "echo",
		Labels: map[string]string{"app": "echo"}, Annotations: map[string]string{"a": "b"},
		Fields: manifest.Map{"spec": manifest.Map{"containers": manifest.List{manifest.Map{"name": "echo"}}}},
	})
	require.NoError(t, err)
	assert.JSONEq(t, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"echo","labels":{"app":"echo"},"annotations":{"a":"b"}},
		"spec":{"containers":[{"name":"echo"}]}}`, string(text))

	text, err = json.Marshal(manifest.Object{APIVersion: "v1", Kind: "Namespace", Name: "plain"})
	require.NoError(t, err)
	assert.JSONEq(t, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"plain"}}`, string(text))
}
