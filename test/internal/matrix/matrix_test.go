package matrix

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of docs/matrix.md anew")

const (
	dataPath = "../../matrix.json"
	docsPath = "../../../docs/matrix.md"
	begin    = "<!-- Written by `make docs` from test/matrix.json; a test fails while the two differ. -->\n"
	end      = "<!-- The end of what the runs wrote. -->\n"
)

// TestRender_Reference keeps the page from saying anything that no run wrote.
func TestRender_Reference(t *testing.T) {
	t.Parallel()
	runs, err := Read(dataPath)
	require.NoError(t, err)
	text, err := os.ReadFile(docsPath)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found)
	got, after, found := strings.Cut(rest, end)
	require.True(t, found)
	want := Render(runs)
	if *update {
		require.NoError(t, os.WriteFile(docsPath, []byte(before+begin+want+end+after), 0o644)) //nolint:gosec // it is for everyone to read
		got = want
	}
	assert.Equal(t, want, got, "if this is meant: make docs")
}

var lifecycle = Run{
	Suite: "make e2e", Test: "TestLifecycle", Kubernetes: "v1.37.1+k3s1", Runtime: "containerd 2.3.5", Nodes: "1 server",
	K3d: "5.9.0", Docker: "28.2.2", Cgroup: "2", Date: "2026-11-25", Passed: true, Seconds: 181,
}

func TestAdd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "matrix.json")
	older, crio, changes := lifecycle, lifecycle, lifecycle
	older.Date, older.Passed = "2026-11-01", false
	crio.Runtime = "cri-o 1.36.3"
	changes.Test = "TestChanges"
	for _, run := range []Run{crio, older, changes, lifecycle} {
		require.NoError(t, Add(path, run))
	}
	runs, err := Read(path)
	require.NoError(t, err)
	assert.Equal(t, []Run{changes, lifecycle, crio}, runs, "the newer run of the same test on the same cluster replaces the older")
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1)

	require.NoError(t, os.WriteFile(path, []byte("[{]"), 0o600))
	require.ErrorContains(t, Add(path, lifecycle), "read runs: "+path)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "[{]", string(text), "a broken file is left alone")
}

func TestRender(t *testing.T) {
	t.Parallel()
	failed := Run{
		Suite: "make faults", Test: "TestFaults", K3d: "5.8.3", Docker: "20.10.24", Cgroup: "1", Date: "2026-11-24", Seconds: 42,
	}
	assert.Equal(t, `
| suite | test | Kubernetes | runtime | nodes | k3d | Docker | cgroup | date | result |
|---|---|---|---|---|---|---|---|---|---|
| `+"`make e2e` | TestLifecycle | `v1.37.1+k3s1`"+` | containerd 2.3.5 | 1 server | 5.9.0 | 28.2.2 | v2 | 2026-11-25 | passed in 3m1s |
| `+"`make faults`"+` | TestFaults | - | - | - | 5.8.3 | 20.10.24 | v1 | 2026-11-24 | failed in 42s |

`, Render([]Run{lifecycle, failed}))
	assert.Equal(t, "\nNo run is recorded.\n\n", Render(nil))
}

func TestRun_Describe(t *testing.T) {
	t.Parallel()
	node := func(role, runtime string) string {
		return `{"metadata": {"labels": {` + role + `}}, "status": {"nodeInfo": {"kubeletVersion": "v1.36.3+k3s1",
			"containerRuntimeVersion": "` + runtime + `"}}}`
	}
	const server = `"node-role.kubernetes.io/control-plane": "true"`
	for nodes, want := range map[string]Run{
		node(server, "containerd://2.3.4"): {Kubernetes: "v1.36.3+k3s1", Runtime: "containerd 2.3.4", Nodes: "1 server"},
		node(server, "containerd://v2.3.4-k3s1") + "," + node(server, "") + "," + node("", ""): {
			Kubernetes: "v1.36.3+k3s1", Runtime: "containerd 2.3.4-k3s1", Nodes: "2 servers, 1 agent",
		},
		node(server, "cri-o://1.36.3") + "," + node("", "") + "," + node("", ""): {
			Kubernetes: "v1.36.3+k3s1", Runtime: "cri-o 1.36.3", Nodes: "1 server, 2 agents",
		},
	} {
		var run Run
		require.NoError(t, run.describe([]byte(`{"items": [`+nodes+`]}`)))
		assert.Equal(t, want, run)
	}
	require.ErrorContains(t, (&Run{}).describe([]byte(`{"items": []}`)), "there are no nodes")
	require.ErrorContains(t, (&Run{}).describe([]byte("Error")), "read the nodes: ")
}

