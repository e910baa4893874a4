package cli_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const tracedOutputs = `{
  "clusterName": "kubetracing-dev",
  "jaegerUrl": "JAEGER",
  "kubeconfig": "client-key-data: hunter2\n",
  "services": {"apiserver": 46},
  "traces": {"echo": "JAEGER/trace/0af7", "churn": "JAEGER/trace/1bf7"}
}`

// up runs an update of a stack with outputs, whose Jaeger has lost one of two traces.
func (m machine) up(t *testing.T, arguments ...string) outcome {
	t.Helper()
	jaeger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v3/traces/0af7" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(jaeger.Close)
	m.write(t, filepath.Join(m.folder, "outputs.json"), strings.ReplaceAll(tracedOutputs, "JAEGER", jaeger.URL))
	got := m.run(t, append([]string{"up"}, arguments...)...)
	require.Zero(t, got.code, got.stderr)
	got.stdout = strings.ReplaceAll(got.stdout, jaeger.URL, "JAEGER")
	return got
}

func TestAnUpdateEndsWithWhereToLook(t *testing.T) {
	m := newMachine(t)
	got := m.up(t)
	assert.Equal(t, "pulumi's output\n"+`
Jaeger    JAEGER
trace     gone with an earlier Jaeger's store  (churn)
trace     JAEGER/trace/0af7  (echo)
kubectl   eval "$(make --silent env)" && kubectl get pods --all-namespaces
`, got.stdout)
	assert.NotContains(t, got.stdout+got.stderr, "hunter2")

	m.write(t, filepath.Join(m.root, "Pulumi.ci.yaml"), "config: {}\n")
	assert.Contains(t, m.up(t, "--stack", "ci").stdout, `eval "$(make --silent env STACK=ci)"`)
}

func TestALinkThatCannotBeCheckedIsShown(t *testing.T) {
	m := newMachine(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	m.write(t, filepath.Join(m.folder, "outputs.json"), strings.ReplaceAll(tracedOutputs, "JAEGER", gone.URL))
	got := m.run(t, "up")
	require.Zero(t, got.code, got.stderr)
	assert.Contains(t, got.stdout, "trace     "+gone.URL+"/trace/1bf7  (churn)\n")
}

func TestTheKubeconfigIsItsUsersOnly(t *testing.T) {
	m := newMachine(t)
	path := filepath.Join(m.root, ".kubetracing", "kubeconfig", "dev.yaml")
	// Left by someone with other habits.
	m.write(t, path, "old")
	require.NoError(t, os.Chmod(path, 0o644))

	m.up(t)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "client-key-data: hunter2\n", string(content))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	m.withStack(t, "dev")
	require.Zero(t, m.run(t, "destroy").code)
	assert.NoDirExists(t, filepath.Dir(path), "the cluster is gone")
}

func TestAnUpdateThatLeftTheClusterOutHasNothingToTell(t *testing.T) {
	m := newMachine(t)
	got := m.run(t, "up")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, "pulumi's output\n", got.stdout)
	assert.NoDirExists(t, filepath.Join(m.root, ".kubetracing", "kubeconfig"))
}

func TestOutputsThatCannotBeReadAreNotShown(t *testing.T) {
	m := newMachine(t)
	m.write(t, filepath.Join(m.folder, "outputs.json"), `{"kubeconfig": "hunter2`)
	got := m.run(t, "up")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "kubetracing: read what pulumi stack output says: it is not JSON")
	assert.NotContains(t, got.stderr, "hunter2")
}

// evaluated gives what a shell knows after it has evaluated what env prints.
func evaluated(t *testing.T, printed, expression string) string {
	t.Helper()
	command := exec.Command("/bin/sh", "-c", `eval "$1"; eval "$2"`, "sh", printed, expression)
	output, err := command.Output()
	require.NoError(t, err)
	return string(output)
}

func TestEnvPointsKubectlAtTheCluster(t *testing.T) {
	m := newMachine(t)
	kubeconfig := filepath.Join(m.root, ".kubetracing", "kubeconfig", "dev.yaml")
	got := m.run(t, "env")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "kubetracing: stack \"dev\" has no kubeconfig yet: run `make up` first")
	assert.Empty(t, got.stdout, "nothing to evaluate by mistake")

	m.up(t)
	got = m.run(t, "env")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, kubeconfig, evaluated(t, got.stdout, `printf %s "$KUBECONFIG"`))
	assert.NotContains(t, got.stdout, "PATH=", "there is a kubectl on PATH")

	require.NoError(t, os.Remove(filepath.Join(m.folder, "bin", "kubectl")))
	t.Setenv("PATH", filepath.Join(m.folder, "bin"))
	got = m.run(t, "env")
	require.Zero(t, got.code, got.stderr)
	assert.Regexp(t, `^`+m.root+`/\.kubetracing/tools/kubectl-[0-9.]+:.+`, evaluated(t, got.stdout, `printf %s "$PATH"`))
}

func TestEnvSurvivesAFolderWithAQuote(t *testing.T) {
	m := newMachine(t)
	odd := filepath.Join(t.TempDir(), "it's a folder")
	require.NoError(t, os.Rename(m.root, odd))
	m.root = odd
	m.up(t)
	got := m.run(t, "env")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, filepath.Join(odd, ".kubetracing", "kubeconfig", "dev.yaml"), evaluated(t, got.stdout, `printf %s "$KUBECONFIG"`))
}

func TestTheMatrixIsWhatIsSupported(t *testing.T) {
	got := run(t, "", "matrix")
	require.Zero(t, got.code, got.stderr)
	assert.Regexp(t, `^\{"include":\[\{"kubernetes":"1\.25","runtime":"containerd","oci":"runc"\},\{"kubernetes":"1\.26",.*\]\}\n$`, got.stdout)
}
