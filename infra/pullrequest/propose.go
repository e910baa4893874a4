package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-github/v84/github"
	"github.com/spf13/cobra"
)

// Files of the folder that propose reads.
const (
	// patchFile is the change, as git diff writes it.
	patchFile = "pins.patch"
	// reportFile says what is newer than what; conformanceFile is what the conformance
	// suite said of the change.
	reportFile, conformanceFile = "report.txt", "conformance.txt"
)

// proposalBranch is the branch of the one pull request about pins: a newer run updates
// it.
const proposalBranch = "automation/outdated-pins"

const proposalTitle = "Refresh the pinned versions"

func proposeCommand() *cobra.Command {
	var root, folder, repository string
	command := &cobra.Command{
		Use:   "propose",
		Short: "Open a pull request with the rewritten pins, or update the earlier one",
		Long: "Applies " + patchFile + " to the checkout, which must be the default branch's, and commits the result\n" +
			"through GitHub's API, so that no credentials are in the checkout.\n" +
			"Reads GITHUB_TOKEN and, for GitHub Enterprise, GITHUB_API_URL.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			client, err := newGitHub(os.Getenv("GITHUB_API_URL"), os.Getenv("GITHUB_TOKEN"))
			if err != nil {
				return err
			}
			done, err := propose(command.Context(), client, repository, root, folder)
			if err == nil {
				fmt.Fprintln(command.ErrOrStderr(), "pullrequest:", done)
			}
			return err
		},
	}
	command.Flags().StringVar(&root, "root", "../..", "the checkout")
	command.Flags().StringVar(&folder, "folder", "", "has "+patchFile+", "+reportFile+" and "+conformanceFile)
	command.Flags().StringVar(&repository, "repository", os.Getenv("GITHUB_REPOSITORY"), "OWNER/NAME")
	mustRequire(command, "folder")
	return command
}

// propose opens or updates the pull request and returns what it did.
func propose(ctx context.Context, client *github.Client, repository, root, folder string) (string, error) {
	owner, name, ok := strings.Cut(repository, "/")
	if !ok {
		return "", fmt.Errorf("--repository: %q: must be OWNER/NAME", repository)
	}
	patch, err := filepath.Abs(filepath.Join(folder, patchFile))
	if err != nil {
		return "", fmt.Errorf("find %s: %w", patchFile, err)
	}
	if info, err := os.Stat(patch); errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return "no pin has changed: no pull request", nil
	}
	body, err := proposalBody(folder)
	if err != nil {
		return "", err
	}
	parent, err := git(ctx, root, "rev-parse", "HEAD")
	if err != nil {
		return "", err
	}
	if _, err := git(ctx, root, "apply", patch); err != nil {
		return "", err
	}
	entries, err := changedFiles(ctx, root)
	if err != nil {
		return "", err
	}
	commit, err := commitFiles(ctx, client, owner, name, parent, entries)
	if err != nil {
		return "", err
	}
	if err := moveBranch(ctx, client, owner, name, commit); err != nil {
		return "", err
	}
	return openPullRequest(ctx, client, owner, name, body)
}

