package lifecycle_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

var owner = docker.Owner{Stack: stack, State: state}

// files are what a shell or an archive could spoil.
var files = map[string]string{
	"kubelet.yaml":  "kind: KubeletConfiguration\n",
	"a-b.txt":       "it's \"$HOME\" `id` $(id) \\n 100%s\n-n\n\nlast line without a break",
	"k3s-agent.yml": "",
}

func nodeFiles() spec.NodeFiles {
	return spec.NodeFiles{Volume: "traced-tracing", Image: "busybox:1.37.0", Files: files}
}

func TestManager_WriteNodeFiles(t *testing.T) {
	t.Run("sends an archive to a throw-away container", func(t *testing.T) {
		h := newHost(t)
		h.world.SetVolumes(docker.Volume{Name: "traced-tracing", Labels: labels(stack, state)})
		h.On(dockertest.Command("docker run "+dockertest.Rest), dockertest.Answer{})
		require.NoError(t, h.manager().WriteNodeFiles(t.Context(), nodeFiles(), nil, owner))
		calls := h.Calls("docker", "run")
		require.Len(t, calls, 1)
		assert.Equal(t, []string{
			"docker", "run", "--rm", "--interactive", "--network", "none", "--volume", "traced-tracing:/config",
			"--entrypoint", "/bin/sh", "busybox:1.37.0", "-c",
		}, calls[0].Argv[:12])
		assert.Len(t, calls[0].Argv, 13)

		got := map[string]string{}
		archive := tar.NewReader(strings.NewReader(calls[0].Stdin))
		for {
			header, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			content, err := io.ReadAll(archive)
			require.NoError(t, err)
			got[header.Name] = string(content)
		}
		assert.Equal(t, files, got)
	})

	for name, labels := range map[string]map[string]string{"another state's": labels(stack, "STATE-B"), "nobody's": nil} {
		t.Run("refuses a volume that is "+name, func(t *testing.T) {
			h := newHost(t)
			h.world.SetVolumes(docker.Volume{Name: "traced-tracing", Labels: labels})
			err := h.manager().WriteNodeFiles(t.Context(), nodeFiles(), nil, owner)
			require.ErrorContains(t, err, "write the files of the nodes: volume traced-tracing is not this stack's: it seems to belong to ")
			assert.Empty(t, h.changes())
		})
	}
	t.Run("refuses without an identity", func(t *testing.T) {
		h := newHost(t)
		h.world.SetVolumes(docker.Volume{Name: "traced-tracing", Labels: labels(stack, "")})
		require.ErrorContains(t, h.manager().WriteNodeFiles(t.Context(), nodeFiles(), nil, docker.Owner{}), "KUBETRACING_STATE")
		assert.Empty(t, h.changes())
	})
	for _, name := range []string{"../kubelet.yaml", "a/b", ".new", "", "a b", "$(id)"} {
		t.Run("refuses the name "+name, func(t *testing.T) {
			h := newHost(t)
			h.world.SetVolumes(docker.Volume{Name: "traced-tracing", Labels: labels(stack, state)})
			document := nodeFiles()
			document.Files = map[string]string{name: ""}
			require.ErrorContains(t, h.manager().WriteNodeFiles(t.Context(), document, nil, owner), "is not the base name of a file")
			assert.Empty(t, h.changes())
		})
	}
	t.Run("fails with docker's error", func(t *testing.T) {
		h := newHost(t)
		h.world.SetVolumes(docker.Volume{Name: "traced-tracing", Labels: labels(stack, state)})
		h.On(dockertest.Command("docker run "+dockertest.Rest), dockertest.Answer{Stderr: "no space left on device", Code: 125})
		err := h.manager().WriteNodeFiles(t.Context(), nodeFiles(), nil, owner)
		require.ErrorContains(t, err, "write the files of the nodes to volume traced-tracing: ")
		require.ErrorContains(t, err, "exit status 125: no space left on device")
	})
}

