package tracing_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// What k3s writes, cut down to the tables that are near ours.
const (
	k3sConfigV2 = `version = 2
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
`
	k3sConfigV3 = `version = 3
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
`
	k3sConfigV3WithTable = k3sConfigV3 + `[plugins.'io.containerd.cri.v1.runtime'.containerd]
  enable_selinux = false
`
)

// startContainerd runs the script that k3s starts as containerd, with a containerd
// that prints how it was started.
func startContainerd(t *testing.T, spec tracing.ClusterSpec, k3sConfig string) (arguments string, config map[string]any) {
	t.Helper()
	folder := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), mode))
		return path
	}
	files := nodeFiles(t, spec)
	for name, content := range files {
		write(name, content, 0o644)
	}
	// A symbolic link to a shell: a file just written could not be executed while a
	// concurrent fork holds it open.
	containerd := write("containerd", `echo "$@"; echo "$OTEL_SERVICE_NAME"; cat "$2"`, 0o644)
	shell, err := exec.LookPath("sh")
	require.NoError(t, err)
	bundle := filepath.Join(folder, "bundle")
	require.NoError(t, os.Mkdir(bundle, 0o755))
	require.NoError(t, os.Symlink(shell, filepath.Join(bundle, "containerd")))
	script := strings.NewReplacer(
		"FILES=/etc/kubetracing\n", "FILES="+folder+"\n",
		"STATE=/run\n", "STATE="+folder+"\n",
		"BUNDLE=/opt/kubetracing/containerd/bin\n", "BUNDLE="+bundle+"\n",
		`exec containerd "$@"`, `exec containerd `+containerd+` "$@"`,
	).Replace(files["containerd.sh"])
	original := write("config.toml", k3sConfig, 0o644)
	output, err := exec.CommandContext(t.Context(), "sh", "-c", script, "containerd", "-c", original, "--root", "/somewhere").CombinedOutput()
	require.NoError(t, err, string(output))
	lines := strings.SplitN(string(output), "\n", 3)
	require.NoError(t, toml.Unmarshal([]byte(lines[2]), &config))
	after, err := os.ReadFile(original)
	require.NoError(t, err)
	assert.Equal(t, k3sConfig, string(after), "k3s' own file stays as it is")
	assert.Equal(t, "containerd", lines[1], "the environment is read")
	return strings.ReplaceAll(lines[0], folder, ""), config
}

// table returns a table of a decoded configuration.
func table(t *testing.T, config map[string]any, path ...string) map[string]any {
	t.Helper()
	for _, key := range path {
		inner, ok := config[key].(map[string]any)
		require.True(t, ok, "table %v in %v", path, config)
		config = inner
	}
	return config
}

func TestContainerdScript_Handlers(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		kubernetes, config, plugin string
	}{
		"a configuration of version 2":                      {"1.25", k3sConfigV2, "io.containerd.grpc.v1.cri"},
		"a configuration of version 3":                      {"1.36", k3sConfigV3, "io.containerd.cri.v1.runtime"},
		"a configuration of version 3 with the table in it": {"1.36", k3sConfigV3WithTable, "io.containerd.cri.v1.runtime"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := withRuntimes(single(t, test.kubernetes), tracing.OCICrun)
			arguments, config := startContainerd(t, spec, test.config)
			assert.Equal(t, "-c /kubetracing-containerd.toml --root /somewhere", arguments)
			containerd := table(t, config, "plugins", test.plugin, "containerd")
			assert.Equal(t, "crun", containerd["default_runtime_name"])
			for _, oci := range []string{"crun", "youki"} {
				assert.Equal(t, map[string]any{
					"runtime_type": "io.containerd.runc.v2",
					"options":      map[string]any{"BinaryName": "/opt/kubetracing/oci/bin/" + oci},
				}, table(t, containerd, "runtimes", oci))
			}
			assert.Contains(t, table(t, containerd, "runtimes"), "runc", "what k3s wrote is still there")
		})
	}

	t.Run("runc alone leaves k3s' configuration to containerd", func(t *testing.T) {
		t.Parallel()
		arguments, config := startContainerd(t, single(t, "1.36"), k3sConfigV3)
		assert.Equal(t, "-c /config.toml --root /somewhere", arguments)
		assert.NotContains(t, table(t, config, "plugins", "io.containerd.cri.v1.runtime", "containerd"), "default_runtime_name")
	})

	t.Run("runc stays the default beside others", func(t *testing.T) {
		t.Parallel()
		_, config := startContainerd(t, withRuntimes(single(t, "1.36"), tracing.OCIRunc), k3sConfigV3)
		containerd := table(t, config, "plugins", "io.containerd.cri.v1.runtime", "containerd")
		assert.NotContains(t, containerd, "default_runtime_name")
		assert.Contains(t, table(t, containerd, "runtimes"), "youki")
	})
}

