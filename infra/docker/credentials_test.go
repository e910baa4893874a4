package docker_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

func TestClient_CheckCredentials(t *testing.T) {
	t.Parallel()
	const (
		hubKey = "https://index.docker.io/v1/"
		build  = ", and without it Pulumi's Docker provider builds no image: put the program on PATH, or remove the key and log in again with `docker login` where that is needed"
		pull   = " cannot be pulled: put the program on PATH, or remove the key"
	)
	missing := dockertest.Answer{Err: &exec.Error{Name: "docker-credential-x", Err: exec.ErrNotFound}}
	tests := map[string]struct {
		config string
		// list is the answer of a helper whose name ends with desktop.exe; ecr that of
		// another one.
		list, ecr dockertest.Answer
		images    []string
		// want follows the path of the configuration.
		want  string
		calls []string
	}{
		"no settings":             {config: `{"auths":{"ghcr.io":{}}}`},
		"an empty file":           {config: ``},
		"a helper that works":     {config: `{"credsStore":"desktop.exe"}`, list: dockertest.Print(`{"https://index.docker.io/v1/":"me"}`), calls: []string{"docker-credential-desktop.exe list"}},
		"a helper that is absent": {config: `{"credsStore":"desktop.exe"}`, list: missing, want: `: credsStore "desktop.exe": docker-credential-desktop.exe is not on PATH` + build, calls: []string{"docker-credential-desktop.exe list"}},
		"a helper that fails": {
			config: `{"credsStore":"desktop.exe"}`, list: dockertest.Fail("pass not initialized"),
			want: `: credsStore "desktop.exe": docker-credential-desktop.exe list: exit status 1: pass not initialized` + build, calls: []string{"docker-credential-desktop.exe list"},
		},
		"no JSON": {config: `{"credsStore":`, want: " cannot be read, and without it Pulumi's Docker provider builds no image: it is not valid JSON: unexpected EOF. Mend it or remove it"},
		"a helper of another registry": {
			config: `{"credHelpers":{"123.dkr.ecr.example":"ecr-login"}}`, ecr: missing, images: []string{"k3s:absent", "ghcr.io/a/b:1"},
		},
		"a helper of an image's registry": {
			config: `{"credHelpers":{"ghcr.io":"ecr-login"}}`, ecr: missing, images: []string{"busybox", "ghcr.io/a/b:1"},
			want: `: credHelpers: ghcr.io: "ecr-login": docker-credential-ecr-login is not on PATH, and without it image ghcr.io/a/b:1` + pull, calls: []string{"docker-credential-ecr-login list"},
		},
		"a helper of Docker Hub": {
			config: `{"credHelpers":{"` + hubKey + `":"ecr-login"}}`, ecr: missing, images: []string{"rancher/k3s:absent"},
			want: `: credHelpers: ` + hubKey + `: "ecr-login": docker-credential-ecr-login is not on PATH, and without it image rancher/k3s:absent` + pull, calls: []string{"docker-credential-ecr-login list"},
		},
		"a name of Docker Hub that docker does not read": {config: `{"credHelpers":{"docker.io":"ecr-login"}}`, ecr: missing, images: []string{"rancher/k3s:absent"}},
		"a helper of an image that is here":              {config: `{"credHelpers":{"` + hubKey + `":"ecr-login"}}`, ecr: missing, images: []string{"busybox:1"}},
		"a helper of a registry that cannot list": {
			config: `{"credHelpers":{"ghcr.io":"ecr-login"}}`, ecr: dockertest.Fail("not implemented"), images: []string{"ghcr.io/a/b:1"}, calls: []string{"docker-credential-ecr-login list"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			path := filepath.Join(folder, "config.json")
			require.NoError(t, os.WriteFile(path, []byte(test.config), 0o600))
			runner := dockertest.New(t)
			dockertest.NewWorld(runner).SetImages(docker.Image{ID: "sha256:1", Tags: []string{"busybox:1"}})
			runner.On(dockertest.Command("docker-credential-desktop.exe list"), test.list)
			runner.On(dockertest.Command("docker-credential-ecr-login list"), test.ecr)
			err := runner.Client().CheckCredentials(t.Context(), environment(map[string]string{"DOCKER_CONFIG": folder}), test.images...)
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, path+test.want)
			}
			var helpers []string
			for _, line := range runner.Lines() {
				if line[:7] != "docker " {
					helpers = append(helpers, line)
				}
			}
			assert.Equal(t, test.calls, helpers)
		})
	}
	t.Run("the platform's helper where none is chosen", func(t *testing.T) {
		t.Parallel()
		bin := t.TempDir()
		helper := map[string]string{"linux": "docker-credential-secretservice", "darwin": "docker-credential-osxkeychain"}[runtime.GOOS]
		if helper == "" {
			t.Skip("this platform has none")
		}
		variables := environment(map[string]string{"HOME": t.TempDir(), "PATH": "/nowhere:" + bin})
		runner := dockertest.New(t)
		require.NoError(t, os.WriteFile(filepath.Join(bin, helper), nil, 0o600))
		require.NoError(t, runner.Client().CheckCredentials(t.Context(), variables), "it is no program")
		require.NoError(t, os.Chmod(filepath.Join(bin, helper), 0o700))
		runner.On([]string{helper, "list"}, dockertest.Fail("Cannot autolaunch D-Bus"), dockertest.Print("{}"))
		err := runner.Client().CheckCredentials(t.Context(), variables)
		require.ErrorContains(t, err, "/.docker/config.json has no credsStore, so Pulumi's Docker provider asks "+helper+", which is on PATH, and builds no image: ")
		require.ErrorContains(t, err, "exit status 1: Cannot autolaunch D-Bus. Mend the program, or take it off PATH")
		require.NoError(t, runner.Client().CheckCredentials(t.Context(), variables), "it works")
		if runtime.GOOS != "linux" {
			return
		}
		require.NoError(t, os.WriteFile(filepath.Join(bin, "pass"), nil, 0o700))
		require.NoError(t, runner.Client().CheckCredentials(t.Context(), variables), "with pass on PATH, another one would be asked")
		assert.Len(t, runner.Calls(), 2)
	})
	t.Run("in the user's folder", func(t *testing.T) {
		t.Parallel()
		home := t.TempDir()
		runner := dockertest.New(t)
		require.NoError(t, runner.Client().CheckCredentials(t.Context(), environment(map[string]string{"HOME": home, "DOCKER_CONFIG": ""})))
		require.NoError(t, os.Mkdir(filepath.Join(home, ".docker"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(home, ".docker", "config.json"), []byte("["), 0o600))
		require.ErrorContains(t, runner.Client().CheckCredentials(t.Context(), environment(map[string]string{"HOME": home})), home+"/.docker/config.json cannot be read")
	})
}
