// Command pullrequest is what the automation of pull requests runs: it renders
// the offline plans of base and head, brings up the base's stack and previews
// the head against it, and turns both into comments that are updated in place.
// Every step runs on a developer's machine too; only `comment` needs GitHub.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/gonvenience/bunt"
	"github.com/spf13/cobra"
)

func main() {
	// The reports are text for comments, whatever terminal they are written from.
	bunt.SetColorSettings(bunt.OFF, bunt.OFF)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pullrequest:", err)
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "pullrequest",
		Short:         "Show what a pull request changes",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(plansCommand(), previewCommand(), commentCommand(), proposeCommand())
	return root
}

func plansCommand() *cobra.Command {
	return comparison(kindPlans, "Render the offline plans of every stack, of base and head, and print what differs", renderPlans)
}

func previewCommand() *cobra.Command {
	var stack string
	command := comparison(kindPreview, "Bring up the base's stack, preview the head against it, update, verify, and destroy",
		func(ctx context.Context, base, head, folder string) error {
			return review{base: base, head: head, stack: stack, folder: folder}.run(ctx)
		})
	command.Flags().StringVar(&stack, "stack", "ci", "the stack")
	return command
}

// comparison is a command that compares the checkouts of base and head, leaves what
// it saw in a folder, and prints the comment about it. It fails if the comparison
// does, or if a stack is broken, but prints what there is all the same.
func comparison(kind, short string, compare func(ctx context.Context, base, head, folder string) error) *cobra.Command {
	var head, base, folder string
	command := &cobra.Command{
		Use:   kind,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			started := false
			compared := withBase(command.Context(), head, base, func(baseRoot string) error {
				started = true
				return compare(command.Context(), baseRoot, head, folder)
			})
			if !started {
				return compared
			}
			c, err := newComment(kind, folder)
			if err != nil {
				return errors.Join(compared, err)
			}
			fmt.Fprintln(command.OutOrStdout(), c.body)
			if len(c.broken) > 0 {
				return errors.Join(compared, fmt.Errorf("broken stacks: %s", strings.Join(c.broken, ", ")))
			}
			return compared
		},
	}
	command.Flags().StringVar(&head, "head", "../..", "the head's checkout")
	command.Flags().StringVar(&base, "base", "main", "the branch or commit to compare with")
	command.Flags().StringVar(&folder, "folder", "", "where to leave what was seen, for comment")
	mustRequire(command, "folder")
	return command
}

func commentCommand() *cobra.Command {
	var folder string
	target := target{}
	command := &cobra.Command{
		Use:   "comment",
		Short: "Write the comments about what plans and preview wrote, or update the earlier ones",
		Long: "Finds the open pull request whose newest commit is the given one. A pull request\n" +
			"that has moved on, or is closed, gets no comment: a newer run will write it.\n" +
			"Reads GITHUB_TOKEN and, for GitHub Enterprise, GITHUB_API_URL.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			client, err := newGitHub(os.Getenv("GITHUB_API_URL"), os.Getenv("GITHUB_TOKEN"))
			if err != nil {
				return err
			}
			return postAll(command.Context(), client, target, folder, command.ErrOrStderr())
		},
	}
	command.Flags().StringVar(&folder, "folder", "", "has what plans wrote in "+kindPlans+" and what preview wrote in "+kindPreview)
	command.Flags().StringVar(&target.repository, "repository", os.Getenv("GITHUB_REPOSITORY"), "OWNER/NAME")
	command.Flags().StringVar(&target.headOwner, "head-owner", "", "whose repository the pull request comes from")
	command.Flags().StringVar(&target.headBranch, "head-branch", "", "the branch it comes from")
	command.Flags().StringVar(&target.headCommit, "head-commit", "", "the commit that was examined")
	mustRequire(command, "folder", "head-owner", "head-branch", "head-commit")
	return command
}

func mustRequire(command *cobra.Command, flags ...string) {
	for _, flag := range flags {
		if err := command.MarkFlagRequired(flag); err != nil {
			panic(err) // a flag that is not declared
		}
	}
}
