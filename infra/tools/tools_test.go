package tools_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/infra/tools"
)

// mirror serves files by path and counts what is asked for. A path can first
// answer with other status codes.
type mirror struct {
	files map[string][]byte
	first map[string][]int

	mu    sync.Mutex
	asked []string
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, r.URL.Path)
	if codes := m.first[r.URL.Path]; len(codes) > 0 {
		m.first[r.URL.Path] = codes[1:]
		w.WriteHeader(codes[0])
		return
	}
	content, ok := m.files[r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if _, err := w.Write(content); err != nil {
		panic(err)
	}
}

func (m *mirror) requests() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.asked)
}

// start makes the mirror the one that this process uses, on a PATH with nothing.
func (m *mirror) start(t *testing.T) {
	t.Helper()
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	t.Setenv(tools.MirrorVariable, server.URL+"/mirror/")
	t.Setenv("PATH", t.TempDir())
	t.Setenv("OFFLINE", "")
}

// putOnPath puts a command on a PATH of its own.
func putOnPath(t *testing.T, name, body string) {
	t.Helper()
	folder := t.TempDir()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755))
	t.Setenv("PATH", folder)
}

func sumOf(content []byte) map[string]string {
	sum := sha256.Sum256(content)
	return map[string]string{runtime.GOOS + "/" + runtime.GOARCH: hex.EncodeToString(sum[:])}
}

func archive(t *testing.T, names ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	writer := tar.NewWriter(compressed)
	for _, name := range names {
		content := []byte("content of " + name)
		require.NoError(t, writer.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))}))
		_, err := writer.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	require.NoError(t, compressed.Close())
	return out.Bytes()
}

// contents returns the files below a folder, with their contents.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		found[name] = string(content)
		return err
	}))
	return found
}

var binary = []byte("#!/bin/sh\nexit 0\n")

const (
	k3dURL  = "https://github.example/k3d/v5/k3d-linux"
	k3dPath = "/mirror/github.example/k3d/v5/k3d-linux"
)

func k3d() tools.Tool {
	return tools.Tool{Name: "k3d", Version: "5.8.3", Minimum: "5.8.3", VersionArgs: []string{"version"}, URL: k3dURL, SHA256: sumOf(binary)}
}

func TestEnsure_downloads_missing_binary_once(t *testing.T) {
	served := &mirror{files: map[string][]byte{k3dPath: binary}}
	served.start(t)
	folder := filepath.Join(t.TempDir(), "not", "there", "yet")
	var log bytes.Buffer

	folders, err := tools.Ensure(t.Context(), folder, []tools.Tool{k3d()}, &log)
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(folder, "k3d-5.8.3")}, folders)
	assert.Equal(t, "kubetracing: downloading k3d 5.8.3\n", log.String())
	assert.Equal(t, map[string]string{"k3d-5.8.3/k3d": string(binary)}, contents(t, folder))
	for _, path := range []string{"k3d-5.8.3", "k3d-5.8.3/k3d"} {
		info, err := os.Stat(filepath.Join(folder, path))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o755), info.Mode().Perm(), path)
	}

	log.Reset()
	again, err := tools.Ensure(t.Context(), folder, []tools.Tool{k3d()}, &log)
	require.NoError(t, err)
	assert.Equal(t, folders, again)
	assert.Empty(t, log.String())
	assert.Equal(t, []string{k3dPath}, served.requests())

	t.Setenv("OFFLINE", "1")
	again, err = tools.Ensure(t.Context(), folder, []tools.Tool{k3d()}, &log)
	require.NoError(t, err, "what is there needs no download")
	assert.Equal(t, folders, again)
}

func TestEnsure_keeps_members_of_archive(t *testing.T) {
	release := archive(t, "pulumi/README", "pulumi/pulumi-language-go", "pulumi/pulumi-watch", "pulumi/pulumi", "other/pulumi")
	(&mirror{files: map[string][]byte{"/mirror/get.example/pulumi.tar.gz": release}}).start(t)
	folder := t.TempDir()
	folders, err := tools.Ensure(t.Context(), folder, []tools.Tool{{
		Name: "pulumi", Version: "3.259.0", URL: "https://get.example/pulumi.tar.gz", SHA256: sumOf(release),
		Members: []string{"pulumi/pulumi", "pulumi/pulumi-language-go"},
	}}, &bytes.Buffer{})
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(folder, "pulumi-3.259.0")}, folders)
	assert.Equal(t, map[string]string{
		"pulumi-3.259.0/pulumi":             "content of pulumi/pulumi",
		"pulumi-3.259.0/pulumi-language-go": "content of pulumi/pulumi-language-go",
	}, contents(t, folder))
	info, err := os.Stat(filepath.Join(folders[0], "pulumi"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o755), info.Mode().Perm(), "regardless of the archive")
}

