package stacks

import (
	"fmt"
	"regexp"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
)

// maxClusterName is the longest cluster name that k3d accepts.
//
// Source: github.com/k3d-io/k3d/v5@v5.9.0/pkg/types/defaults.go
// (DefaultObjectNamePrefix and the node's host name limit).
const maxClusterName = 32

var rfc1123Label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// Names are the physical names of what a stack creates. They contain project and
// stack, so two stacks share nothing.
type Names struct {
	// Cluster is the k3d cluster, and the prefix of everything else.
	Cluster string
	// Owner is the value of spec.StackLabel.
	Owner string

	// suffix tells the traced clusters of one stack apart; empty if there is only one.
	suffix string
}

// NewNames returns the names for a stack.
func NewNames(project, stack string) Names {
	return Names{Cluster: project + "-" + stack, Owner: project + "/" + stack}
}

// with returns the names of one of several traced clusters of a stack.
func (n Names) with(suffix string) Names {
	n.suffix = "-" + suffix
	n.Cluster += n.suffix
	return n
}

// Network is the Docker network.
func (n Names) Network() string { return n.Cluster }

// Volume is the Docker volume with the nodes' tracing configuration.
func (n Names) Volume() string { return n.Cluster + "-tracing" }

// Jaeger is Jaeger's container, and the Docker volume with its traces.
func (n Names) Jaeger() string { return n.Cluster + "-jaeger" }

// Collector is the Collector's container, and the Docker volume with its queues.
func (n Names) Collector() string { return n.Cluster + "-collector" }

// Server is the container of our own OpenSearch or Elasticsearch, and the Docker
// volume with its data. Neither can read the other's.
func (n Names) Server(storage tracing.JaegerStorage) string { return n.Cluster + "-" + string(storage) }

// Cleaner is the container that deletes traces that are too old.
func (n Names) Cleaner() string { return n.Cluster + "-cleaner" }

// Docker returns every name that the stack may use in Docker, whatever its settings.
func (n Names) Docker() spec.Names {
	data := []string{n.Jaeger(), n.Collector()}
	for _, storage := range jaegerStorages {
		if storage.IsServer() {
			data = append(data, n.Server(storage))
		}
	}
	return spec.Names{
		Stack: n.Owner, Cluster: n.Cluster,
		Networks:   []string{n.Network()},
		Volumes:    append([]string{n.Volume()}, data...),
		Containers: append([]string{n.Cleaner()}, data...),
	}
}

// NodeImage is the repository of the stack's own node images.
func (n Names) NodeImage() string { return n.Cluster + "-node" }

func (n Names) validate() []Problem {
	field := "project and stack name"
	var problems []Problem
	if !rfc1123Label.MatchString(n.Cluster) {
		problems = append(problems, Problem{
			field, n.Cluster,
			"together they name the cluster, so they must be an RFC 1123 label: lower case letters, digits and '-', beginning and ending with a letter or digit",
		})
	}
	if len(n.Cluster) > maxClusterName {
		problems = append(problems, Problem{
			field, n.Cluster,
			fmt.Sprintf("together they name the cluster, so they must have at most %d characters; these have %d", maxClusterName, len(n.Cluster)),
		})
	}
	return problems
}
