package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const project = "../.."

// internet is a server that plays every host.
type internet struct {
	// pages are the bodies by address without its scheme.
	pages map[string]string
	// digests are those of images by host/repository:tag.
	digests map[string]string

	mu    sync.Mutex
	asked []string
}

// sum returns a digest that depends on a name.
func sum(name string) string {
	digest := sha256.Sum256([]byte(name))
	return hex.EncodeToString(digest[:])
}

func (i *internet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.Header.Get("X-Host")
	address := host + r.URL.RequestURI()
	i.mu.Lock()
	i.asked = append(i.asked, r.Method+" "+address)
	i.mu.Unlock()
	if path, registry := strings.CutPrefix(r.URL.Path, "/v2/"); registry {
		if r.Header.Get("Authorization") != "Bearer for-anybody" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://auth.test/token",service="registry",scope="repository:a/b:pull"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		digest, has := i.digests[host+"/"+strings.Replace(path, "/manifests/", ":", 1)]
		if !has || !strings.Contains(r.Header.Get("Accept"), "application/vnd.oci.image.index.v1+json") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Docker-Content-Digest", digest)
		return
	}
	if host == "auth.test" {
		fmt.Fprint(w, `{"token": "for-anybody"}`)
		return
	}
	page, has := i.pages[address]
	if !has {
		http.NotFound(w, r)
		return
	}
	fmt.Fprint(w, page)
}

// network returns the real web with this internet behind it.
func (i *internet) network(t *testing.T) *network {
	t.Helper()
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	return newNetwork(transport(func(r *http.Request) (*http.Response, error) {
		redirected := r.Clone(r.Context())
		redirected.Header.Set("X-Host", r.URL.Host)
		redirected.URL.Scheme, redirected.URL.Host = "http", strings.TrimPrefix(server.URL, "http://")
		return http.DefaultTransport.RoundTrip(redirected)
	}))
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func TestNetwork_Digest(t *testing.T) {
	t.Parallel()
	world := &internet{digests: map[string]string{
		"registry-1.docker.io/rancher/k3s:v1.36.5-k3s1": "sha256:" + sum("k3s"),
		"quay.io/jaegertracing/jaeger:2.22.0":           "sha256:" + sum("jaeger"),
		"registry-1.docker.io/library/odd:1":            "none",
	}}
	n := world.network(t)
	for image, want := range map[string]string{
		"rancher/k3s:v1.36.5-k3s1":            "sha256:" + sum("k3s"),
		"quay.io/jaegertracing/jaeger:2.22.0": "sha256:" + sum("jaeger"),
	} {
		digest, err := n.digest(t.Context(), image)
		require.NoError(t, err, image)
		assert.Equal(t, want, digest)
	}
	assert.Contains(t, world.asked, "GET auth.test/token?scope=repository%3Aa%2Fb%3Apull&service=registry")
	for image, want := range map[string]string{
		"rancher/k3s:v9.9.9-k3s1": "https://registry-1.docker.io/v2/rancher/k3s/manifests/v9.9.9-k3s1: 404 Not Found",
		"odd:1":                   `https://registry-1.docker.io/v2/library/odd/manifests/1: has no digest, but "none"`,
		"rancher/k3s":             `image "rancher/k3s": has no tag`,
		"rancher/K3s:1":           `image "rancher/K3s:1": invalid reference format: repository name (rancher/K3s) must be lowercase`,
	} {
		_, err := n.digest(t.Context(), image)
		assert.EqualError(t, err, want, image)
	}
}

// GitHub's token is for GitHub alone, and a page is read once.
func TestNetwork_Get(t *testing.T) {
	t.Setenv(tokenVariable, "secret")
	var mu sync.Mutex
	tokens := map[string]string{}
	n := newNetwork(transport(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		tokens[r.URL.Host] += "[" + r.Header.Get("Authorization") + "]"
		return nil, errors.New("away")
	}))
	for _, address := range []string{"https://api.github.com/a", "https://api.github.com/a", "https://update.k3s.io/b", "https://api.github.com.test/c"} {
		_, err := n.get(t.Context(), address)
		require.ErrorContains(t, err, "away")
	}
	assert.Equal(t, map[string]string{
		"api.github.com": "[Bearer secret]", "update.k3s.io": "[]", "api.github.com.test": "[]",
	}, tokens)
}

func TestNewer(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"1.36.10", "1.36.9"},
		{"1.33.13+k3s2", "1.33.13+k3s1"},
		{"1.33.13+k3s10", "1.33.13+k3s9"},
		{"1.36.5+k3s1", "1.36.4+k3s2"},
		{"2.0.0", "1.99.0"},
		{"1.38", "1.37"},
		{"1.0.0", ""},
	} {
		assert.True(t, newer(pair[0], pair[1]), "%s is newer than %s", pair[0], pair[1])
		assert.False(t, newer(pair[1], pair[0]), "%s is not newer than %s", pair[1], pair[0])
		assert.False(t, newer(pair[0], pair[0]), "%s is not newer than itself", pair[0])
	}
}

