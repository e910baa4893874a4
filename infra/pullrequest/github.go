package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-github/v84/github"
)

// requestTimeout bounds one request to GitHub.
const requestTimeout = 30 * time.Second

// target is the pull request to write to, as the event that a workflow run hands
// on describes it: for a fork it has no number.
type target struct {
	// repository is OWNER/NAME of the repository that the pull request is for.
	repository string
	// headOwner, headBranch and headCommit are where it comes from.
	headOwner, headBranch, headCommit string
}

// newGitHub returns a client; an empty API address means github.com.
func newGitHub(api, token string) (*github.Client, error) {
	if token == "" {
		return nil, errors.New("GITHUB_TOKEN is not set: a comment needs a token that may write to pull requests")
	}
	client := github.NewClient(&http.Client{Timeout: requestTimeout}).WithAuthToken(token)
	if api == "" {
		return client, nil
	}
	parsed, err := client.BaseURL.Parse(strings.TrimSuffix(api, "/") + "/")
	if err != nil {
		return nil, fmt.Errorf("GITHUB_API_URL: %w", err)
	}
	client.BaseURL = parsed
	return client, nil
}

// artifact returns the folder of what plans or preview wrote, below the folder
// into which all artifacts of a run were downloaded: each has a folder of its own,
// unless there is only one.
//
// Source: https://github.com/actions/download-artifact, "Download All Artifacts":
// a single artifact is extracted into the path itself.
func artifact(folder, kind string) string {
	for _, other := range []string{kindPlans, kindPreview} {
		if info, err := os.Stat(filepath.Join(folder, other)); err == nil && info.IsDir() {
			return filepath.Join(folder, kind)
		}
	}
	only := kindPreview
	for _, side := range []string{baseFolder, headFolder} {
		if info, err := os.Stat(filepath.Join(folder, side)); err == nil && info.IsDir() {
			only = kindPlans
		}
	}
	if entries, err := os.ReadDir(folder); kind == only && err == nil && len(entries) > 0 {
		return folder
	}
	return filepath.Join(folder, kind)
}

// postAll posts a comment of every kind that the folder has something for: a run
// that failed early has left only some.
func postAll(ctx context.Context, client *github.Client, to target, folder string, w io.Writer) error {
	var problems []error
	for _, kind := range []string{kindPlans, kindPreview} {
		c, err := newComment(kind, artifact(folder, kind))
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(w, "pullrequest: the run left no %s\n", kind)
			continue
		}
		if err == nil {
			var done string
			if done, err = post(ctx, client, to, kind, c.body); err == nil {
				fmt.Fprintf(w, "pullrequest: %s: %s\n", kind, done)
			}
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", kind, err))
		}
	}
	return errors.Join(problems...)
}

// post writes or updates the comment of a kind and returns what it did.
func post(ctx context.Context, client *github.Client, to target, kind, body string) (string, error) {
	owner, name, ok := strings.Cut(to.repository, "/")
	if !ok {
		return "", fmt.Errorf("--repository: %q: must be OWNER/NAME", to.repository)
	}
	number, err := findPullRequest(ctx, client, owner, name, to)
	if err != nil {
		return "", err
	}
	if number == 0 {
		return fmt.Sprintf("no open pull request has %s as its newest commit: no comment", to.headCommit), nil
	}
	earlier, err := findComment(ctx, client, owner, name, number, kind)
	if err != nil {
		return "", err
	}
	if earlier == 0 {
		if _, _, err := client.Issues.CreateComment(ctx, owner, name, number, &github.IssueComment{Body: &body}); err != nil {
			return "", fmt.Errorf("write comment: %w", err)
		}
		return fmt.Sprintf("commented on #%d", number), nil
	}
	if _, _, err := client.Issues.EditComment(ctx, owner, name, earlier, &github.IssueComment{Body: &body}); err != nil {
		return "", fmt.Errorf("update comment: %w", err)
	}
	return fmt.Sprintf("updated the comment on #%d", number), nil
}

// findPullRequest returns the number of the open pull request whose newest commit
// is the one that was examined, or 0.
func findPullRequest(ctx context.Context, client *github.Client, owner, name string, to target) (int, error) {
	found, _, err := client.PullRequests.List(ctx, owner, name, &github.PullRequestListOptions{
		State: "open", Head: to.headOwner + ":" + to.headBranch, ListOptions: github.ListOptions{PerPage: 100},
	})
	if err != nil {
		return 0, fmt.Errorf("find pull request: %w", err)
	}
	for _, pull := range found {
		if pull.GetHead().GetSHA() == to.headCommit {
			return pull.GetNumber(), nil
		}
	}
	return 0, nil
}

// findComment returns the id of our earlier comment of a kind, or 0. Somebody who
// quotes the marker in a comment of their own is not us.
func findComment(ctx context.Context, client *github.Client, owner, name string, number int, kind string) (int64, error) {
	options := &github.IssueListCommentsOptions{ListOptions: github.ListOptions{PerPage: 100}}
	for comment, err := range client.Issues.ListCommentsIter(ctx, owner, name, number, options) {
		if err != nil {
			return 0, fmt.Errorf("list comments: %w", err)
		}
		if comment.GetUser().GetType() == "Bot" && strings.HasPrefix(comment.GetBody(), marker(kind)) {
			return comment.GetID(), nil
		}
	}
	return 0, nil
}
