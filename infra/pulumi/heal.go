package pulumi

import (
	"context"
	"fmt"
	"io"

	"github.com/kubetracing/kubetracing/infra/docker"
)

// Unpause resumes paused containers, which nothing else does, and without which they
// cannot be removed.
func (d *Drift) Unpause(ctx context.Context, client *docker.Client) error {
	if len(d.Paused) == 0 {
		return nil
	}
	return client.Unpause(ctx, d.Paused...)
}

// StartNodes starts nodes that do not run with the function start, which waits for
// them. Pulumi could only replace the cluster, with everything in it; it must do so
// if they do not come back. Progress goes to w.
func (d *Drift) StartNodes(ctx context.Context, start func(context.Context) error, w io.Writer) error {
	if len(d.Stopped) == 0 {
		return nil
	}
	err := start(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		fmt.Fprintf(w, "kubetracing: %s\nkubetracing: the nodes do not come back: the cluster is created again, with everything in it\n", err)
		d.Replace = append(d.Replace, d.cluster)
	case d.verification != "":
		// They must be seen to trace again.
		d.Replace = append(d.Replace, d.verification)
	}
	return nil
}