// TestManager_WriteNodeFiles_script runs the script of the throw-away container in the
// shells that there are.
func TestManager_WriteNodeFiles_script(t *testing.T) {
	h := newHost(t)
	h.world.SetVolumes(docker.Volume{Name: "traced-tracing", Labels: labels(stack, state)})
	h.On(dockertest.Command("docker run "+dockertest.Rest), dockertest.Answer{})
	require.NoError(t, h.manager().WriteNodeFiles(t.Context(), nodeFiles(), nil, owner))
	call := h.Calls("docker", "run")[0]

	shells := [][]string{{"/bin/sh"}}
	for _, shell := range [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
		if _, err := exec.LookPath(shell[0]); err == nil {
			shells = append(shells, shell)
		}
	}
	for _, shell := range shells {
		t.Run(shell[0], func(t *testing.T) {
			volume := t.TempDir()
			for name, content := range map[string]string{
				"kubelet.yaml": "old", "left-over.yaml": "old", "with space.yaml": "old", ".new/interrupted": "half",
			} {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(volume, name)), 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(volume, name), []byte(content), 0o644))
			}
			// A reader that has a file open goes on to read the old one.
			open, err := os.Open(filepath.Join(volume, "kubelet.yaml"))
			require.NoError(t, err)
			defer open.Close()

			script := strings.ReplaceAll(call.Argv[12], "/config", volume)
			command := exec.CommandContext(t.Context(), shell[0], append(shell[1:], "-c", script)...)
			command.Stdin = strings.NewReader(call.Stdin)
			output, err := command.CombinedOutput()
			require.NoError(t, err, "%s", output)

			entries, err := os.ReadDir(volume)
			require.NoError(t, err)
			got := map[string]string{}
			for _, entry := range entries {
				content, err := os.ReadFile(filepath.Join(volume, entry.Name()))
				require.NoError(t, err)
				got[entry.Name()] = string(content)
			}
			assert.Equal(t, files, got)
			old, err := io.ReadAll(open)
			require.NoError(t, err)
			assert.Equal(t, "old", string(old))
		})
	}
}

func TestManager_ChownVolume(t *testing.T) {
	document := spec.Volume{Volume: "traced-jaeger", User: "10001", Image: "busybox:1.37.0"}
	t.Run("runs chown in a throw-away container", func(t *testing.T) {
		h := newHost(t)
		h.world.SetVolumes(docker.Volume{Name: "traced-jaeger", Labels: labels(stack, state)})
		h.On(dockertest.Command("docker run "+dockertest.Rest), dockertest.Answer{})
		require.NoError(t, h.manager().ChownVolume(t.Context(), document, owner))
		assert.Equal(t, []string{
			"docker run --rm --interactive --network none --volume traced-jaeger:/volume --entrypoint chown busybox:1.37.0 -R 10001:10001 /volume",
		}, h.changes())
	})
	for user, want := range map[string]string{
		"": "0:0", "root": "0:0", "0": "0:0", "10001": "10001:10001", "65532:65532": "65532:65532", "1000:0": "1000:0", "1000:users": "1000:1000", "root:root": "0:0",
	} {
		t.Run(fmt.Sprintf("gives it to the user %q of an image", user), func(t *testing.T) {
			h := newHost(t)
			h.world.SetVolumes(docker.Volume{Name: "traced-jaeger", Labels: labels(stack, state)})
			h.world.SetImages(docker.Image{ID: "sha256:1", Tags: []string{"mine/jaeger:2"}, User: user})
			h.On(dockertest.Command("docker run "+dockertest.Rest), dockertest.Answer{})
			own := spec.Volume{Volume: "traced-jaeger", UserOf: "mine/jaeger:2", Image: "busybox:1.37.0"}
			require.NoError(t, h.manager().ChownVolume(t.Context(), own, owner))
			assert.Equal(t, []string{
				"docker run --rm --interactive --network none --volume traced-jaeger:/volume --entrypoint chown busybox:1.37.0 -R " + want + " /volume",
			}, h.changes())
		})
	}
	t.Run("refuses the user of an image that is no number", func(t *testing.T) {
		h := newHost(t)
		h.world.SetVolumes(docker.Volume{Name: "traced-jaeger", Labels: labels(stack, state)})
		h.world.SetImages(docker.Image{ID: "sha256:1", Tags: []string{"mine/jaeger:2"}, User: "jaeger:jaeger"})
		own := spec.Volume{Volume: "traced-jaeger", UserOf: "mine/jaeger:2", Image: "busybox:1.37.0"}
		require.EqualError(t, h.manager().ChownVolume(t.Context(), own, owner),
			`change the owner of volume traced-jaeger: image mine/jaeger:2 runs as user "jaeger", and only the image knows that user's number: `+
				"use an image whose USER is a number, or a setting that needs no volume")
		own.UserOf = "mine/jaeger:3"
		require.ErrorIs(t, h.manager().ChownVolume(t.Context(), own, owner), docker.ErrNotFound)
		assert.Empty(t, h.changes())
	})
	t.Run("refuses a volume of another state", func(t *testing.T) {
		h := newHost(t)
		h.world.SetVolumes(docker.Volume{Name: "traced-jaeger", Labels: labels(stack, "STATE-B")})
		require.ErrorContains(t, h.manager().ChownVolume(t.Context(), document, owner),
			"it seems to belong to stack kubetracing/test with another state (STATE-B)")
		assert.Empty(t, h.changes())
	})
	t.Run("refuses a user that is not a number", func(t *testing.T) {
		h := newHost(t)
		named := document
		named.User = "--reference=/etc/shadow"
		require.ErrorContains(t, h.manager().ChownVolume(t.Context(), named, owner), "is not a numeric user id")
		assert.Empty(t, h.Calls())
	})
}
