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

// comment is what GitHub's API knows of a comment.
type comment struct {
	ID   int64             `json:"id"`
	Body string            `json:"body"`
	User map[string]string `json:"user"`
}

func byBot(id int64, body string) comment {
	return comment{id, body, map[string]string{"type": "Bot", "login": "github-actions[bot]"}}
}

// fakeGitHub is one repository with one pull request.
type fakeGitHub struct {
	t        *testing.T
	head     string
	comments []comment
	// wrote are the writing requests, with the comments' texts.
	wrote []string
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
		f.wrote = append(f.wrote, r.Method+" "+r.URL.Path+" "+body["body"])
		answer(byBot(1, body["body"]))
	default:
		http.NotFound(w, r)
	}
}

func TestACommentIsUpdatedInPlace(t *testing.T) {
	t.Parallel()
	ours, theirs := marker(kindPlans)+"\nold", marker(kindPreview)+"\nother kind"
	human := map[string]string{"type": "User", "login": "someone"}
	tests := map[string]struct {
		head     string
		comments []comment
		said     string
		wrote    []string
	}{
		"the first comment of its kind is new": {
			"c0ffee", []comment{byBot(1, theirs), {2, "looks good", human}},
			"commented on #7",
			[]string{"POST " + commentsPath + " new"},
		},
		"a later one replaces the earlier one, on whatever page it stands": {
			"c0ffee", []comment{{1, "a", human}, {2, "b", human}, {3, "c", human}, byBot(4, theirs), byBot(5, ours)},
			"updated the comment on #7",
			[]string{"PATCH /repos/acme/kubetracing/issues/comments/5 new"},
		},
		"somebody who quotes the marker is not overwritten": {
			"c0ffee", []comment{{1, ours, human}, byBot(2, "> "+ours)},
			"commented on #7",
			[]string{"POST " + commentsPath + " new"},
		},
		"a pull request that has moved on gets none": {
			"facade", []comment{byBot(1, ours)},
			"no open pull request has c0ffee as its newest commit: nothing to say",
			nil,
		},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			fake := &fakeGitHub{t: t, head: test.head, comments: test.comments}
			server := httptest.NewServer(fake)
			defer server.Close()
			client, err := newGitHub(server.URL, "token")
			require.NoError(t, err)
			said, err := post(t.Context(), client, target{
				repository: "acme/kubetracing", headOwner: "fork", headBranch: "feature", headCommit: "c0ffee",
			}, kindPlans, "new")
			require.NoError(t, err)
			assert.Equal(t, test.said, said)
			assert.Equal(t, test.wrote, fake.wrote)
		})
	}
}

func TestWhatGitHubRefusesIsAnError(t *testing.T) {
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

func TestEveryKindThatARunLeftIsPosted(t *testing.T) {
	t.Parallel()
	fake := &fakeGitHub{t: t, head: "c0ffee"}
	server := httptest.NewServer(fake)
	defer server.Close()
	client, err := newGitHub(server.URL, "token")
	require.NoError(t, err)
	to := target{repository: "acme/kubetracing", headOwner: "fork", headBranch: "feature", headCommit: "c0ffee"}

	var said strings.Builder
	folder := folderOf(t, map[string]string{"preview/ci.txt": "+ a Cluster", "elsewhere/base/dev.yaml": ""})
	require.NoError(t, postAll(t.Context(), client, to, folder, &said))
	assert.Equal(t, "pullrequest: the run left no plans\npullrequest: preview: commented on #7\n", said.String())
	require.Len(t, fake.wrote, 1)
	assert.Contains(t, fake.wrote[0], "+ a Cluster")

	// What is wrong with one kind keeps the other from nothing.
	said.Reset()
	folder = folderOf(t, map[string]string{"preview/ci.txt": "+ a Cluster", "plans/base/@.yaml": ""})
	require.ErrorContains(t, postAll(t.Context(), client, to, folder, &said), `plans: "@" is not the name of a stack`)
	assert.Equal(t, "pullrequest: preview: commented on #7\n", said.String())
}