func TestPickRelease(t *testing.T) {
	t.Parallel()
	releases := []githubRelease{
		{TagName: "v2.4.2"},
		{TagName: "v2.3.9"},
		{TagName: "v2.3.10"},
		{TagName: "v2.3.11", Draft: true},
		{TagName: "v2.3.12", Prerelease: true},
		{TagName: "v2.3.13-rc.1"},
		{TagName: "api/v2.3.14"},
		{TagName: "v2.30.0"},
	}
	_, version, ok := pickRelease(releases, "2.3")
	assert.True(t, ok)
	assert.Equal(t, "2.3.10", version)
	_, version, _ = pickRelease(releases, "")
	assert.Equal(t, "2.30.0", version)
	_, _, ok = pickRelease(releases, "1.6")
	assert.False(t, ok)
}

func TestCompare(t *testing.T) {
	t.Parallel()
	edit := func(files, pin, release) error { return nil }
	digest := func(name string) map[string]string { return map[string]string{imageKey: "sha256:" + sum(name)} }
	pinned := pin{name: "Jaeger", version: "2.21.0", sums: digest("old"), source: minorSource{}, edit: edit}
	tests := map[string]struct {
		pin     pin
		found   release
		err     error
		state   state
		sums    map[string]string
		problem string
	}{
		"same":             {pinned, release{version: "2.21.0", sums: digest("old")}, nil, current, nil, ""},
		"newer":            {pinned, release{version: "2.22.0", sums: digest("new")}, nil, outdated, digest("new"), ""},
		"moved tag":        {pinned, release{version: "2.21.0", sums: digest("new")}, nil, outdated, digest("new"), ""},
		"newer, no digest": {pinned, release{version: "2.22.0", missing: errors.New("404")}, nil, outdated, nil, "404"},
		"same, no digest":  {pinned, release{version: "2.21.0", missing: errors.New("404")}, nil, current, nil, "404"},
		"publisher away":   {pinned, release{}, errors.New("no such host"), unreachable, nil, "no such host"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := compare(test.pin, test.found, test.err)
			assert.Equal(t, test.state, f.State)
			assert.Equal(t, test.sums, f.Sums)
			assert.Equal(t, test.problem, f.Problem)
		})
	}
}

// tomorrow is an internet in which everything that is pinned has a newer release. It
// returns the newer version of each pin, too.
func tomorrow(t *testing.T) (*internet, map[string]string) {
	t.Helper()
	all, err := pins(project)
	require.NoError(t, err)
	world := &internet{pages: map[string]string{}, digests: map[string]string{}}
	next := map[string]string{}
	var channels []string
	github := map[string][]githubRelease{}
	compose := map[string]string{}
	modules := map[string]string{}
	for _, p := range all {
		version := p.version
		if version == "" {
			version = strings.TrimPrefix(p.name, "CRI-O ") + ".0"
		} else if p.name != "newest Kubernetes minor" {
			parsed, err := semver.NewVersion(version)
			require.NoError(t, err, p.name)
			version = parsed.IncPatch().String()
		}
		switch s := p.source.(type) {
		case k3sSource:
			version += "+k3s1"
			channels = append(channels, fmt.Sprintf(`{"id": "v%s", "latest": "v%s"}`, s.minor, version))
			world.digests["registry-1.docker.io/rancher/k3s:v"+strings.ReplaceAll(version, "+", "-")] = "sha256:" + sum(p.name)
			release, err := tracing.ResolveRelease(s.minor)
			require.NoError(t, err)
			etcd, containerd := release.Rules.Etcd, release.Rules.Containerd
			switch s.minor {
			case "1.35":
				etcd = "3.9.1"
			case "1.36":
				containerd = "2.9"
			}
			world.pages["raw.githubusercontent.com/k3s-io/k3s/"+"v"+version+"/go.mod"] = fmt.Sprintf(
				"module github.com/k3s-io/k3s\nreplace (\n\tgithub.com/containerd/containerd/v2 => github.com/k3s-io/containerd/v2 v%s.9-k3s1\n"+
					"\tgo.etcd.io/etcd/server/v3 => github.com/k3s-io/etcd/server/v3 v%s-k3s1\n)\n", containerd, etcd)
		case minorSource:
			version = "1.99"
			channels = append(channels, `{"id": "latest", "latest": "v1.99.0+k3s1"}`)
		case githubSource:
			added := githubRelease{TagName: "v" + version}
			for _, name := range s.assets {
				name = strings.ReplaceAll(name, "VERSION", version)
				added.Assets = append(added.Assets, struct{ Name, Digest string }{name, "sha256:" + sum(name)})
			}
			github[s.repository] = append(github[s.repository], added)
			if s.image != "" {
				world.digests["registry-1.docker.io/"+s.image+":"+version] = "sha256:" + sum(p.name)
			}
		case crioSource:
			github[s.repository] = append(github[s.repository], githubRelease{TagName: "v" + version})
			for _, arch := range []string{"amd64", "arm64"} {
				name := "cri-o." + arch + ".v" + version + ".tar.gz"
				world.pages["storage.googleapis.com/cri-o/artifacts/"+name+".sha256sum"] = sum(name) + "  " + name + "\n"
			}
		case kubectlSource:
			world.pages["dl.k8s.io/release/stable-"+s.minor+".txt"] = "v" + version
			for platform := range p.sums {
				world.pages["dl.k8s.io/release/v"+version+"/bin/"+platform+"/kubectl.sha256"] = sum("kubectl " + platform)
			}
		case composeSource:
			compose[s.path] = fmt.Sprintf("services:\n  server:\n    image: %s:%s@sha256:%s\n", s.image, version, sum(p.name))
		case officialSource:
			world.pages[strings.TrimPrefix(s.address(), "https://")] = "Tags: " + version + "-musl, 99.0.0-glibc, musl\n\nTags: " + version + ", 1, latest\n"
		case moduleSource:
			modules[strings.TrimPrefix(s.address(), "https://")] = "v" + p.version + "\nv99.0.0-rc.1\nv" + version + "\n"
		}
		next[p.name] = version
	}
	world.pages["update.k3s.io/v1-release/channels"] = `{"data": [` + strings.Join(channels, ",") + `]}`
	for repository, releases := range github {
		text, err := json.Marshal(releases)
		require.NoError(t, err)
		world.pages["api.github.com/repos/"+repository+"/releases?per_page=100"] = string(text)
	}
	for path, text := range compose {
		world.pages["raw.githubusercontent.com/jaegertracing/jaeger/v"+next["Jaeger"]+"/"+path] = text
	}
	for address, text := range modules {
		world.pages[address] = text
	}
	return world, next
}