func TestEnsure_failed_download_leaves_nothing_behind(t *testing.T) {
	release := archive(t, "pulumi/README")
	wrong := strings.Repeat("0", 64)
	notArchive := []byte("<html>an error page</html>")
	tests := map[string]struct {
		tool tools.Tool
		want []string
	}{
		"a wrong checksum, with both sums": {
			tools.Tool{Name: "k3d", Version: "1", URL: k3dURL, SHA256: map[string]string{runtime.GOOS + "/" + runtime.GOARCH: wrong}},
			[]string{"install k3d 1: download http", "the checksum is " + sumOf(binary)[runtime.GOOS+"/"+runtime.GOARCH] + ", it should be " + wrong},
		},
		"an archive without the member, which is named": {
			tools.Tool{
				Name: "pulumi", Version: "1", URL: "https://get.example/pulumi.tar.gz", SHA256: sumOf(release),
				Members: []string{"pulumi/README", "pulumi/pulumi"},
			},
			[]string{`install pulumi 1: read archive: it has no ["pulumi/pulumi"]`},
		},
		"a file that is not an archive": {
			tools.Tool{
				Name: "pulumi", Version: "1", URL: "https://get.example/page", SHA256: sumOf(notArchive), Members: []string{"pulumi/pulumi"},
			},
			[]string{"install pulumi 1: read archive: gzip: invalid header"},
		},
		"an unknown platform": {
			tools.Tool{Name: "k3d", Version: "1", URL: k3dURL, SHA256: map[string]string{"plan9/mips": wrong}},
			[]string{"install k3d 1: no release is known for " + runtime.GOOS + "/" + runtime.GOARCH},
		},
		"a release that is not there": {
			tools.Tool{Name: "k3d", Version: "1", URL: "https://get.example/gone", SHA256: sumOf(binary)},
			[]string{"install k3d 1: download http", "/mirror/get.example/gone: 404 Not Found"},
		},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			served := &mirror{files: map[string][]byte{
				k3dPath: binary, "/mirror/get.example/pulumi.tar.gz": release, "/mirror/get.example/page": notArchive,
			}}
			served.start(t)
			folder := t.TempDir()
			folders, err := tools.Ensure(t.Context(), folder, []tools.Tool{test.tool}, &bytes.Buffer{})
			for _, want := range test.want {
				require.ErrorContains(t, err, want)
			}
			assert.Empty(t, folders)
			left, err := os.ReadDir(folder)
			require.NoError(t, err)
			assert.Empty(t, left)
			assert.LessOrEqual(t, len(served.requests()), 1, "asking again would return the same")
		})
	}
}

func TestEnsure_retries_busy_server(t *testing.T) {
	for _, codes := range [][]int{
		{http.StatusServiceUnavailable, http.StatusServiceUnavailable},
		{http.StatusTooManyRequests},
	} {
		t.Run(http.StatusText(codes[0]), func(t *testing.T) {
			served := &mirror{files: map[string][]byte{k3dPath: binary}, first: map[string][]int{k3dPath: codes}}
			served.start(t)
			folder := t.TempDir()
			want := len(codes) + 1
			_, err := tools.Ensure(t.Context(), folder, []tools.Tool{k3d()}, &bytes.Buffer{})
			require.NoError(t, err)
			assert.Len(t, served.requests(), want)
			assert.Equal(t, map[string]string{"k3d-5.8.3/k3d": string(binary)}, contents(t, folder))
		})
	}
}

func TestEnsure_offline(t *testing.T) {
	served := &mirror{files: map[string][]byte{k3dPath: binary}}
	served.start(t)
	folder := t.TempDir()
	kubectl := tools.Tool{Name: "kubectl", Version: "1.36.4", URL: "https://dl.example/kubectl", SHA256: sumOf(binary)}
	for _, value := range []string{"1", "true", "TRUE", "yes", "on"} {
		t.Setenv("OFFLINE", value)
		_, err := tools.Ensure(t.Context(), folder, []tools.Tool{k3d(), kubectl}, &bytes.Buffer{})
		require.EqualError(t, err, "k3d is not on PATH and OFFLINE forbids downloading it: install k3d 5.8.3\n"+
			"kubectl is not on PATH and OFFLINE forbids downloading it: install kubectl 1.36.4", value)
	}
	assert.Empty(t, served.requests())
	assert.Empty(t, contents(t, folder))
}

