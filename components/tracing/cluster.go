package tracing

import (
	"fmt"
	"maps"
	"slices"
)

// ClusterSpec holds everything that determines a traced cluster's files.
type ClusterSpec struct {
	// Name is the k3d cluster's name: RFC 1123, at most 32 characters.
	Name string
	// Release is the k3s release and the rules that hold for it.
	Release Release
	// Runtime runs the containers.
	Runtime Runtime
	// NodeImage is the image reference of every node.
	NodeImage string
	// Servers (at least 1) and Agents (at least 0) count the nodes.
	Servers, Agents int
	// Network is the Docker network that the nodes share with the receiver of their
	// spans, and Subnet is its range, in which the nodes have fixed addresses.
	Network string
	Subnet  Subnet
	// Receiver is the network alias of the OTLP receiver that every component
	// exports to: CollectorAlias or, without a Collector, JaegerAlias.
	Receiver string
	// ConfigVolume is the Docker volume with the rendered files.
	ConfigVolume string
	// APIPort is the port of the Kubernetes API on 127.0.0.1 of the host.
	APIPort int
	// OwnerLabel is the key=value label that marks the nodes as this stack's.
	OwnerLabel string
	// Sampling holds the head sampling rates.
	Sampling Sampling
	// Pulls decides how the nodes reach the registries of images.
	Pulls Pulls
}

// Node is one container of the cluster.
type Node struct {
	// Container is its name in Docker, which is also its Kubernetes node name.
	Container string
	// Filter selects it in a k3d configuration.
	Filter string
	// Address is its IPv4 address on the stack's network.
	Address string
}

// EmbeddedEtcd reports whether the cluster stores its state in etcd. A single
// server would use kine, which emits no spans, so asking for etcd's spans asks
// for etcd; more servers cannot do without.
func (s ClusterSpec) EmbeddedEtcd() bool {
	return s.Servers > 1 || s.Sampling.Etcd > 0
}

// ReceiverGRPC returns the host:port of the receiver for OTLP over gRPC.
func (s ClusterSpec) ReceiverGRPC() string { return grpcTarget(s.Receiver) }

// Nodes lists the cluster's nodes, servers first, named as k3d names them.
//
// Source: github.com/k3d-io/k3d/v5@v5.9.0/pkg/client/cluster.go (GenerateNodeName).
func (s ClusterSpec) Nodes() []Node {
	nodes := make([]Node, 0, s.Servers+s.Agents)
	add := func(role string, count int) {
		for i := range count {
			nodes = append(nodes, Node{
				Container: fmt.Sprintf("k3d-%s-%s-%d", s.Name, role, i),
				Filter:    fmt.Sprintf("%s:%d", role, i),
				Address:   s.Subnet.Node(len(nodes)),
			})
		}
	}
	add("server", s.Servers)
	add("agent", s.Agents)
	return nodes
}

// NodeNames lists the nodes' containers.
func (s ClusterSpec) NodeNames() []string {
	var names []string
	for _, node := range s.Nodes() {
		names = append(names, node.Container)
	}
	return names
}

// roleFilters selects all servers and, where there are any, all agents: k3d
// refuses a filter for a role that the cluster does not have.
func (s ClusterSpec) roleFilters() []string {
	if s.Agents == 0 {
		return []string{"server:*"}
	}
	return []string{"server:*", "agent:*"}
}

// File is one rendered file.
type File struct {
	// Name is the base name in ConfigDirectory.
	Name string
	// Content is the whole text.
	Content string
	// Secret reports whether the text must not be shown.
	Secret bool `json:",omitempty"`
}

// ClusterFiles are the files from which a cluster is created.
type ClusterFiles struct {
	// K3d is the configuration for `k3d cluster create --config`.
	K3d string
	// Node are the files mounted at ConfigDirectory, sorted by name.
	Node []File
}

// runtimeRenderers render the files of the container runtime.
func runtimeRenderers(spec ClusterSpec) map[string]func() (string, error) {
	runtime, containerd := spec.Runtime, spec.Release.Rules.Containerd
	if runtime.Name == RuntimeCRIO {
		return map[string]func() (string, error){
			FileCRIO:       func() (string, error) { return crioConfiguration(spec) },
			FileCRIOScript: func() (string, error) { return crioScript(), nil },
		}
	}
	renderers := map[string]func() (string, error){
		FileContainerd:       func() (string, error) { return containerdEnvironment(spec), nil },
		FileContainerdScript: func() (string, error) { return containerdScript(runtime, containerd), nil },
	}
	if len(runtime.Handlers()) > 0 {
		renderers[FileContainerdHandlers] = func() (string, error) { return containerdHandlers(runtime, containerd), nil }
	}
	return renderers
}

// RenderCluster renders a cluster's files.
func RenderCluster(spec ClusterSpec) (ClusterFiles, error) {
	rules, sampling := spec.Release.Rules, spec.Sampling
	renderers := map[string]func() (string, error){
		FileAPIServerTracing: func() (string, error) { return apiServerTracing(rules, spec.Receiver, sampling.APIServer) },
		FileK3sServer:        func() (string, error) { return k3sServerConfig(spec) },
		FileK3sSupervisor:    func() (string, error) { return k3sSupervisor, nil },
		FileKubelet:          func() (string, error) { return kubeletConfig(rules, spec.Receiver, sampling.Kubelet) },
	}
	if spec.Agents > 0 {
		renderers[FileK3sAgent] = func() (string, error) { return k3sAgentConfig(spec) }
	}
	maps.Copy(renderers, runtimeRenderers(spec))
	secret := addPulls(renderers, spec)

	var files ClusterFiles
	for _, name := range slices.Sorted(maps.Keys(renderers)) {
		content, err := renderers[name]()
		if err != nil {
			return ClusterFiles{}, fmt.Errorf("render %s of cluster %q: %w", name, spec.Name, err)
		}
		files.Node = append(files.Node, File{Name: name, Content: content, Secret: slices.Contains(secret, name)})
	}
	var err error
	if files.K3d, err = k3dClusterConfig(spec); err != nil {
		return ClusterFiles{}, fmt.Errorf("render k3d configuration of cluster %q: %w", spec.Name, err)
	}
	return files, nil
}
