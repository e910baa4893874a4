package workspace_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/workspace"
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

// newProject is a project's folder with one stack.
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
func copied(t *testing.T, space workspace.Workspace) stacks.Files {
	t.Helper()
	files, err := stacks.ReadFiles(space.Directory, space.Stack)
	require.NoError(t, err)
	return files
}

func TestPulumiWorksOnCopies(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	space, err := workspace.Prepare(root, "dev")
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
	assert.Equal(t, original.Project.Runtime, files.Project.Runtime)
	assert.Equal(t, original.Project.Config, files.Project.Config)
	assert.Equal(t, original.Project.Name, files.Project.Name)
	want, err := original.Config()
	require.NoError(t, err)
	got, err := files.Config()
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.JSONEq(t, `{"servers":1}`, got["kubetracing:cluster"])
}

func TestARelativeRootGivesAbsoluteFolders(t *testing.T) {
	t.Chdir(newProject(t))
	here, err := os.Getwd()
	require.NoError(t, err)
	space, err := workspace.Prepare(".", "dev")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(here, ".kubetracing", "tools"), space.Folder("tools"))
}

func TestTheOriginalsNeverChange(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	for range 2 {
		space, err := workspace.Prepare(root, "dev")
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

func TestASaltOfAnEarlierRunStaysAndEverythingElseIsNew(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	space, err := workspace.Prepare(root, "dev")
	require.NoError(t, err)
	assert.Empty(t, copied(t, space).Stack.EncryptionSalt)
	write(t, filepath.Join(space.Directory, "Pulumi.dev.yaml"),
		"encryptionsalt: v1:earlier\nconfig:\n  kubetracing:cluster: {servers: 9}\n  kubetracing:verify: {enabled: false}\n")

	write(t, filepath.Join(root, "Pulumi.dev.yaml"), "config:\n  kubetracing:cluster: {servers: 3}\n")
	space, err = workspace.Prepare(root, "dev")
	require.NoError(t, err)
	files := copied(t, space)
	assert.Equal(t, "v1:earlier", files.Stack.EncryptionSalt)
	config, err := files.Config()
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"kubetracing:cluster": `{"servers":3}`}, config)
}

func TestTheOriginalsOwnSaltWins(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	space, err := workspace.Prepare(root, "dev")
	require.NoError(t, err)
	write(t, filepath.Join(space.Directory, "Pulumi.dev.yaml"), "encryptionsalt: v1:earlier\n"+stack)
	write(t, filepath.Join(root, "Pulumi.dev.yaml"), "encryptionsalt: v1:own\n"+stack)
	space, err = workspace.Prepare(root, "dev")
	require.NoError(t, err)
	assert.Equal(t, "v1:own", copied(t, space).Stack.EncryptionSalt)
}

func TestEveryStackHasASaltOfItsOwn(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	write(t, filepath.Join(root, "Pulumi.ci.yaml"), stack)
	dev, err := workspace.Prepare(root, "dev")
	require.NoError(t, err)
	write(t, filepath.Join(dev.Directory, "Pulumi.dev.yaml"), "encryptionsalt: v1:dev\n"+stack)
	ci, err := workspace.Prepare(root, "ci")
	require.NoError(t, err)
	assert.Equal(t, dev.Directory, ci.Directory)
	assert.Empty(t, copied(t, ci).Stack.EncryptionSalt)
	assert.Equal(t, "v1:dev", copied(t, dev).Stack.EncryptionSalt)
}

func TestWhatCannotBePrepared(t *testing.T) {
	t.Parallel()
	root := newProject(t)
	_, err := workspace.Prepare(root, "other")
	require.ErrorContains(t, err, `stack "other" has no file`)
	_, err = workspace.Prepare(t.TempDir(), "dev")
	require.ErrorContains(t, err, "read the project")
	assert.NoDirExists(t, filepath.Join(root, ".kubetracing"))
}

func TestStateIsForgottenOnceNoStackIsLeft(t *testing.T) {
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
			space, err := workspace.Prepare(root, "dev")
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

func TestALockIsAbandonedWhenItsProcessHasEnded(t *testing.T) {
	host, err := os.Hostname()
	require.NoError(t, err)
	ended := exec.Command("true")
	require.NoError(t, ended.Run())
	lock := func(pid int, host string) string { return fmt.Sprintf(`{"pid":%d,"hostname":%q}`, pid, host) }
	tests := map[string]struct {
		locks []string
		want  bool
	}{
		"no lock":                        {nil, false},
		"of a process that has ended":    {[]string{lock(ended.Process.Pid, host)}, true},
		"of a process that runs":         {[]string{lock(os.Getpid(), host)}, false},
		"of init, whose owner is root":   {[]string{lock(1, host)}, false},
		"of another machine":             {[]string{lock(ended.Process.Pid, "elsewhere")}, false},
		"of two, one of which has ended": {[]string{lock(ended.Process.Pid, host), lock(os.Getpid(), host)}, false},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			space, err := workspace.Locate(t.TempDir(), "dev")
			require.NoError(t, err)
			folder := filepath.Join(space.Folder("state"), ".pulumi/locks/organization/kubetracing/dev")
			require.NoError(t, os.MkdirAll(folder, 0o700))
			for i, text := range test.locks {
				require.NoError(t, os.WriteFile(filepath.Join(folder, fmt.Sprint(i)+".json"), []byte(text), 0o600))
			}
			got, err := space.Abandoned("kubetracing")
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

func TestALockThatCannotBeReadIsAnError(t *testing.T) {
	space, err := workspace.Locate(t.TempDir(), "dev")
	require.NoError(t, err)
	folder := filepath.Join(space.Folder("state"), ".pulumi/locks/organization/kubetracing/dev")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "one.json"), []byte("{"), 0o600))
	_, err = space.Abandoned("kubetracing")
	assert.ErrorContains(t, err, "read lock ")
}
