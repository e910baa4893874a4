package drift

import (
	"context"
	"fmt"
	"io"
	"os/exec"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/stacks"
)

// Unpause lets paused containers go on, which nothing else does, and without which
// they cannot be removed.
func (d *Drift) Unpause(ctx context.Context) error {
	if len(d.Paused) == 0 {
		return nil
	}
	_, err := docker(ctx, append([]string{"unpause"}, d.Paused...)...)
	return err
}

// StartNodes starts nodes that do not run and waits for them. Pulumi could only
// replace the cluster, with everything in it; it is to do so if they do not come
// back. w is told how it goes.
func (d *Drift) StartNodes(ctx context.Context, names stacks.Names, w io.Writer) error {
	if len(d.Stopped) == 0 {
		return nil
	}
	owner := components.Owner{Label: stacks.OwnerLabel, Value: names.Owner}
	err := runScript(ctx, components.ClusterStartScript(names.Cluster, owner, d.cluster.nodes), w)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		fmt.Fprintf(w, "kubetracing: the nodes of cluster %s do not come back: it is created again, with everything in it\n", names.Cluster)
		d.Replace = append(d.Replace, d.cluster.urn)
	case d.cluster.verification != "":
		// They must be seen to trace again.
		d.Replace = append(d.Replace, d.cluster.verification)
	}
	return nil
}

// runScript runs a script of the components'.
func runScript(ctx context.Context, script string, w io.Writer) error {
	command := exec.CommandContext(ctx, "/bin/sh", "-c", script)
	command.Stdout, command.Stderr = w, w
	return command.Run()
}
