package stacks

import (
	"slices"

	"github.com/kubetracing/kubetracing/components/expectations"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/components/workloads/catalog"
)

// Layout is what follows from a stack's settings alone: where its parts are found,
// and what their traces must show. The program and the command line share it.
type Layout struct {
	// Cluster decides the cluster's files, but for the image of its nodes.
	Cluster tracing.ClusterSpec
	// Nodes are the Docker names of the cluster's nodes, servers first.
	Nodes []string
	// Containers are the Docker names of everything that spans come from and pass
	// through, in the order in which to read about them: storage first, nodes last.
	Containers []string
	// JaegerURL is the URL of Jaeger's UI and query API on this machine.
	JaegerURL string
	// Workloads decides how the workloads run.
	Workloads catalog.Target
	// Expected is what the traces must show.
	Expected Expected
}

// Expected is what the traces of a stack must show.
type Expected struct {
	// Services are the services that send spans.
	Services []verify.Expectation
	// Workloads are the traces of the test workloads.
	Workloads []verify.Expectation
	// Own are the expectations of the user's own file.
	Own []verify.Expectation
}

// All returns the expectations in one list.
func (e Expected) All() []verify.Expectation { return slices.Concat(e.Services, e.Workloads, e.Own) }

// Layout returns what follows from the stack's settings.
func (s Stack) Layout() Layout {
	cluster, rate := s.ClusterSpec(), s.Settings.CollectorRate()
	layout := Layout{
		Cluster:   cluster,
		Nodes:     cluster.NodeNames(),
		JaegerURL: spec.JaegerURL(s.Settings.Jaeger.UIPort),
		Workloads: catalog.Target{Cluster: cluster, CollectorRate: rate, OTLPAddress: s.receiverAddress()},
		Expected:  Expected{Services: expectations.Services(cluster, rate), Own: s.Expectations},
	}
	for _, name := range s.Settings.Workloads {
		if workload, known := catalog.Find(string(name)); known {
			layout.Expected.Workloads = append(layout.Expected.Workloads, workload.Expectations(layout.Workloads)...)
		}
	}
	if s.Settings.OwnServer() {
		layout.Containers = append(layout.Containers, s.Names.Server(s.Settings.Jaeger.Storage))
	}
	layout.Containers = append(layout.Containers, s.Names.Jaeger())
	if s.Settings.Collector.Enabled {
		layout.Containers = append(layout.Containers, s.Names.Collector())
	}
	layout.Containers = append(layout.Containers, layout.Nodes...)
	return layout
}

// receiverAddress returns the IPv4 address of the receiver on the stack's network.
func (s Stack) receiverAddress() string {
	if s.Settings.Collector.Enabled {
		return s.Subnet.Collector()
	}
	return s.Subnet.Jaeger()
}

// Named returns the stack with a suffix on every physical name, for a program that
// creates several traced clusters in one Pulumi stack. Unless the settings choose a
// subnet, it gets one of its own. Its ports are those of its settings.
func (s Stack) Named(suffix string) (Stack, error) {
	s.Names = s.Names.with(suffix)
	if problems := s.Names.validate(); len(problems) > 0 {
		return Stack{}, Problems(problems)
	}
	var err error
	s.Subnet, err = s.Settings.Network.subnet(s.Names)
	return s, err
}