// run runs the command and returns its exit code.
func run(t *testing.T, w web, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	command := newCommand(w, &out, &err)
	command.SetArgs(append([]string{"--root", project}, arguments...))
	code = exitCode(command.ExecuteContext(t.Context()), &err)
	return code, out.String(), err.String()
}

func TestOutdated(t *testing.T) {
	t.Parallel()
	world, next := tomorrow(t)
	code, stdout, stderr := run(t, world.network(t), "--output", "json")
	require.Equal(t, exitOutdated, code, stderr)
	var findings []finding
	require.NoError(t, json.Unmarshal([]byte(stdout), &findings))
	require.Len(t, findings, len(next))
	for _, f := range findings {
		assert.Equal(t, outdated, f.State, "%s: %s", f.Name, f.Problem)
		assert.Equal(t, next[f.Name], f.Newest, f.Name)
		assert.Empty(t, f.Problem, f.Name)
		assert.NotEmpty(t, f.Source, f.Name)
	}

	code, stdout, _ = run(t, world.network(t))
	assert.Equal(t, exitOutdated, code)
	for name, version := range next {
		line := slices.IndexFunc(strings.Split(stdout, "\n"), func(line string) bool {
			return strings.HasPrefix(line, name+"  ") && strings.Contains(line, "  "+version+"  ") && strings.Contains(line, "outdated")
		})
		assert.Positive(t, line, "%s to %s in\n%s", name, version, stdout)
	}
}

// A network that is away is no failure.
func TestOutdated_NetworkAway(t *testing.T) {
	t.Parallel()
	away := newNetwork(transport(func(*http.Request) (*http.Response, error) { return nil, errors.New("no such host") }))
	code, stdout, stderr := run(t, away)
	assert.Zero(t, code)
	assert.Empty(t, stderr)
	all, err := pins(project)
	require.NoError(t, err)
	assert.Equal(t, len(all), strings.Count(stdout, " unreachable "))
	assert.Contains(t, stdout, "\nNot found out:\n  k3s 1.25, k3s 1.26, ")
	assert.Contains(t, stdout, `: Get "https://update.k3s.io/v1-release/channels": no such host`+"\n")
	assert.Contains(t, stdout, "\n  k3d: Get ")
}

func TestOutdated_Timeout(t *testing.T) {
	t.Parallel()
	hanging := newNetwork(transport(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}))
	started := time.Now()
	code, stdout, _ := run(t, hanging, "--timeout", "100ms")
	assert.Zero(t, code)
	assert.Contains(t, stdout, "Pulumi, ")
	assert.Contains(t, stdout, ": no answer within 100ms\n")
	assert.Less(t, time.Since(started), 10*time.Second)
}