func TestEnsure_reports_every_failed_download(t *testing.T) {
	(&mirror{files: map[string][]byte{k3dPath: binary}}).start(t)
	folder := t.TempDir()
	gone := func(name string) tools.Tool {
		return tools.Tool{Name: name, Version: "1", URL: "https://dl.example/" + name, SHA256: sumOf(binary)}
	}
	folders, err := tools.Ensure(t.Context(), folder, []tools.Tool{gone("one"), k3d(), gone("two")}, &bytes.Buffer{})
	require.ErrorContains(t, err, "install one 1: ")
	require.ErrorContains(t, err, "install two 1: ")
	assert.Equal(t, []string{filepath.Join(folder, "k3d-5.8.3")}, folders)
}

func TestEnsure_tool_on_path(t *testing.T) {
	tests := map[string]struct {
		script string
		used   bool
	}{
		"that is new enough is used":         {"echo 'k3d version v5.8.3'", true},
		"that is newer is used":              {"echo 'k3d version v6.1.0'; echo 'k3s version v1.21.7-k3s1 (default)'", true},
		"that is too old is not":             {"echo 'k3d version v5.8.2'", false},
		"that does not run is not":           {"exit 1", false},
		"that prints no version is used":     {"echo 'k3d version dev'", true},
		"that was built from source is used": {"echo 'k3d version v5-dev'; echo 'k3s version v1.21.7-k3s1 (default)'", true},
		"is asked with its own arguments":    {`[ "$*" = version ] && echo v5.8.3 || echo v1.0.0`, true},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			served := &mirror{files: map[string][]byte{k3dPath: binary}}
			served.start(t)
			putOnPath(t, "k3d", test.script)
			folders, err := tools.Ensure(t.Context(), t.TempDir(), []tools.Tool{k3d()}, &bytes.Buffer{})
			require.NoError(t, err)
			assert.Equal(t, test.used, len(folders) == 0, "folders %v", folders)
			assert.Equal(t, test.used, len(served.requests()) == 0, "downloads %v", served.requests())
		})
	}
	t.Run("of any version is used where any will do", func(t *testing.T) {
		served := &mirror{}
		served.start(t)
		putOnPath(t, "kubectl", "exit 1")
		folders, err := tools.Ensure(t.Context(), t.TempDir(), []tools.Tool{{Name: "kubectl", Version: "1.36.4"}}, &bytes.Buffer{})
		require.NoError(t, err)
		assert.Empty(t, folders)
		assert.Empty(t, served.requests())
	})
}

func TestPinned(t *testing.T) {
	t.Parallel()
	platforms := []string{"darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64"}
	var names []string
	sums := map[string]string{}
	for _, tool := range tools.Pinned() {
		names = append(names, tool.Name)
		assert.True(t, strings.HasPrefix(tool.URL, "https://"), tool.URL)
		assert.Contains(t, tool.URL, "v"+tool.Version, "what is downloaded is what is pinned")
		assert.Regexp(t, `^\d+\.\d+\.\d+$`, tool.Version)
		assert.Len(t, tool.SHA256, len(platforms), tool.Name)
		for _, platform := range platforms {
			assert.Regexp(t, `^[0-9a-f]{64}$`, tool.SHA256[platform], "%s on %s", tool.Name, platform)
			assert.Empty(t, sums[tool.SHA256[platform]], "%s on %s has the checksum of another", tool.Name, platform)
			sums[tool.SHA256[platform]] = tool.Name
		}
		if tool.Minimum != "" {
			assert.NotEmpty(t, tool.VersionArgs, "%s: a minimum needs a version to compare", tool.Name)
		}
		if strings.HasSuffix(tool.URL, ".tar.gz") {
			assert.True(t, slices.ContainsFunc(tool.Members, func(member string) bool { return filepath.Base(member) == tool.Name }), tool.Name)
		} else {
			assert.Empty(t, tool.Members, tool.Name)
		}
	}
	assert.Equal(t, []string{"pulumi", "k3d", "kubectl"}, names)
}

