package pulumi_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/stacks"
)

const (
	project = `# a comment that only the original has
name: kubetracing
runtime:
  name: go
  options: {binary: ./run}
main: infra
config:
  pulumi:disable-default-providers: {value: [kubernetes]}
  sampling: {type: object, default: {kubelet: 10}}
`
	stack = `# another comment
config:
  kubetracing:cluster:
    servers: 1
`
)

// newProject returns the folder of a project with one stack.
func newProject(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "Pulumi.yaml"), project)
	write(t, filepath.Join(root, "Pulumi.dev.yaml"), stack)
	return root
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// copied reads the workspace as Pulumi does.
func copied(t *testing.T, space pulumi.Workspace) stacks.Files {
	t.Helper()
	files, err := stacks.ReadFiles(space.Directory, space.Stack)
	require.NoError(t, err)
	return files
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	space, err := pulumi.Prepare(root, "dev")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(root, ".kubetracing", "workspace"), space.Directory)
	assert.Equal(t, filepath.Join(root, ".kubetracing", "state"), space.Folder("state"))
	assert.DirExists(t, space.Folder("state"))
	info, err := os.Stat(space.Folder("state"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "its secrets are for its user")

	original, err := stacks.ReadFiles(root, "dev")
	require.NoError(t, err)
	files := copied(t, space)
	assert.Equal(t, filepath.Join("..", "..", "infra"), files.Project.Main)
	assert.Equal(t, filepath.Join(root, "infra"), filepath.Join(space.Directory, files.Project.Main))
	assert.YAMLEq(t, strings.Replace(project, "main: infra", "main: ../../infra", 1), read(t, filepath.Join(space.Directory, "Pulumi.yaml")))
	want, err := original.Config()
	require.NoError(t, err)
	got, err := files.Config()
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.JSONEq(t, `{"servers":1}`, got["kubetracing:cluster"])
}

func TestPrepare_relative_root(t *testing.T) {
	t.Chdir(newProject(t))
	here, err := os.Getwd()
	require.NoError(t, err)
	space, err := pulumi.Prepare(".", "dev")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(here, ".kubetracing", "tools"), space.Folder("tools"))
}

func TestPrepare_leaves_originals_alone(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	for range 2 {
		space, err := pulumi.Prepare(root, "dev")
		require.NoError(t, err)
		write(t, filepath.Join(space.Directory, "Pulumi.dev.yaml"), "encryptionsalt: v1:written-by-pulumi\n"+stack)
		assert.Equal(t, project, read(t, filepath.Join(root, "Pulumi.yaml")))
		assert.Equal(t, stack, read(t, filepath.Join(root, "Pulumi.dev.yaml")))
	}
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	assert.Equal(t, []string{".kubetracing", "Pulumi.dev.yaml", "Pulumi.yaml"}, names)
}

func TestPrepare_keeps_earlier_salt(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	space, err := pulumi.Prepare(root, "dev")
	require.NoError(t, err)
	assert.Empty(t, copied(t, space).Stack.EncryptionSalt)
	write(t, filepath.Join(space.Directory, "Pulumi.dev.yaml"),
		"encryptionsalt: v1:earlier\nconfig:\n  kubetracing:cluster: {servers: 9}\n  kubetracing:verify: {enabled: false}\n")

	write(t, filepath.Join(root, "Pulumi.dev.yaml"), "config:\n  kubetracing:cluster: {servers: 3}\n")
	space, err = pulumi.Prepare(root, "dev")
	require.NoError(t, err)
	files := copied(t, space)
	assert.Equal(t, "v1:earlier", files.Stack.EncryptionSalt)
	config, err := files.Config()
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"kubetracing:cluster": `{"servers":3}`}, config)
}

func TestPrepare_salt_of_original_wins(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	space, err := pulumi.Prepare(root, "dev")
	require.NoError(t, err)
	write(t, filepath.Join(space.Directory, "Pulumi.dev.yaml"), "encryptionsalt: v1:earlier\n"+stack)
	write(t, filepath.Join(root, "Pulumi.dev.yaml"), "encryptionsalt: v1:own\n"+stack)
	space, err = pulumi.Prepare(root, "dev")
	require.NoError(t, err)
	assert.Equal(t, "v1:own", copied(t, space).Stack.EncryptionSalt)
}

