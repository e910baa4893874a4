package tools_test

import (
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/tools"
)

// behindProxy names the folder into which the process below installs k3d.
const behindProxy = "TEST_INSTALL_BEHIND_PROXY"

// TestEnsure_proxy downloads in a process of its own:
// net/http reads the environment's proxies once.
func TestEnsure_proxy(t *testing.T) {
	if folder := os.Getenv(behindProxy); folder != "" {
		_, err := tools.Ensure(t.Context(), folder, []tools.Tool{k3d()}, io.Discard)
		require.NoError(t, err)
		return
	}
	t.Parallel()
	// To a client, a proxy is a server that is asked for whole URLs.
	proxy := &mirror{files: map[string][]byte{k3dPath: binary}}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	folder := t.TempDir()
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
	command.Env = []string{
		behindProxy + "=" + folder, "PATH=" + t.TempDir(),
		"HTTP_PROXY=" + server.URL, tools.MirrorVariable + "=http://mirror.invalid/mirror",
	}
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	assert.Equal(t, []string{k3dPath}, proxy.requests())
	assert.Equal(t, map[string]string{"k3d-5.8.3/k3d": string(binary)}, contents(t, folder))
}
