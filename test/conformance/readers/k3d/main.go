// Command k3d reads a k3d configuration on standard input as `k3d cluster
// create --config -` does, up to the point where k3d would ask Docker, and
// prints the nodes that k3d would create as JSON. It fails with k3d's own error.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/viper"

	cliconfig "github.com/k3d-io/k3d/v5/cmd/util/config"
	"github.com/k3d-io/k3d/v5/pkg/client"
	"github.com/k3d-io/k3d/v5/pkg/config"
	"github.com/k3d-io/k3d/v5/pkg/logger"
	"github.com/k3d-io/k3d/v5/pkg/runtimes"
)

// Node is one node that k3d would create.
type Node struct {
	Name    string            `json:"name"`
	Role    string            `json:"role"`
	Image   string            `json:"image"`
	Volumes []string          `json:"volumes"`
	Env     []string          `json:"env"`
	Args    []string          `json:"args"`
	Labels  map[string]string `json:"labels"`
}

func main() {
	// k3d logs to standard output.
	logger.Log().SetOutput(os.Stderr)
	nodes, err := plan(context.Background())
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(nodes)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// plan follows cmd/cluster/clusterCreate.go. Of ValidateClusterConfig it keeps the
// check of the name; the others need a Docker daemon.
func plan(ctx context.Context) ([]Node, error) {
	settings := viper.New()
	// Validates against the JSON schema of the configuration's apiVersion.
	if err := cliconfig.InitViperWithConfigFile(settings, "-"); err != nil {
		return nil, err
	}
	simple, err := config.SimpleConfigFromViper(settings)
	if err != nil {
		return nil, err
	}
	if err := config.ProcessSimpleConfig(&simple); err != nil {
		return nil, err
	}
	cluster, err := config.TransformSimpleToClusterConfig(ctx, runtimes.SelectedRuntime, simple, "-")
	if err != nil {
		return nil, err
	}
	if cluster, err = config.ProcessClusterConfig(*cluster); err != nil {
		return nil, err
	}
	if err := client.CheckName(cluster.Cluster.Name); err != nil {
		return nil, err
	}
	nodes := make([]Node, 0, len(cluster.Cluster.Nodes))
	for _, node := range cluster.Cluster.Nodes {
		nodes = append(nodes, Node{
			Name: node.Name, Role: string(node.Role), Image: node.Image, Volumes: node.Volumes,
			Env: node.Env, Args: node.Args, Labels: node.RuntimeLabels,
		})
	}
	return nodes, nil
}