func TestPrepare_salt_per_stack(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	write(t, filepath.Join(root, "Pulumi.ci.yaml"), stack)
	dev, err := pulumi.Prepare(root, "dev")
	require.NoError(t, err)
	write(t, filepath.Join(dev.Directory, "Pulumi.dev.yaml"), "encryptionsalt: v1:dev\n"+stack)
	ci, err := pulumi.Prepare(root, "ci")
	require.NoError(t, err)
	assert.Equal(t, dev.Directory, ci.Directory)
	assert.Empty(t, copied(t, ci).Stack.EncryptionSalt)
	assert.Equal(t, "v1:dev", copied(t, dev).Stack.EncryptionSalt)
}

func TestPrepare_errors(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	_, err := pulumi.Prepare(root, "other")
	require.ErrorContains(t, err, `stack "other" has no file`)
	_, err = pulumi.Prepare(t.TempDir(), "dev")
	require.ErrorContains(t, err, "read the project")
	assert.NoDirExists(t, filepath.Join(root, ".kubetracing"))
}

func TestWorkspace_Forget(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		left      string
		forgotten bool
	}{
		"no stack was ever there":        {"", true},
		"another stack is there":         {".pulumi/stacks/kubetracing/ci.json", false},
		"another project's stack too":    {".pulumi/stacks/other/dev.json", false},
		"another stack, compressed":      {".pulumi/stacks/kubetracing/ci.json.gz", false},
		"only history is left":           {".pulumi/history/kubetracing/dev/dev-1.history.json", true},
		"only an old checkpoint is left": {".pulumi/stacks/kubetracing/dev.json.bak", true},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			root := newProject(t)
			space, err := pulumi.Prepare(root, "dev")
			require.NoError(t, err)
			write(t, filepath.Join(space.Folder("tools"), "k3d"), "")
			if test.left != "" {
				write(t, filepath.Join(space.Folder("state"), test.left), "{}")
			}
			require.NoError(t, space.Forget())
			if test.forgotten {
				assert.NoDirExists(t, space.Folder("state"))
				assert.NoDirExists(t, space.Directory)
			} else {
				assert.FileExists(t, filepath.Join(space.Folder("state"), test.left))
				assert.FileExists(t, filepath.Join(space.Directory, "Pulumi.dev.yaml"))
			}
			assert.FileExists(t, filepath.Join(space.Folder("tools"), "k3d"), "tools cost a download")
			assert.Equal(t, project, read(t, filepath.Join(root, "Pulumi.yaml")))
		})
	}
}

func TestPrepare_yml(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	require.NoError(t, os.Rename(filepath.Join(root, "Pulumi.dev.yaml"), filepath.Join(root, "Pulumi.dev.yml")))
	space, err := pulumi.Prepare(root, "dev")
	require.NoError(t, err)
	// Pulumi expects the extension of the project's file.
	assert.FileExists(t, filepath.Join(space.Directory, "Pulumi.dev.yaml"))
	write(t, filepath.Join(space.Directory, "Pulumi.dev.yaml"), "config: {}\nencryptionsalt: v1:salt\n")
	require.NoError(t, space.Return())
	assert.Equal(t, "config: {}\nencryptionsalt: v1:salt\n", read(t, filepath.Join(root, "Pulumi.dev.yml")))
	assert.NoFileExists(t, filepath.Join(root, "Pulumi.dev.yaml"))
}

func TestReopen(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	_, err := pulumi.Reopen(root, "dev")
	require.ErrorContains(t, err, "read the project")
	prepared, err := pulumi.Prepare(root, "dev")
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(root, "Pulumi.dev.yaml")))
	reopened, err := pulumi.Reopen(root, "dev")
	require.NoError(t, err)
	assert.Equal(t, prepared.Directory, reopened.Directory)
	assert.Equal(t, "kubetracing", reopened.Project)
}

