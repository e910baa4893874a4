// Command pullrequest is what the automation of pull requests runs: it renders
// the offline plans of base and head, brings up the base's stack and previews
// the head against it, and turns both into comments that are updated in place.
// Every step runs on a developer's machine too; only `comment` needs GitHub.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/gonvenience/bunt"
	"github.com/spf13/cobra"
)

func main() {
	// The reports are text for comments, whatever terminal they are written from.
	bunt.SetColorSettings(bunt.OFF, bunt.OFF)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
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
	var checkout string
	root.PersistentFlags().StringVar(&checkout, "root", "../..", "the head's checkout")
	root.AddCommand(newPlans(&checkout), newPreview(&checkout), newReport(), newComment())
	return root
}

func newPlans(head *string) *cobra.Command {
	var base, folder string
	command := &cobra.Command{
		Use:   "plans",
		Short: "Render the offline plans of every stack, of base and head, into a folder",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return withBase(command.Context(), *head, base, func(baseRoot string) error {
				return renderPlans(command.Context(), baseRoot, *head, folder)
			})
		},
	}
	command.Flags().StringVar(&base, "base", "main", "the commit to compare with")
	command.Flags().StringVar(&folder, "folder", "", "where to put base/STACK.yaml and head/STACK.yaml")
	mustRequire(command, "folder")
	return command
}

func newPreview(head *string) *cobra.Command {
	var base, stack, folder string
	command := &cobra.Command{
		Use:   "preview",
		Short: "Bring up the base's stack, preview the head against it, update, verify, and destroy",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return withBase(command.Context(), *head, base, func(baseRoot string) error {
				return review{base: baseRoot, head: *head, stack: stack, folder: folder}.run(command.Context())
			})
		},
	}
	command.Flags().StringVar(&base, "base", "main", "the commit whose stack is there before the update")
	command.Flags().StringVar(&stack, "stack", "ci", "the stack")
	command.Flags().StringVar(&folder, "folder", "", "where to put STACK.txt with the preview")
	mustRequire(command, "folder")
	return command
}

func newReport() *cobra.Command {
	var kind, folder string
	command := &cobra.Command{
		Use:   "report",
		Short: "Print the comment about what plans or preview wrote",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			body, err := commentBody(kind, folder)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(command.OutOrStdout(), body); err != nil {
				return fmt.Errorf("print comment: %w", err)
			}
			return nil
		},
	}
	command.Flags().StringVar(&kind, "kind", kindPlans, kindPlans+" or "+kindPreview)
	command.Flags().StringVar(&folder, "folder", "", "what plans or preview wrote")
	mustRequire(command, "folder")
	return command
}

func newComment() *cobra.Command {
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
	command.Flags().StringVar(&target.headCommit, "head-commit", "", "the commit that was looked at")
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
