package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// proposals is a repository in GitHub's API that takes commits and pull requests.
type proposals struct {
	t *testing.T
	// branch reports whether the branch exists, open whether its pull request does.
	branch, open bool
	// written are the requests that write.
	written []string
}

func (p *proposals) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/repos/acme/kubetracing")
	text, err := io.ReadAll(r.Body)
	assert.NoError(p.t, err)
	if r.Method != http.MethodGet {
		p.written = append(p.written, r.Method+" "+path+" "+strings.TrimSpace(string(text)))
	}
	switch {
	case r.Method == http.MethodGet && strings.HasPrefix(path, "/git/commits/"):
		fmt.Fprint(w, `{"tree": {"sha": "basetree"}}`)
	case path == "/git/trees":
		fmt.Fprint(w, `{"sha": "newtree"}`)
	case path == "/git/commits":
		fmt.Fprint(w, `{"sha": "newcommit"}`)
	case r.Method == http.MethodPatch && path == "/git/refs/heads/"+proposalBranch:
		if !p.branch {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, `{"message": "Reference does not exist"}`)
			return
		}
		fmt.Fprint(w, `{}`)
	case path == "/git/refs":
		fmt.Fprint(w, `{}`)
	case r.Method == http.MethodGet && path == "/pulls":
		assert.Equal(p.t, "acme:"+proposalBranch, r.URL.Query().Get("head"))
		if p.open {
			fmt.Fprint(w, `[{"number": 8}]`)
			return
		}
		fmt.Fprint(w, `[]`)
	case r.Method == http.MethodGet && path == "":
		fmt.Fprint(w, `{"default_branch": "trunk"}`)
	case path == "/pulls", path == "/pulls/8":
		fmt.Fprint(w, `{"number": 9}`)
	default:
		http.NotFound(w, r)
	}
}

// proposed returns a checkout, a folder with a patch for it, and the commit's name.
func proposed(t *testing.T, file string) (root, folder, commit string) {
	t.Helper()
	root, folder = t.TempDir(), t.TempDir()
	path := filepath.Join(root, file)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte("version: 1\n"), 0o644))
	for _, arguments := range [][]string{
		{"init", "--quiet"},
		{"add", "."},
		{"-c", "user.name=a", "-c", "user.email=a@b.test", "commit", "--quiet", "--message", "a"},
	} {
		_, err := git(t.Context(), root, arguments...)
		require.NoError(t, err)
	}
	commit, err := git(t.Context(), root, "rev-parse", "HEAD")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("version: 2\n"), 0o644))
	patch, err := git(t.Context(), root, "diff")
	require.NoError(t, err)
	_, err = git(t.Context(), root, "checkout", "--quiet", ".")
	require.NoError(t, err)
	for name, text := range map[string]string{patchFile: patch + "\n", reportFile: "k3d 5.8.3 5.9.0\n", conformanceFile: "ok\n```\n@someone\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
	return root, folder, commit
}

func TestPropose(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		branch, open bool
		done         string
		// last are the requests after the commit, up to their bodies.
		last []string
	}{
		"first time": {false, false, "opened pull request #9", []string{
			"PATCH /git/refs/heads/" + proposalBranch, "POST /git/refs", "POST /pulls",
		}},
		"pull request of an earlier run": {true, true, "updated pull request #8", []string{
			"PATCH /git/refs/heads/" + proposalBranch, "PATCH /pulls/8",
		}},
		"branch of a closed one": {true, false, "opened pull request #9", []string{
			"PATCH /git/refs/heads/" + proposalBranch, "POST /pulls",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, folder, commit := proposed(t, "infra/tools/pinned.go")
			fake := &proposals{t: t, branch: test.branch, open: test.open}
			server := httptest.NewServer(fake)
			defer server.Close()
			client, err := newGitHub(server.URL, "token")
			require.NoError(t, err)
			done, err := propose(t.Context(), client, "acme/kubetracing", root, folder)
			require.NoError(t, err)
			assert.Equal(t, test.done, done)
			require.Len(t, fake.written, 2+len(test.last))
			assert.Equal(t, `POST /git/trees {"base_tree":"basetree","tree":[{"path":"infra/tools/pinned.go","mode":"100644",`+
				`"type":"blob","content":"version: 2\n"}]}`, fake.written[0])
			assert.Equal(t, `POST /git/commits {"message":"`+proposalTitle+`","tree":"newtree","parents":["`+commit+`"]}`,
				fake.written[1])
			for i, want := range test.last {
				assert.True(t, strings.HasPrefix(fake.written[2+i], want+" "), "%s: %s", want, fake.written[2+i])
			}
			assert.Contains(t, fake.written[2], `"sha":"newcommit"`)
			_, request, _ := strings.Cut(fake.written[len(fake.written)-1], "{")
			var pull struct{ Body, Base, Head string }
			require.NoError(t, json.Unmarshal([]byte("{"+request), &pull))
			assert.Contains(t, pull.Body, "\n```\nk3d 5.8.3 5.9.0\n```\n")
			assert.Contains(t, pull.Body, "\n````\nok\n```\n@someone\n````\n", "what upstream printed cannot end its block")
			if !test.open {
				assert.Equal(t, "trunk", pull.Base)
				assert.Equal(t, proposalBranch, pull.Head)
			}
		})
	}
}

func TestPropose_NothingChanged(t *testing.T) {
	t.Parallel()
	fake := &proposals{t: t}
	server := httptest.NewServer(fake)
	defer server.Close()
	client, err := newGitHub(server.URL, "token")
	require.NoError(t, err)
	root, folder, _ := proposed(t, "a")
	require.NoError(t, os.WriteFile(filepath.Join(folder, patchFile), nil, 0o644))
	done, err := propose(t.Context(), client, "acme/kubetracing", root, folder)
	require.NoError(t, err)
	assert.Equal(t, "no pin has changed: no pull request", done)
	done, err = propose(t.Context(), client, "acme/kubetracing", root, t.TempDir())
	require.NoError(t, err)
	assert.Equal(t, "no pin has changed: no pull request", done)
	assert.Empty(t, fake.written)
}

func TestPropose_Refused(t *testing.T) {
	t.Parallel()
	fake := &proposals{t: t}
	server := httptest.NewServer(fake)
	defer server.Close()
	client, err := newGitHub(server.URL, "token")
	require.NoError(t, err)
	root, folder, _ := proposed(t, ".github/workflows/a.yml")
	_, err = propose(t.Context(), client, "acme/kubetracing", root, folder)
	require.EqualError(t, err, "pins.patch changes .github/workflows/a.yml, which has no pins")
	_, err = propose(t.Context(), client, "kubetracing", root, folder)
	require.EqualError(t, err, `--repository: "kubetracing": must be OWNER/NAME`)
	require.NoError(t, os.WriteFile(filepath.Join(folder, patchFile), []byte("no patch\n"), 0o644))
	_, err = propose(t.Context(), client, "acme/kubetracing", root, folder)
	require.ErrorContains(t, err, "git apply: ")
	assert.Empty(t, fake.written)
}
