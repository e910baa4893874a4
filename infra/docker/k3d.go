package docker

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
)

// CreateCluster creates a k3d cluster from a configuration. progress, if not nil, is
// called with every line of k3d's that tells of progress or trouble. When the context
// ends, k3d ends, and what it has created so far stays.
func (c *Client) CreateCluster(ctx context.Context, config string, progress func(line string)) error {
	_, err := c.run(ctx, Command{
		Program: "k3d", Args: []string{"cluster", "create", "--config", "-"}, Stdin: config,
		Merge: true, Line: k3dLines(progress), Limit: createLimit,
	})
	return k3dError(err)
}

// k3dError keeps of what k3d wrote the line that says why it failed: the others were
// progress.
func k3dError(err error) error {
	var exit *ExitError
	if !errors.As(err, &exit) {
		return err
	}
	for _, line := range slices.Backward(lines(ansi.ReplaceAllString(exit.Stderr, ""))) {
		if words, fatal := strings.CutPrefix(line, "FATA"); fatal {
			exit.Stderr = fatalPrefix.ReplaceAllString(words, "")
			break
		}
	}
	return err
}

// errNoClusterName guards against k3d, which deletes the cluster k3s-default when it
// gets no name.
//
// Source: github.com/k3d-io/k3d/v5@v5.9.0/cmd/cluster/clusterDelete.go.
var errNoClusterName = errors.New("k3d: the name of the cluster is empty")

// DeleteCluster deletes a k3d cluster, whoever created it: see [Owner.Cluster].
func (c *Client) DeleteCluster(ctx context.Context, name string, progress func(line string)) error {
	if name == "" {
		return errNoClusterName
	}
	_, err := c.run(ctx, Command{
		Program: "k3d", Args: []string{"cluster", "delete", name}, Merge: true, Line: k3dLines(progress), Limit: deleteLimit,
	})
	return k3dError(err)
}

// Kubeconfig returns the kubeconfig of a k3d cluster. It is a secret.
func (c *Client) Kubeconfig(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", errNoClusterName
	}
	result, err := c.run(ctx, Command{Program: "k3d", Args: []string{"kubeconfig", "get", name}, Limit: changeLimit})
	return result.Stdout, err
}

var (
	// ansi is an escape sequence for colors.
	ansi = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")
	// infoPrefix stands before a line that is neither a warning nor an error.
	infoPrefix  = regexp.MustCompile(`^INFO\[\d+\] *`)
	fatalPrefix = regexp.MustCompile(`^\[\d+\] *`)
	// chatter is advice that does not hold here: nothing is to be done with the cluster
	// before it is checked, and its kubeconfig is a stack output.
	//
	// Source: github.com/k3d-io/k3d/v5@v5.9.0/cmd/cluster/clusterCreate.go.
	chatter = regexp.MustCompile(`^(You can now use it like this:|--kubeconfig-update-default=false --> |` +
		`kubectl config use-context |\$env:KUBECONFIG=|export KUBECONFIG=|kubectl cluster-info|Cluster '.*' created successfully!)`)
)

// k3dLines returns a function that passes on lines of k3d's without colors, prefixes
// and chatter.
func k3dLines(progress func(string)) func(string) {
	if progress == nil {
		return nil
	}
	return func(line string) {
		line = infoPrefix.ReplaceAllString(strings.TrimSpace(ansi.ReplaceAllString(line, "")), "")
		if line != "" && !chatter.MatchString(line) {
			progress(line)
		}
	}
}
