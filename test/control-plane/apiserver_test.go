package controlplane

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/test/processes"
)

// kubernetesAPI sends requests to a kube-apiserver as cluster administrator.
type kubernetesAPI struct {
	url, token string
	client     *http.Client
	// etcd is the URL of its store.
	etcd string
}

// startControlPlane starts an etcd and the kube-apiserver that stores in it.
func startControlPlane(t *testing.T, release release, rendered node) kubernetesAPI {
	t.Helper()
	return startAPIServer(t, release, startEtcd(t, release, rendered), rendered)
}

// startEtcd returns the URL for its clients.
func startEtcd(t *testing.T, release release, rendered node) string {
	t.Helper()
	folder, addresses := t.TempDir(), freeAddresses(t, 2)
	clients, peers := "http://"+addresses[0], "http://"+addresses[1]
	start(t, processes.New(processes.Command{
		Name: "etcd", Binary: binary(t, release.etcd), Folder: folder,
		Arguments: append([]string{
			"--data-dir=" + filepath.Join(folder, "data"),
			"--listen-client-urls=" + clients, "--advertise-client-urls=" + clients,
			"--listen-peer-urls=" + peers, "--initial-advertise-peer-urls=" + peers, "--initial-cluster=default=" + peers,
		}, rendered.etcd...),
		Environment: []string{batchSpanProcessor},
		HealthURL:   clients + "/health",
	}))
	return clients
}

func startAPIServer(t *testing.T, release release, etcd string, rendered node) kubernetesAPI {
	t.Helper()
	folder, token := t.TempDir(), rand.Text()
	tokens, key := filepath.Join(folder, "tokens.csv"), filepath.Join(folder, "service-account.key")
	require.NoError(t, os.WriteFile(tokens, []byte(token+",administrator,administrator,system:masters\n"), 0o600))
	writePrivateKey(t, key)

	host, port := splitAddress(t, freeAddresses(t, 1)[0])
	url := "https://" + host + ":" + port
	// It signs its own certificate while it starts, so it cannot be known before.
	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	}
	t.Cleanup(client.CloseIdleConnections)
	start(t, processes.New(processes.Command{
		Name: "kube-apiserver", Binary: binary(t, release.apiserver), Folder: folder,
		Arguments: append([]string{
			"--etcd-servers=" + etcd,
			"--bind-address=" + host, "--secure-port=" + port, "--cert-dir=" + filepath.Join(folder, "certificates"),
			"--token-auth-file=" + tokens, "--authorization-mode=RBAC",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + key, "--service-account-signing-key-file=" + key,
			"--service-cluster-ip-range=10.43.0.0/16",
			// Nothing routes to this cluster.
			"--advertise-address=" + host, "--endpoint-reconciler-type=none",
		}, rendered.apiserver...),
		Environment: []string{batchSpanProcessor},
		HealthURL:   url + "/readyz",
		Client:      client,
	}))
	return kubernetesAPI{url: url, token: token, client: client, etcd: etcd}
}

func writePrivateKey(t *testing.T, path string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
}

// create creates an object in a collection.
func (a kubernetesAPI) create(t *testing.T, collection string, object map[string]any) {
	t.Helper()
	body, err := json.Marshal(object)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+collection, bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+a.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := a.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusCreated, response.StatusCode, "POST %s", collection)
}

// use creates a namespace with a config map, and reads from etcd without
// kube-apiserver: etcd follows the decision of a caller that traces, so only a call
// outside a trace shows its own rate.
func (a kubernetesAPI) use(t *testing.T) {
	t.Helper()
	a.readFromEtcd(t)
	a.create(t, "/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": "traced"}})
	a.create(t, "/api/v1/namespaces/traced/configmaps", map[string]any{
		"metadata": map[string]any{"name": "traced"}, "data": map[string]any{"key": "value"},
	})
}

// readFromEtcd queries etcd's JSON gateway, which forwards the query over gRPC.
//
// Source: https://etcd.io/docs/latest/dev-guide/api_grpc_gateway/.
func (a kubernetesAPI) readFromEtcd(t *testing.T) {
	t.Helper()
	query, err := json.Marshal(map[string][]byte{"key": []byte("traced")})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.etcd+"/v3/kv/range", bytes.NewReader(query))
	require.NoError(t, err)
	response, err := a.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode, "read from etcd")
}
