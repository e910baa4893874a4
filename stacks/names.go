package stacks

import (
	"fmt"
	"regexp"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// OwnerLabel is the Docker label that marks everything of a stack as its own.
const OwnerLabel = "kubetracing.stack"

// maxClusterName is the longest cluster name that k3d accepts.
//
// Source: github.com/k3d-io/k3d/v5@v5.8.3/pkg/types/defaults.go
// (DefaultObjectNamePrefix and the node's host name limit).
const maxClusterName = 32

var rfc1123Label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// Names are the physical names of a stack's things. They carry project and
// stack, so that two stacks share nothing.
type Names struct {
	// Cluster is the k3d cluster, and the prefix of everything else.
	Cluster string
	// Owner is the value of OwnerLabel.
	Owner string
}

// NewNames derives the names for a stack.
func NewNames(project, stack string) Names {
	return Names{Cluster: project + "-" + stack, Owner: project + "/" + stack}
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

// NodeImage is the repository of the stack's own node images.
func (n Names) NodeImage() string { return n.Cluster + "-node" }

func (n Names) validate() []Problem {
	field := "project and stack name"
	var problems []Problem
	if !rfc1123Label.MatchString(n.Cluster) {
		problems = append(problems, Problem{field, n.Cluster,
			"together they name the cluster, so they must be an RFC 1123 label: lower case letters, digits and '-', beginning and ending with a letter or digit"})
	}
	if len(n.Cluster) > maxClusterName {
		problems = append(problems, Problem{field, n.Cluster,
			fmt.Sprintf("together they name the cluster, so they must have at most %d characters; these have %d", maxClusterName, len(n.Cluster))})
	}
	return problems
}
