package controlplane

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/kubetracing/kubetracing/test/processes"
)

// containerdUnavailable returns why containerd cannot be started here, or "".
func containerdUnavailable() string {
	switch {
	case runtime.GOOS != "linux":
		return "containerd runs containers on Linux only"
	case os.Geteuid() != 0:
		return "containerd starts as root only"
	}
	return ""
}

// startContainerd returns a client of its CRI.
func startContainerd(t *testing.T, release release, rendered node) cri.RuntimeServiceClient {
	t.Helper()
	// The path of a socket has at most 107 characters; that of a test's own folder
	// may have more.
	folder, err := os.MkdirTemp("", "containerd")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	socket, metrics := filepath.Join(folder, "containerd.sock"), freeAddresses(t, 1)[0]

	config, err := toml.Marshal(map[string]any{
		"version": 3,
		"root":    filepath.Join(folder, "root"),
		"state":   filepath.Join(folder, "state"),
		"grpc":    map[string]any{"address": socket},
		"metrics": map[string]any{"address": metrics},
	})
	require.NoError(t, err)
	path := filepath.Join(folder, "config.toml")
	require.NoError(t, os.WriteFile(path, config, 0o600))
	start(t, processes.New(processes.Command{
		Name: "containerd", Binary: binary(t, release.containerd), Folder: folder,
		Arguments:   []string{"--config", path},
		Environment: append([]string{batchSpanProcessor}, rendered.containerd...),
		HealthURL:   "http://" + metrics + "/v1/metrics",
	}))
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, connection.Close()) })
	return cri.NewRuntimeServiceClient(connection)
}

// callCRI makes the first calls of a kubelet. Running a pod would need an image, a
// network and the right to mount.
func callCRI(t *testing.T, runtime cri.RuntimeServiceClient) {
	t.Helper()
	_, err := runtime.Version(t.Context(), &cri.VersionRequest{}, grpc.WaitForReady(true))
	require.NoError(t, err)
	_, err = runtime.ListPodSandbox(t.Context(), &cri.ListPodSandboxRequest{})
	require.NoError(t, err)
}