func TestOffline_off(t *testing.T) {
	for _, value := range []string{"", "0", "false", "No", "off"} {
		t.Setenv("OFFLINE", value)
		assert.False(t, tools.Offline(), value)
	}
}

func TestEnsure_incomplete_tool_on_path(t *testing.T) {
	served := &mirror{files: map[string][]byte{k3dPath: binary}}
	served.start(t)
	putOnPath(t, "k3d", "echo v5.8.3")
	tool := k3d()
	tool.Companions = []string{"k3d-helper"}
	onPath := tool.OnPath(t.Context())
	require.EqualError(t, onPath, "k3d on PATH is incomplete, without k3d-helper,")
	folders, err := tools.Ensure(t.Context(), t.TempDir(), []tools.Tool{tool}, &bytes.Buffer{})
	require.NoError(t, err)
	assert.Len(t, folders, 1, "the pinned one is installed")
	assert.Equal(t, []string{k3dPath}, served.requests())
}

func TestTool_OnPath_companion_beside_linked_binary(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"k3d", "k3d-helper"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\necho v5.8.3\n"), 0o755))
	}
	linked := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(folder, "k3d"), filepath.Join(linked, "k3d")))
	t.Setenv("PATH", linked)
	tool := k3d()
	tool.Companions = []string{"k3d-helper"}
	assert.NoError(t, tool.OnPath(t.Context()))
}

// The server lets every run finish its download before any may go on.
func TestEnsure_two_first_runs_side_by_side(t *testing.T) {
	const runs = 3
	var arrived sync.WaitGroup
	arrived.Add(runs)
	served := &mirror{files: map[string][]byte{k3dPath: binary}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Done()
		arrived.Wait()
		served.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Setenv(tools.MirrorVariable, server.URL+"/mirror/")
	t.Setenv("PATH", t.TempDir())
	t.Setenv("OFFLINE", "")
	folder := t.TempDir()
	var group sync.WaitGroup
	errs := make([]error, runs)
	for i := range runs {
		group.Go(func() { _, errs[i] = tools.Ensure(t.Context(), folder, []tools.Tool{k3d()}, &bytes.Buffer{}) })
	}
	group.Wait()
	assert.Equal(t, make([]error, runs), errs)
	assert.Equal(t, map[string]string{"k3d-5.8.3/k3d": string(binary)}, contents(t, folder))
}

func TestK3dImages(t *testing.T) {
	const toolbox, proxy = "ghcr.io/k3d-io/k3d-tools:", "ghcr.io/k3d-io/k3d-proxy:"
	pinned := tracing.K3dRelease
	for name, test := range map[string]struct {
		// printed is what the k3d on PATH prints; empty means that there is none.
		printed     string
		environment map[string]string
		balanced    bool
		want        []string
	}{
		"of the pinned release where none is on PATH": {want: []string{toolbox + pinned}},
		"of several servers":                          {balanced: true, want: []string{toolbox + pinned, proxy + pinned}},
		"of the release on PATH":                      {printed: "k3d version v5.9.1", balanced: true, want: []string{toolbox + "5.9.1", proxy + "5.9.1"}},
		"of the pinned release where that on PATH is too old": {
			printed: "k3d version v5.0.0", want: []string{toolbox + pinned},
		},
		"of a k3d that prints no release": {printed: "k3d version v5-dev", want: []string{toolbox + pinned}},
		"with the tag that the environment chooses": {
			environment: map[string]string{"K3D_HELPER_IMAGE_TAG": "mine"}, balanced: true, want: []string{toolbox + "mine", proxy + "mine"},
		},
		"that the environment chooses": {
			environment: map[string]string{"K3D_IMAGE_TOOLS": "a:1", "K3D_IMAGE_LOADBALANCER": "b:2", "K3D_HELPER_IMAGE_TAG": "mine"},
			balanced:    true, want: []string{"a:1", "b:2"},
		},
		"but for an empty variable": {environment: map[string]string{"K3D_IMAGE_TOOLS": ""}, want: []string{toolbox + pinned}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"K3D_IMAGE_TOOLS", "K3D_IMAGE_LOADBALANCER", "K3D_HELPER_IMAGE_TAG"} {
				t.Setenv(variable, test.environment[variable])
			}
			if test.printed == "" {
				t.Setenv("PATH", t.TempDir())
			} else {
				putOnPath(t, "k3d", "echo '"+test.printed+"'")
			}
			assert.Equal(t, test.want, tools.K3dImages(t.Context(), test.balanced))
		})
	}
}
