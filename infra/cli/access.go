package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/tools"
	"github.com/kubetracing/kubetracing/infra/workspace"
)

// stackOutputs are the outputs that tell how to get at a stack.
type stackOutputs struct {
	JaegerURL  string            `json:"jaegerUrl"`
	Kubeconfig string            `json:"kubeconfig"`
	Traces     map[string]string `json:"traces"`
}

// lookTimeout bounds the look at Jaeger after an update that has already succeeded.
const lookTimeout = 5 * time.Second

// kubeconfigPath is where a stack's kubeconfig is kept for kubectl, in a folder
// that only its user can read. The user's own kubeconfig stays as it is.
func kubeconfigPath(space workspace.Workspace) string {
	return filepath.Join(space.Folder("kubeconfig"), space.Stack+".yaml")
}

// grantAccess writes the stack's kubeconfig and tells where to look.
func grantAccess(ctx context.Context, space workspace.Workspace, w io.Writer) error {
	command := exec.CommandContext(ctx, "pulumi", "stack", "output", "--json", "--show-secrets",
		"--stack", space.Stack, "--non-interactive")
	command.Dir = space.Directory
	command.Stderr = os.Stderr
	text, err := command.Output()
	if err != nil {
		return fmt.Errorf("pulumi stack output: %w", err)
	}
	var outputs stackOutputs
	if err := json.Unmarshal(text, &outputs); err != nil {
		// Not the text itself: it has the kubeconfig.
		return errors.New("read what pulumi stack output says: it is not JSON")
	}
	if outputs.Kubeconfig == "" {
		// An update that was told to leave the cluster out.
		return nil
	}
	if err := writePrivately(kubeconfigPath(space), outputs.Kubeconfig); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	fmt.Fprintf(w, "\nJaeger    %s\n", outputs.JaegerURL)
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	jaeger := verify.Client{BaseURL: outputs.JaegerURL}
	for _, workload := range slices.Sorted(maps.Keys(outputs.Traces)) {
		link := outputs.Traces[workload]
		// A link that cannot be checked may well lead somewhere.
		if there, err := jaeger.Has(ctx, path.Base(link)); err == nil && !there {
			link = "gone with an earlier Jaeger's store"
		}
		fmt.Fprintf(w, "trace     %s  (%s)\n", link, workload)
	}
	fmt.Fprintf(w, "kubectl   eval \"$(%s)\" && kubectl get pods --all-namespaces\n", envCommand(space))
	return nil
}

// envCommand is what prints the environment for kubectl, as one types it.
func envCommand(space workspace.Workspace) string {
	if space.Stack == defaultStack {
		return "make --silent env"
	}
	return "make --silent env STACK=" + space.Stack
}

// writePrivately writes a file that only its user can read, whatever was there.
func writePrivately(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o600)
}

// revokeAccess removes the kubeconfig of a cluster that is gone.
func revokeAccess(space workspace.Workspace) error {
	if err := os.Remove(kubeconfigPath(space)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove kubeconfig: %w", err)
	}
	// Only the last of them leaves an empty folder.
	_ = os.Remove(filepath.Dir(kubeconfigPath(space)))
	return nil
}

// newEnv prints shell commands that point kubectl at the stack's cluster.
func newEnv(options *options) *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print shell commands that point kubectl at the stack's cluster, for eval",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			space, err := workspace.Locate(options.root, options.stack)
			if err != nil {
				return err
			}
			path := kubeconfigPath(space)
			if _, err := os.Stat(path); err != nil {
				return fmt.Errorf("stack %q has no kubeconfig yet: run `make up` first", space.Stack)
			}
			fmt.Fprintf(command.OutOrStdout(), "export KUBECONFIG=%s\n", shellQuote(path))
			if kubectl := tools.Kubectl(); kubectl.OnPath(command.Context()) != nil {
				folder := kubectl.Folder(space.Folder("tools"))
				fmt.Fprintf(command.OutOrStdout(), "export PATH=%s:\"$PATH\"\n", shellQuote(folder))
			}
			return nil
		},
	}
}

// shellQuote makes one word of a text, for any POSIX shell.
func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
