package cli

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/pulumi"
)

// linkLimit bounds the check of links after an update that has already succeeded.
const linkLimit = 5 * time.Second

// grantAccess writes the stack's kubeconfig and prints how to get at the stack. Once
// there is a cluster, send sends the trace of the update and returns its id; empty if
// there is none.
func (a *App) grantAccess(ctx context.Context, stack pulumi.Stack, send func(ctx context.Context) string) error {
	outputs, err := stack.Outputs(ctx)
	if err != nil {
		return err
	}
	if outputs.Kubeconfig == "" {
		// An update that was told to leave the cluster out.
		return nil
	}
	if err := stack.WriteKubeconfig(outputs.Kubeconfig); err != nil {
		return err
	}
	own := send(ctx)
	fmt.Fprintf(a.Stdout, "\nJaeger    %s\n", outputs.JaegerURL)
	ctx, cancel := context.WithTimeout(ctx, linkLimit)
	defer cancel()
	jaeger := verify.Client{BaseURL: outputs.JaegerURL}
	for _, workload := range slices.Sorted(maps.Keys(outputs.Traces)) {
		link := outputs.Traces[workload]
		// A link that cannot be checked may well lead somewhere.
		if exists, err := jaeger.Has(ctx, path.Base(link)); err == nil && !exists {
			link = "no longer in Jaeger"
		}
		fmt.Fprintf(a.Stdout, "trace     %s  (%s)\n", link, workload)
	}
	if own != "" {
		fmt.Fprintf(a.Stdout, "trace     %s/trace/%s  (this update)\n", outputs.JaegerURL, own)
	}
	fmt.Fprintf(a.Stdout, "kubectl   eval \"$(%s)\" && kubectl get pods --all-namespaces\n", envCommand(stack.Stack))
	return nil
}
