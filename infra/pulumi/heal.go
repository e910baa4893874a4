package pulumi

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/lifecycle"
)

// errNoDocument means that it is not known how to start a cluster.
var errNoDocument = errors.New("the cluster was created by another version of kubetracing")

// Unpause resumes paused containers, which nothing else does, and without which they
// cannot be removed.
func (d *Drift) Unpause(ctx context.Context, client *docker.Client) error {
	if len(d.Paused) == 0 {
		return nil
	}
	return client.Unpause(ctx, d.Paused...)
}

// StartNodes starts nodes that do not run and waits for them. Pulumi could only replace
// the cluster, with everything in it; it must do so if they do not come back. Progress
// goes to w.
func (d *Drift) StartNodes(ctx context.Context, client *docker.Client, state State, w io.Writer) error {
	if len(d.Stopped) == 0 {
		return nil
	}
	cluster, known := state.Cluster()
	err := errNoDocument
	if known {
		err = lifecycle.New(client, w).StartCluster(ctx, cluster, state.Identity())
	}
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
