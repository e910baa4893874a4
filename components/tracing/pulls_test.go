package tracing_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// pulled is a cluster that pulls images in every way but the plain one.
func pulled(spec tracing.ClusterSpec) tracing.ClusterSpec {
	spec.Agents = 1
	spec.Pulls = tracing.Pulls{
		Proxy: tracing.Proxy{
			HTTP: "http://proxy.example:3128", HTTPS: "http://me:hunter2@proxy.example:3128", Except: []string{".example.com", "192.0.2.0/24"},
			Secret: true,
		},
		Certificates: "-----BEGIN CERTIFICATE-----\n",
		Registries: []tracing.Registry{
			{Name: "docker.io", Mirrors: []string{"https://mirror.example:5000", "http://harbor.example/hub/"}, Username: "me", Password: "hunter2"},
			{Name: "mirror.example:5000", Username: "you", Password: "it's", Insecure: true},
		},
	}
	return spec
}

// secretFiles lists the names of the files that must not be shown.
func secretFiles(t *testing.T, spec tracing.ClusterSpec) []string {
	t.Helper()
	rendered, err := tracing.RenderCluster(spec)
	require.NoError(t, err)
	var names []string
	for _, file := range rendered.Node {
		if file.Secret {
			names = append(names, file.Name)
		} else {
			assert.NotContains(t, file.Content, "hunter2", file.Name)
		}
	}
	assert.NotContains(t, rendered.K3d, "hunter2")
	return names
}

const pullsEnv = `HTTP_PROXY='http://proxy.example:3128'
HTTPS_PROXY='http://me:hunter2@proxy.example:3128'
NO_PROXY='localhost,127.0.0.0/8,::1,10.120.152.0/22,10.42.0.0/16,10.43.0.0/16,.svc,.cluster.local,otel-collector,jaeger,host.docker.internal,k3d-kubetracing-dev-server-0,k3d-kubetracing-dev-agent-0,.example.com,192.0.2.0/24'
SSL_CERT_DIR='/etc/ssl/certs:/etc/pki/tls/certs:/etc/kubetracing'
`

func TestPulls_Containerd(t *testing.T) {
	t.Parallel()
	for _, minor := range []string{"1.25", "1.37"} {
		spec := pulled(single(t, minor))
		files := nodeFiles(t, spec)
		assert.Equal(t, pullsEnv, files["pulls.env"])
		assert.Equal(t, "-----BEGIN CERTIFICATE-----\n", files["certificates.pem"])
		assert.True(t, strings.HasSuffix(files["containerd.env"], "\n. \"$FILES/pulls.env\"\n"), files["containerd.env"])
		assert.Equal(t, `configs:
  mirror.example:5000:
    auth:
      password: it's
      username: you
    tls:
      insecure_skip_verify: true
  registry-1.docker.io:
    auth:
      password: hunter2
      username: me
mirrors:
  docker.io:
    endpoint:
    - https://mirror.example:5000
    - http://harbor.example/v2/hub
`, files["registries.yaml"])
		for _, node := range []string{"k3s-server.yaml", "k3s-agent.yaml"} {
			assert.Equal(t, "/etc/kubetracing/registries.yaml", decoded(t, files[node])["private-registry"], node)
		}
		assert.Equal(t, []string{"pulls.env", "registries.yaml"}, secretFiles(t, spec))
	}
}

func TestPulls_CRIO(t *testing.T) {
	t.Parallel()
	spec := pulled(crio(t, "1.34"))
	files := nodeFiles(t, spec)
	assert.Equal(t, pullsEnv, files["crio.env"])
	assert.Equal(t, `[[registry]]
location = "docker.io"
insecure = false

[[registry.mirror]]
location = "mirror.example:5000"
insecure = true

[[registry.mirror]]
location = "harbor.example/hub"
insecure = true

[[registry]]
location = "mirror.example:5000"
insecure = true
`, files["crio.registries.conf"])
	assert.JSONEq(t, `{"auths": {"docker.io": {"auth": "bWU6aHVudGVyMg=="}, "mirror.example:5000": {"auth": "eW91Oml0J3M="}}}`, files["crio.auth.json"])
	assert.Contains(t, files["crio.conf"], "global_auth_file = \"/etc/kubetracing/crio.auth.json\"\n")
	assert.NotContains(t, files, "registries.yaml")
	assert.NotContains(t, decoded(t, files["k3s-server.yaml"]), "private-registry", "k3s configures containerd alone")
	assert.Equal(t, []string{"crio.auth.json", "crio.env"}, secretFiles(t, spec))
}

func TestPulls_Parts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pulls         tracing.Pulls
		with, without []string
		environment   string
	}{
		"nothing": {tracing.Pulls{}, nil, []string{"pulls.env", "certificates.pem", "registries.yaml"}, ""},
		"a proxy for https alone": {
			tracing.Pulls{Proxy: tracing.Proxy{HTTPS: "http://proxy:1"}},
			[]string{"pulls.env"},
			[]string{"certificates.pem", "registries.yaml"},
			"HTTPS_PROXY='http://proxy:1'\nNO_PROXY='localhost,127.0.0.0/8,::1,10.120.152.0/22,10.42.0.0/16,10.43.0.0/16,.svc,.cluster.local," +
				"otel-collector,jaeger,host.docker.internal,k3d-kubetracing-dev-server-0'\n",
		},
		"an authority alone": {
			tracing.Pulls{Certificates: "PEM\n"},
			[]string{"pulls.env", "certificates.pem"},
			[]string{"registries.yaml"},
			"SSL_CERT_DIR='/etc/ssl/certs:/etc/pki/tls/certs:/etc/kubetracing'\n",
		},
		"a mirror alone": {
			tracing.Pulls{Registries: []tracing.Registry{{Name: "quay.io", Mirrors: []string{"http://mirror:5000"}}}},
			[]string{"registries.yaml"},
			[]string{"pulls.env", "certificates.pem"},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := single(t, "1.36")
			spec.Pulls = test.pulls
			files := nodeFiles(t, spec)
			for _, file := range test.with {
				assert.Contains(t, files, file)
			}
			for _, file := range test.without {
				assert.NotContains(t, files, file)
			}
			assert.Equal(t, test.environment, files["pulls.env"])
			assert.Empty(t, secretFiles(t, spec))
		})
	}
}

// The scripts pass the variables on to the runtime, whatever is in them.
func TestPulls_Environment(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, content := range nodeFiles(t, pulled(single(t, "1.36"))) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	output, err := exec.CommandContext(t.Context(), "sh", "-euc",
		`FILES=$1; set -a; . "$FILES/containerd.env"; set +a; env`, "sh", folder).CombinedOutput()
	require.NoError(t, err, string(output))
	for _, line := range strings.Split(strings.TrimSpace(strings.ReplaceAll(pullsEnv, "'", "")), "\n") {
		assert.Contains(t, string(output), line+"\n")
	}
}
