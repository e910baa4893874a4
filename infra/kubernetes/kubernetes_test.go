package kubernetes_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/kubernetes"
)

func serve(t *testing.T, code int, body string) (*kubernetes.Client, *http.Request) {
	t.Helper()
	var asked http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = *r
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return &kubernetes.Client{BaseURL: server.URL + "/", HTTP: server.Client()}, &asked
}

func TestClient_Get(t *testing.T) {
	t.Parallel()
	client, asked := serve(t, http.StatusOK, `{"metadata":{"name":"web"}}`)
	var pod struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	require.NoError(t, client.Get(t.Context(), "/api/v1/namespaces/shop/pods/web", url.Values{"limit": {"5"}}, &pod))
	assert.Equal(t, "web", pod.Metadata.Name)
	assert.Equal(t, "/api/v1/namespaces/shop/pods/web?limit=5", asked.URL.RequestURI())
	assert.Equal(t, "application/json", asked.Header.Get("Accept"))
	assert.Equal(t, "kubetracing", asked.UserAgent())
}

func TestClient_Get_errors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		code             int
		body, want       string
		notFound, denied bool
	}{
		"not found":       {404, `{"kind":"Status","message":"pods \"web\" not found"}`, `pods "web" not found`, true, false},
		"forbidden":       {403, `{"message":"pods \"web\" is forbidden"}`, `pods "web" is forbidden`, false, true},
		"unauthorized":    {401, `{"message":"Unauthorized"}`, "Unauthorized", false, true},
		"no words":        {503, "not now", "kube-apiserver answered 503 Service Unavailable", false, false},
		"no JSON":         {200, "<html>", "ask kube-apiserver for /x: invalid character '<' looking for beginning of value", false, false},
		"another message": {500, `{"message":"etcdserver: request timed out"}`, "etcdserver: request timed out", false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, _ := serve(t, test.code, test.body)
			err := client.Get(t.Context(), "/x", nil, &struct{}{})
			require.EqualError(t, err, test.want)
			assert.Equal(t, test.notFound, kubernetes.IsNotFound(err))
			assert.Equal(t, test.denied, kubernetes.IsDenied(err))
		})
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	err := (&kubernetes.Client{BaseURL: gone.URL, HTTP: http.DefaultClient}).Get(t.Context(), "/x", nil, &struct{}{})
	require.ErrorContains(t, err, "ask kube-apiserver: ")
	assert.False(t, kubernetes.IsNotFound(err))
}