// proposalBody writes the pull request's text. What others have published stands in
// code blocks.
func proposalBody(folder string) (string, error) {
	report, err := os.ReadFile(filepath.Join(folder, reportFile))
	if err != nil {
		return "", fmt.Errorf("read the report: %w", err)
	}
	body := "The pins beside what their publishers say, from `make outdated`:\n\n" + quote(string(report))
	conformance, err := os.ReadFile(filepath.Join(folder, conformanceFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
		body += "\nThe conformance suite was not run.\n"
	case err != nil:
		return "", fmt.Errorf("read the conformance suite's output: %w", err)
	default:
		// The end says whether it passed, and has the table.
		body += "\n`make conformance` with this change:\n\n" + quote(last(string(conformance), maxComment-len(body)-1000))
	}
	body += "\nStill by hand: the tests that name versions, and the modules of the new releases in " +
		"`test/conformance` and `test/control-plane` (CONTRIBUTING.md, How to bump).\n"
	return body, nil
}

// quote puts text into a code block that it cannot end.
func quote(text string) string {
	fence := strings.Repeat("`", max(3, longestRun(text, '`')+1))
	return fence + "\n" + strings.TrimRight(text, "\n") + "\n" + fence + "\n"
}

// last returns the end of a text, from the beginning of a line.
func last(text string, size int) string {
	if len(text) <= size {
		return text
	}
	text = text[len(text)-size:]
	_, rest, _ := strings.Cut(text, "\n")
	return "[…]\n" + rest
}

// changedFiles returns the changed files of the checkout with their new texts.
func changedFiles(ctx context.Context, root string) ([]*github.TreeEntry, error) {
	names, err := git(ctx, root, "diff", "--name-only", "-z", "HEAD")
	if err != nil {
		return nil, err
	}
	var entries []*github.TreeEntry
	for name := range strings.SplitSeq(strings.TrimRight(names, "\x00"), "\x00") {
		// A token of a workflow may not change workflows, and no pin stands there.
		if strings.HasPrefix(name, ".github/") {
			return nil, fmt.Errorf("%s changes %s, which has no pins", patchFile, name)
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, fmt.Errorf("read a changed file: %w", err)
		}
		entries = append(entries, &github.TreeEntry{
			Path: &name, Mode: github.Ptr("100644"), Type: github.Ptr("blob"), Content: github.Ptr(string(text)),
		})
	}
	slices.SortFunc(entries, func(a, b *github.TreeEntry) int { return strings.Compare(a.GetPath(), b.GetPath()) })
	return entries, nil
}

// commitFiles makes a commit and returns its name.
func commitFiles(
	ctx context.Context, client *github.Client, owner, name, parent string, entries []*github.TreeEntry,
) (string, error) {
	base, _, err := client.Git.GetCommit(ctx, owner, name, parent)
	if err != nil {
		return "", fmt.Errorf("read commit %s: %w", parent, err)
	}
	tree, _, err := client.Git.CreateTree(ctx, owner, name, base.GetTree().GetSHA(), entries)
	if err != nil {
		return "", fmt.Errorf("write the changed files: %w", err)
	}
	commit, _, err := client.Git.CreateCommit(ctx, owner, name, github.Commit{
		Message: github.Ptr(proposalTitle), Tree: &github.Tree{SHA: tree.SHA}, Parents: []*github.Commit{{SHA: &parent}},
	}, nil)
	if err != nil {
		return "", fmt.Errorf("commit: %w", err)
	}
	return commit.GetSHA(), nil
}

// moveBranch lets the branch be a commit, whatever it was before.
func moveBranch(ctx context.Context, client *github.Client, owner, name, commit string) error {
	_, response, err := client.Git.UpdateRef(ctx, owner, name, "heads/"+proposalBranch, github.UpdateRef{SHA: commit, Force: github.Ptr(true)})
	// GitHub answers 422 for a branch that does not exist.
	if err != nil && response != nil && (response.StatusCode == 422 || response.StatusCode == 404) {
		_, _, err = client.Git.CreateRef(ctx, owner, name, github.CreateRef{Ref: "refs/heads/" + proposalBranch, SHA: commit})
	}
	if err != nil {
		return fmt.Errorf("write branch %s: %w", proposalBranch, err)
	}
	return nil
}

func openPullRequest(ctx context.Context, client *github.Client, owner, name, body string) (string, error) {
	found, _, err := client.PullRequests.List(ctx, owner, name, &github.PullRequestListOptions{
		State: "open", Head: owner + ":" + proposalBranch,
	})
	if err != nil {
		return "", fmt.Errorf("find pull request: %w", err)
	}
	if len(found) > 0 {
		number := found[0].GetNumber()
		if _, _, err := client.PullRequests.Edit(ctx, owner, name, number, &github.PullRequest{Body: &body}); err != nil {
			return "", fmt.Errorf("update pull request #%d: %w", number, err)
		}
		return fmt.Sprintf("updated pull request #%d", number), nil
	}
	about, _, err := client.Repositories.Get(ctx, owner, name)
	if err != nil {
		return "", fmt.Errorf("find the default branch: %w", err)
	}
	opened, _, err := client.PullRequests.Create(ctx, owner, name, &github.NewPullRequest{
		Title: github.Ptr(proposalTitle), Head: github.Ptr(proposalBranch), Base: github.Ptr(about.GetDefaultBranch()), Body: &body,
	})
	if err != nil {
		return "", fmt.Errorf("open pull request: %w", err)
	}
	return fmt.Sprintf("opened pull request #%d", opened.GetNumber()), nil
}
