package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// storedComment is a comment in GitHub's API.
type storedComment struct {
	ID   int64             `json:"id"`
	Body string            `json:"body"`
	User map[string]string `json:"user"`
}

func byBot(id int64, body string) storedComment {
	return storedComment{id, body, map[string]string{"type": "Bot", "login": "github-actions[bot]"}}
}

// fakeGitHub is one repository with one pull request.
type fakeGitHub struct {
	t        *testing.T
	head     string
	comments []storedComment
	// written are the requests that write, with the comments' texts.
	written []string
}

const commentsPath = "/repos/acme/kubetracing/issues/7/comments"

func (f *fakeGitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	assert.Equal(f.t, "Bearer token", r.Header.Get("Authorization"))
	answer := func(value any) { assert.NoError(f.t, json.NewEncoder(w).Encode(value)) }
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/repos/acme/kubetracing/pulls":
		assert.Equal(f.t, "open", r.URL.Query().Get("state"))
		assert.Equal(f.t, "fork:feature", r.URL.Query().Get("head"))
		answer([]map[string]any{{"number": 7, "head": map[string]string{"sha": f.head}}})
	case r.Method == http.MethodGet && r.URL.Path == commentsPath:
		// Two a page, whatever is asked for.
		page := max(1, len(r.URL.Query().Get("page")))
		from := min(len(f.comments), 2*(page-1))
		to := min(len(f.comments), from+2)
		if to < len(f.comments) {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?page=%s>; rel="next"`, r.Host, commentsPath, strings.Repeat("1", page+1)))
		}
		answer(f.comments[from:to])
	case r.Method == http.MethodPost || r.Method == http.MethodPatch:
		var body map[string]string
		assert.NoError(f.t, json.NewDecoder(r.Body).Decode(&body))
		f.written = append(f.written, r.Method+" "+r.URL.Path+" "+body["body"])
		answer(byBot(1, body["body"]))
	default:
		http.NotFound(w, r)
	}
}

func TestPost(t *testing.T) {
	t.Parallel()
	ours, theirs := marker(kindPlans)+"\nold", marker(kindPreview)+"\nother kind"
	human := map[string]string{"type": "User", "login": "someone"}
	tests := map[string]struct {
		head     string
		comments []storedComment
		done     string
		written  []string
	}{
		"first comment of its kind": {
			"c0ffee",
			[]storedComment{byBot(1, theirs), {2, "looks good", human}},
			"commented on #7",
			[]string{"POST " + commentsPath + " new"},
		},
		"later comment replaces the earlier one on any page": {
			"c0ffee",
			[]storedComment{{1, "a", human}, {2, "b", human}, {3, "c", human}, byBot(4, theirs), byBot(5, ours)},
			"updated the comment on #7",
			[]string{"PATCH /repos/acme/kubetracing/issues/comments/5 new"},
		},
		"comment that quotes the marker is left alone": {
			"c0ffee",
			[]storedComment{{1, ours, human}, byBot(2, "> "+ours)},
			"commented on #7",
			[]string{"POST " + commentsPath + " new"},
		},
		"pull request that has moved on": {
			"facade",
			[]storedComment{byBot(1, ours)},
			"no open pull request has c0ffee as its newest commit: no comment",
			nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := &fakeGitHub{t: t, head: test.head, comments: test.comments}
			server := httptest.NewServer(fake)
			defer server.Close()
			client, err := newGitHub(server.URL, "token")
			require.NoError(t, err)
			done, err := post(t.Context(), client, target{
				repository: "acme/kubetracing", headOwner: "fork", headBranch: "feature", headCommit: "c0ffee",
			}, kindPlans, "new")
			require.NoError(t, err)
			assert.Equal(t, test.done, done)
			assert.Equal(t, test.written, fake.written)
		})
	}
}

func TestPost_Refused(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"message":"Resource not accessible by integration"}`)
	}))
	defer server.Close()
	client, err := newGitHub(server.URL, "token")
	require.NoError(t, err)
	_, err = post(t.Context(), client, target{repository: "acme/kubetracing"}, kindPlans, "new")
	require.ErrorContains(t, err, "find pull request: ")
	require.ErrorContains(t, err, "Resource not accessible by integration")

	_, err = post(t.Context(), client, target{repository: "kubetracing"}, kindPlans, "new")
	require.EqualError(t, err, `--repository: "kubetracing": must be OWNER/NAME`)
	_, err = newGitHub("", "")
	require.ErrorContains(t, err, "GITHUB_TOKEN is not set")
}