// CRI-O gets what the files say of pulls when it starts, and a restart what they say
// then.
func TestCRIOScript_Pulls(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := func(names ...string) string { return filepath.Join(append([]string{folder}, names...)...) }
	for _, name := range []string{"files", "bundle", "run"} {
		require.NoError(t, os.Mkdir(path(name), 0o755))
	}
	files := nodeFiles(t, pulled(crio(t, "1.34")))
	for name, content := range files {
		require.NoError(t, os.WriteFile(path("files", name), []byte(content), 0o600))
	}
	for name, body := range map[string]string{
		"crio":   "env > '" + path("started") + "'\ntrap 'exit 0' TERM\nwhile :; do sleep 0.05; done\n",
		"crictl": "test -s '" + path("started") + "'\n",
	} {
		// A file that a concurrent fork holds open for writing cannot be executed.
		syscall.ForkLock.RLock()
		require.NoError(t, os.WriteFile(path("bundle", name), []byte("#!/bin/sh\n"+body), 0o755))
		syscall.ForkLock.RUnlock()
	}
	script := strings.NewReplacer(
		"FILES=/etc/kubetracing\n", "FILES='"+path("files")+"'\n", "BUNDLE=/opt/kubetracing/crio/bin\n", "BUNDLE='"+path("bundle")+"'\n",
		"RUN=/run/kubetracing\n", "RUN='"+path("run")+"'\n", "REGISTRIES=/etc/containers/registries.conf.d\n", "REGISTRIES='"+path("registries")+"'\n",
		"/proc/1/fd/1", path("out"), "/proc/1/fd/2", path("err"), "/var/tmp", path("tmp"),
	).Replace(files[tracing.FileCRIOScript])
	run := func(arguments ...string) string {
		require.NoError(t, os.RemoveAll(path("started")))
		command := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, "crio.sh"}, arguments...)...)
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		require.NoError(t, command.Start())
		// Who supervises CRI-O goes on in the background.
		t.Cleanup(func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
		require.NoError(t, command.Wait())
		environment, err := os.ReadFile(path("started"))
		require.NoError(t, err)
		return string(environment)
	}
	assert.Contains(t, run(), "\nHTTPS_PROXY=http://me:hunter2@proxy.example:3128\n")
	linked, err := os.ReadFile(path("registries", "kubetracing.conf"))
	require.NoError(t, err)
	assert.Equal(t, files["crio.registries.conf"], string(linked))
	assert.DirExists(t, path("tmp"))
	secrets, err := os.Stat(path("run", "crio.files"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), secrets.Mode(), "a copy of what is secret")

	require.NoError(t, os.Remove(path("files", "crio.env")))
	require.NoError(t, os.Remove(path("files", "crio.registries.conf")))
	assert.NotContains(t, run("restart"), "HTTPS_PROXY")
	assert.NoFileExists(t, path("registries", "kubetracing.conf"))
}