// fakes puts docker and k3d on PATH.
func fakes(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	for name, script := range map[string]string{
		"docker": `case "$*" in
"version --format {{.Server.Version}}") echo 28.2.2;;
"info --format {{.CgroupVersion}}") echo 2;;
"exec k3d-a-server-0 kubectl get nodes --output json") echo '{"items": [{"metadata": {"labels": {"node-role.kubernetes.io/control-plane": "true"}}, "status": {"nodeInfo": {"kubeletVersion": "v1.37.1+k3s1", "containerRuntimeVersion": "containerd://2.3.5"}}}]}';;
*) echo "unexpected: $*" >&2; exit 1;; esac`,
		"k3d": `echo "k3d version v5.9.0"; echo "k3s version v1.35.5-k3s1 (default)"`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755)) //nolint:gosec // it must run
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
}

func TestRecord(t *testing.T) {
	fakes(t)
	path := filepath.Join(t.TempDir(), "matrix.json")
	t.Setenv(Variable, path)
	t.Run("passes", func(t *testing.T) {
		r := Record(t, "make e2e")
		r.Observe("k3d-a-server-0")
		r.Observe("k3d-of-a-later-cluster")
	})
	t.Run("is skipped", func(t *testing.T) {
		Record(t, "make e2e")
		t.Skip()
	})
	runs, err := Read(path)
	require.NoError(t, err)
	require.Len(t, runs, 1)
	assert.Regexp(t, `^\d{4}-\d\d-\d\d$`, runs[0].Date)
	runs[0].Date = ""
	assert.Equal(t, Run{
		Suite: "make e2e", Test: "TestRecord/passes", Kubernetes: "v1.37.1+k3s1", Runtime: "containerd 2.3.5", Nodes: "1 server",
		K3d: "5.9.0", Docker: "28.2.2", Cgroup: "2", Passed: true,
	}, runs[0])
}

// failing is a test that fails, without failing this one.
type failing struct {
	testing.TB
	cleanups []func()
}

func (f *failing) Failed() bool      { return true }
func (f *failing) Skipped() bool     { return false }
func (f *failing) Name() string      { return "TestFailing" }
func (f *failing) Helper()           {}
func (f *failing) Cleanup(do func()) { f.cleanups = append(f.cleanups, do) }

func TestRecord_Failure(t *testing.T) {
	fakes(t)
	path := filepath.Join(t.TempDir(), "matrix.json")
	t.Setenv(Variable, path)
	f := &failing{TB: t}
	Record(f, "make faults")
	require.Len(t, f.cleanups, 1)
	f.cleanups[0]()
	runs, err := Read(path)
	require.NoError(t, err)
	require.Len(t, runs, 1)
	assert.False(t, runs[0].Passed)
	assert.Equal(t, "TestFailing", runs[0].Test)
	assert.Empty(t, runs[0].Kubernetes, "a cluster that never came up")
}

// Without the variable a suite asks nothing and writes nothing.
func TestRecord_NotAsked(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv(Variable, "")
	f := &failing{TB: t}
	Record(f, "make e2e").Observe("k3d-a-server-0")
	assert.Empty(t, f.cleanups)

	t.Setenv(Variable, "matrix.json")
	_, err := destination()
	require.EqualError(t, err, `KUBETRACING_MATRIX: "matrix.json": must be an absolute path`)
}
