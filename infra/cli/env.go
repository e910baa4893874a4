package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/infra/tools"
)

// newEnv prints shell commands that point kubectl at the stack's cluster.
func newEnv(a *App, o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print shell commands that point kubectl at the stack's cluster, for eval",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			space, err := pulumi.Locate(o.root, o.stack)
			if err != nil {
				return err
			}
			path := space.KubeconfigPath()
			if _, err := os.Stat(path); err != nil {
				return fmt.Errorf("stack %q has no kubeconfig yet: run `make up` first", space.Stack)
			}
			fmt.Fprintf(a.Stdout, "export KUBECONFIG=%s\n", shellQuote(path))
			if kubectl := tools.Kubectl(); kubectl.OnPath(command.Context()) != nil {
				fmt.Fprintf(a.Stdout, "export PATH=%s:\"$PATH\"\n", shellQuote(kubectl.Folder(space.Folder("tools"))))
			}
			return nil
		},
	}
}

// envCommand returns what prints the environment for kubectl, as one types it.
func envCommand(stack string) string {
	if stack == defaultStack {
		return "make --silent env"
	}
	return "make --silent env STACK=" + stack
}

// shellQuote makes one word of a text, for any POSIX shell.
func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