func TestOutdated_Output(t *testing.T) {
	t.Parallel()
	code, _, stderr := run(t, &network{}, "--output", "yaml")
	assert.Equal(t, 1, code)
	assert.Equal(t, "outdated: --output: \"yaml\": must be table or json\n", stderr)
}

// copyProject copies the files with pins to a folder.
func copyProject(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, path := range []string{versionsFile, containerdFile, k3dFile, toolsFile, defaultsFile, projectFile, moduleFile} {
		text, err := os.ReadFile(filepath.Join(project, path))
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, path), text, 0o644))
	}
	return root
}

func TestOutdated_Write(t *testing.T) {
	t.Parallel()
	root := copyProject(t)
	world, next := tomorrow(t)
	var out, notes bytes.Buffer
	command := newCommand(world.network(t), &out, &notes)
	command.SetArgs([]string{"--root", root, "--write"})
	require.NoError(t, command.ExecuteContext(t.Context()))

	all, err := pins(project)
	require.NoError(t, err)
	texts := ""
	for _, path := range []string{versionsFile, containerdFile, k3dFile, toolsFile, defaultsFile} {
		text, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		texts += string(text)
	}
	for _, p := range all {
		stays := p.edit == nil || p.name == "k3s 1.36"
		if p.edit == nil {
			assert.Contains(t, notes.String(), "outdated: "+p.name+" stays at ")
			continue
		}
		for platform, old := range p.sums {
			assert.Equal(t, stays, strings.Contains(texts, old), "%s %s", p.name, platform)
		}
		changed := fmt.Sprintf("outdated: %s: %s to %s\n", p.name, p.version, next[p.name])
		assert.Equal(t, !stays, strings.Contains(notes.String(), changed), "%s in\n%s", p.name, notes.String())
		if _, rows := p.source.(k3sSource); rows && !stays {
			assert.Regexp(t, `newest: +"v`+strings.ReplaceAll(next[p.name], "+", `\+`)+`",\s+digest: +"sha256:`+sum(p.name)+`",`, texts)
		}
	}
	for text, name := range map[string]string{
		`"jaegertracing/jaeger:` + next["Jaeger"] + `" +` + "\n\t\t" + `"@sha256:` + sum("Jaeger") + `"`: "an image by digest",
		`"jaegertracing/jaeger-es-index-cleaner:` + next["Jaeger's index cleaner"] + `" +` + "\n\t\t" +
			`"@sha256:` + sum("Jaeger's index cleaner") + `"`: "an image that had no digest",
		`"2.3": {Version: "` + next["containerd 2.3"] + `"`:                         "containerd",
		sum("containerd-" + next["containerd 2.3"] + "-linux-arm64.tar.gz"):         "containerd's checksum",
		`= "` + next["Pulumi"] + `"`:                                                "Pulumi",
		sum("pulumi-v" + next["Pulumi"] + "-darwin-x64.tar.gz"):                     "Pulumi's checksum",
		sum("k3d-linux-arm64"):                                                      "k3d's checksum",
		sum("kubectl darwin/arm64"):                                                 "kubectl's checksum",
		fmt.Sprintf(`, {%d, "3.9.1"}}`, semver.MustParse(next["k3s 1.35"]).Patch()): "an etcd that the row did not have",
	} {
		assert.Contains(t, texts, text, name)
	}
	assert.Contains(t, notes.String(), "k3s 1.36 stays at ")
	assert.Contains(t, notes.String(), ": it embeds containerd 2.9, which has no release in components/tracing/containerd_releases.go yet\n")
	assert.Contains(t, notes.String(), "CRI-O 1.36 stays at ")
	declaration, err := os.ReadFile(filepath.Join(root, projectFile))
	require.NoError(t, err)
	assert.Contains(t, string(declaration), "image: jaegertracing/jaeger:"+next["Jaeger"]+"@sha256:"+sum("Jaeger")+"\n")

	assertCompiles(t, root)
}

// assertCompiles compiles the packages with pins with the edited files in the place of
// the project's.
func assertCompiles(t *testing.T, root string) {
	t.Helper()
	overlay := map[string]map[string]string{"Replace": {}}
	for _, path := range []string{versionsFile, containerdFile, k3dFile, toolsFile, defaultsFile} {
		original, err := filepath.Abs(filepath.Join(project, path))
		require.NoError(t, err)
		overlay["Replace"][original] = filepath.Join(root, path)
	}
	text, err := json.Marshal(overlay)
	require.NoError(t, err)
	file := filepath.Join(root, "overlay.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	command := exec.CommandContext(t.Context(), "go", "build", "-overlay", file, "./components/tracing", "./infra/tools", "./stacks")
	command.Dir = project
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
}