func TestWorkspace_LocalBackend(t *testing.T) {
	t.Parallel()
	for folder, want := range map[string]string{
		"/home/me/plain":    "file:///home/me/plain/.kubetracing/state",
		"/home/me/a #1 ?%b": "file:///home/me/a%20%231%20%3F%25b/.kubetracing/state",
	} {
		space, err := pulumi.Locate(folder, "dev")
		require.NoError(t, err)
		assert.Equal(t, want, space.LocalBackend())
	}
}

// Characters that have a meaning in a pattern are part of a folder's name.
func TestWorkspace_Forget_folder_with_brackets(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "a[b]*")
	write(t, filepath.Join(root, "Pulumi.yaml"), project)
	write(t, filepath.Join(root, "Pulumi.dev.yaml"), stack)
	space, err := pulumi.Prepare(root, "dev")
	require.NoError(t, err)
	left := filepath.Join(space.Folder("state"), ".pulumi/stacks/kubetracing/ci.json")
	write(t, left, "{}")
	require.NoError(t, space.Forget())
	assert.FileExists(t, left)
}

func TestWorkspace_WriteKubeconfig(t *testing.T) {
	t.Parallel()
	space, err := pulumi.Locate(t.TempDir(), "dev")
	require.NoError(t, err)
	path := space.KubeconfigPath()
	// Left by another tool.
	write(t, path, "old")
	require.NoError(t, os.Chmod(path, 0o644))
	require.NoError(t, space.WriteKubeconfig("client-key-data: hunter2\n"))
	assert.Equal(t, "client-key-data: hunter2\n", read(t, path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, space.RemoveKubeconfig())
	require.NoError(t, space.RemoveKubeconfig(), "there is none any more")
	assert.NoDirExists(t, filepath.Dir(path))
}

func TestWorkspace_Environment(t *testing.T) {
	space, err := pulumi.Locate("/home/me/lab", "dev")
	require.NoError(t, err)
	t.Setenv("OFFLINE", "")
	t.Setenv("KUBETRACING_MIRROR", "")
	local := []string{
		"GOGC=400",
		"PULUMI_BACKEND_URL=file:///home/me/lab/.kubetracing/state",
		"PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS=true",
		"PULUMI_HOME=/home/me/lab/.kubetracing/pulumi",
		"PULUMI_SKIP_UPDATE_CHECK=true",
		"PULUMI_CONFIG_PASSPHRASE=kubetracing",
	}
	tests := map[string]struct {
		chosen map[string]string
		want   []string
		remote bool
	}{
		"nothing chosen": {want: local},
		"set but empty": {
			chosen: map[string]string{"PULUMI_BACKEND_URL": "", "PULUMI_HOME": "", "GOGC": "", "PULUMI_CONFIG_PASSPHRASE_FILE": ""}, want: local,
		},
		"everything chosen": {
			chosen: map[string]string{
				"GOGC": "100", "PULUMI_BACKEND_URL": "s3://bucket", "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "false",
				"PULUMI_HOME": "/home/me/.pulumi", "PULUMI_SKIP_UPDATE_CHECK": "false", "PULUMI_CONFIG_PASSPHRASE": "x",
			},
			remote: true,
		},
		"an empty passphrase is a choice": {chosen: map[string]string{"PULUMI_CONFIG_PASSPHRASE": ""}, want: local[:5]},
		"a passphrase in a file":          {chosen: map[string]string{"PULUMI_CONFIG_PASSPHRASE_FILE": "/run/secrets/passphrase"}, want: local[:5]},
		"the local backend by its own name": {
			chosen: map[string]string{"PULUMI_BACKEND_URL": "file:///home/me/lab/.kubetracing/state"}, want: append([]string{local[0]}, local[2:]...),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			lookup := func(name string) (string, bool) {
				value, chosen := test.chosen[name]
				return value, chosen
			}
			assert.Equal(t, test.want, space.Environment(lookup))
			assert.Equal(t, !test.remote, space.UsesLocalBackend(lookup))
		})
	}
	nothing := func(string) (string, bool) { return "", false }
	t.Setenv("OFFLINE", "true")
	assert.Contains(t, space.Environment(nothing), "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true")
	t.Setenv("KUBETRACING_MIRROR", "https://mirror.example/files/")
	assert.Contains(t, space.Environment(nothing), "PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES=.*=https://mirror.example/files/get.pulumi.com/releases/plugins")
}
