package cli

import (
	"context"
	"fmt"

	"github.com/kubetracing/kubetracing/stacks"
)

// nodeKubeconfig is where k3s keeps the administrator's kubeconfig on a server.
//
// Source: https://docs.k3s.io/cluster-access.
const nodeKubeconfig = "/etc/rancher/k3s/k3s.yaml"

// readKubeconfig returns the administrator's kubeconfig of a stack's cluster, and the
// address of its API on this machine.
func (a *App) readKubeconfig(ctx context.Context, stack stacks.Stack) (text []byte, server string, err error) {
	node := stack.Layout().Nodes[0]
	kubeconfig, err := a.Docker.Exec(ctx, node, "cat", nodeKubeconfig)
	if err != nil {
		return nil, "", fmt.Errorf("read the kubeconfig of node %s (does the stack run?): %w", node, err)
	}
	return []byte(kubeconfig), fmt.Sprintf("https://127.0.0.1:%d", stack.Settings.Cluster.APIPort), nil
}