func TestPostAll(t *testing.T) {
	t.Parallel()
	fake := &fakeGitHub{t: t, head: "c0ffee"}
	server := httptest.NewServer(fake)
	defer server.Close()
	client, err := newGitHub(server.URL, "token")
	require.NoError(t, err)
	to := target{repository: "acme/kubetracing", headOwner: "fork", headBranch: "feature", headCommit: "c0ffee"}

	var output strings.Builder
	folder := folderOf(t, map[string]string{"preview/ci.txt": "+ a Cluster", "elsewhere/base/dev.yaml": ""})
	require.NoError(t, postAll(t.Context(), client, to, folder, &output))
	assert.Equal(t, "pullrequest: the run left no plans\npullrequest: preview: commented on #7\n", output.String())
	require.Len(t, fake.written, 1)
	assert.Contains(t, fake.written[0], "+ a Cluster")

	// An invalid kind does not keep the other one back.
	output.Reset()
	folder = folderOf(t, map[string]string{"preview/ci.txt": "+ a Cluster", "plans/base/@.yaml": ""})
	require.ErrorContains(t, postAll(t.Context(), client, to, folder, &output), `plans: "@" is not the name of a stack`)
	assert.Equal(t, "pullrequest: preview: commented on #7\n", output.String())
}

// The action that downloads artifacts leaves out the folder of a single one.
func TestPostAll_SingleArtifact(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files   map[string]string
		output  string
		comment string
	}{
		"plans": {
			map[string]string{"base/dev.yaml": "a: 1\n", "head/dev.yaml": "a: 2\n"},
			"pullrequest: plans: commented on #7\npullrequest: the run left no preview\n", marker(kindPlans),
		},
		"plans of the head only": {
			map[string]string{"head/dev.yaml": "a: 2\n"},
			"pullrequest: plans: commented on #7\npullrequest: the run left no preview\n", "`dev` | new",
		},
		"preview": {
			map[string]string{"ci.txt": "+ a Cluster", "ci.json": `{"base":"passed"}`},
			"pullrequest: the run left no plans\npullrequest: preview: commented on #7\n", marker(kindPreview),
		},
		"plans in their own folder": {
			map[string]string{"plans/base/dev.yaml": "a: 1\n", "plans/head/dev.yaml": "a: 2\n"},
			"pullrequest: plans: commented on #7\npullrequest: the run left no preview\n", marker(kindPlans),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := &fakeGitHub{t: t, head: "c0ffee"}
			server := httptest.NewServer(fake)
			defer server.Close()
			client, err := newGitHub(server.URL, "token")
			require.NoError(t, err)
			var output strings.Builder
			require.NoError(t, postAll(t.Context(), client, target{
				repository: "acme/kubetracing", headOwner: "fork", headBranch: "feature", headCommit: "c0ffee",
			}, folderOf(t, test.files), &output))
			assert.Equal(t, test.output, output.String())
			require.Len(t, fake.written, 1)
			assert.Contains(t, fake.written[0], test.comment)
		})
	}
}

func TestPostAll_NoArtifact(t *testing.T) {
	t.Parallel()
	client, err := newGitHub("http://127.0.0.1:1", "token")
	require.NoError(t, err)
	var output strings.Builder
	require.NoError(t, postAll(t.Context(), client, target{repository: "acme/kubetracing"}, t.TempDir(), &output))
	assert.Equal(t, "pullrequest: the run left no plans\npullrequest: the run left no preview\n", output.String())
}
