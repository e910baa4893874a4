package cli

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/diagnose"
	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/stacks"
)

// linkLimit bounds the check of links after an update that has already succeeded.
const linkLimit = 5 * time.Second

// lossesLimit bounds the reading of the Collector's metrics. It is longer than a
// destination is watched.
const lossesLimit = 20 * time.Second

// printLosses prints which destinations of a stack's spans have lost some or accept none.
// Neither fails a command: Jaeger has the spans that it was verified to have.
func (a *App) printLosses(ctx context.Context, stack stacks.Stack) {
	if !stack.Settings.Collector.Enabled {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lossesLimit)
	defer cancel()
	lines, err := diagnose.Collector{
		Container: stack.Names.Collector(), Probe: stack.Names.Jaeger(), DiskQueue: stack.CollectorSpec().DiskQueue,
	}.Losses(ctx, a.Docker)
	if err != nil {
		lines = append(lines, "whether destinations have lost spans is not known: "+err.Error())
	}
	a.printAll(lines)
}

// grantAccess writes the stack's kubeconfig, prints how to get at the stack, and reports
// whether there is a cluster to get at. If so, send sends the trace of the update and
// returns its id; empty if there is none.
func (a *App) grantAccess(ctx context.Context, stack pulumi.Stack, send func(ctx context.Context) string) (bool, error) {
	outputs, err := stack.Outputs(ctx)
	if err != nil {
		return false, err
	}
	if outputs.Kubeconfig == "" {
		// An update with --target may leave the cluster out.
		return false, nil
	}
	if err := stack.WriteKubeconfig(outputs.Kubeconfig); err != nil {
		return false, err
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
	return true, nil
}
