package tracing

import _ "embed"

// ConfigDirectory is where the rendered files are mounted in every node.
const ConfigDirectory = "/etc/kubetracing"

// Names of the files in ConfigDirectory.
const (
	FileAPIServerTracing = "apiserver-tracing.yaml"
	FileKubelet          = "kubelet.yaml"
	FileContainerd       = "containerd.env"
	// FileContainerdHandlers are containerd's runtime handlers beside runc, if it has
	// any.
	FileContainerdHandlers = "containerd-handlers.toml"
	// FileContainerdScript and FileCRIOScript are POSIX shell scripts that start the
	// runtime: the first in containerd's place, the second in the background.
	FileContainerdScript = "containerd.sh"
	FileCRIOScript       = "crio.sh"
	// FileCRIO is CRI-O's whole configuration.
	FileCRIO          = "crio.conf"
	FileK3sServer     = "k3s-server.yaml"
	FileK3sAgent      = "k3s-agent.yaml"
	FileK3sSupervisor = "k3s.sh"
)

// NodeAddressVariable holds the address that a node must have.
const NodeAddressVariable = "KUBETRACING_NODE_ADDRESS"

// k3sSupervisor lets k3s restart without its node; the node image starts it.
//
//go:embed scripts/k3s.sh
var k3sSupervisor string

// disabledComponents are k3s add-ons that a traced cluster is better without:
// each one's controllers and images cost start-up time and fill the traces with
// irrelevant requests. CoreDNS and local storage stay.
var disabledComponents = []string{"metrics-server", "servicelb", "traefik"}

// disabled returns the add-ons that a cluster runs without. RuntimeClasses of k3s
// would conflict with ours: it has some for runtimes that it may find, crun
// among them, since k3s-io/k3s#8751. Earlier releases do not know the add-on and do
// not mind.
func disabled(runtime Runtime) []string {
	if len(runtime.Classes) == 0 {
		return disabledComponents
	}
	return append([]string{"runtimes"}, disabledComponents...)
}

// k3sConfig is a k3s configuration file: command-line arguments by their long
// names. Arguments stand in a mounted file instead of on the node's command
// line because a container's command line cannot change without replacing it.
//
// Source: https://docs.k3s.io/installation/configuration#configuration-file.
type k3sConfig struct {
	// ContainerRuntimeEndpoint is the socket of a runtime that k3s does not start.
	ContainerRuntimeEndpoint string   `json:"container-runtime-endpoint,omitempty"`
	Disable                  []string `json:"disable,omitempty"`
	EtcdArg                  []string `json:"etcd-arg,omitempty"`
	KubeAPIServerArg         []string `json:"kube-apiserver-arg,omitempty"`
	KubeControllerManagerArg []string `json:"kube-controller-manager-arg,omitempty"`
	KubeletArg               []string `json:"kubelet-arg"`
	// PrivateRegistry is the file from which k3s configures containerd's registries.
	PrivateRegistry string `json:"private-registry,omitempty"`
}

// controllerManagerArguments lift the limit of 20 requests per second of
// kube-controller-manager. It makes a hundred requests before it starts the first of its
// controllers, the one that gives a node its range of pod addresses among them: without
// the limit a node is ready three seconds earlier.
//
// Source: k8s.io/kubernetes pkg/controller/apis/config/v1alpha1/defaults.go.
var controllerManagerArguments = []string{"kube-api-qps=1000", "kube-api-burst=1000"}

func k3sServerConfig(spec ClusterSpec) (string, error) {
	rules := spec.Release.Rules
	config := k3sConfig{
		ContainerRuntimeEndpoint: runtimeEndpoint(spec.Runtime),
		Disable:                  disabled(spec.Runtime),
		KubeAPIServerArg:         []string{"tracing-config-file=" + ConfigDirectory + "/" + FileAPIServerTracing},
		KubeControllerManagerArg: controllerManagerArguments,
		KubeletArg:               kubeletArguments(),
		PrivateRegistry:          privateRegistry(spec),
	}
	if rules.NeedsFeatureGates {
		config.KubeAPIServerArg = append(config.KubeAPIServerArg, "feature-gates=APIServerTracing=true")
	}
	if rules.EgressSelectorPanics {
		config.KubeAPIServerArg = append(config.KubeAPIServerArg, "egress-selector-config-file=")
	}
	if spec.EmbeddedEtcd() && spec.Sampling.Etcd > 0 {
		config.EtcdArg = etcdArguments(rules.EtcdTracing, spec.Receiver, spec.Sampling.Etcd)
	}
	if spec.EmbeddedEtcd() && spec.Servers == 1 {
		config.EtcdArg = append(config.EtcdArg, loneEtcdArguments...)
	}
	return encode("k3s server configuration", config)
}

func k3sAgentConfig(spec ClusterSpec) (string, error) {
	return encode("k3s agent configuration", k3sConfig{
		ContainerRuntimeEndpoint: runtimeEndpoint(spec.Runtime),
		KubeletArg:               kubeletArguments(),
		PrivateRegistry:          privateRegistry(spec),
	})
}

// privateRegistry names the file with the registries; empty if there is none, or if k3s
// does not configure the runtime.
func privateRegistry(spec ClusterSpec) string {
	if len(spec.Pulls.Registries) == 0 || spec.Runtime.Name == RuntimeCRIO {
		return ""
	}
	return ConfigDirectory + "/" + FileContainerdRegistries
}

// runtimeEndpoint is empty for containerd, which k3s starts itself.
func runtimeEndpoint(runtime Runtime) string {
	if runtime.Name == RuntimeCRIO {
		return "unix://" + crioSocket
	}
	return ""
}

// kubeletArguments hands the kubelet our configuration file. k3s up to 1.31
// passes it on as --config, later ones merge it into their own configuration
// directory; --config is valid in both.
//
// Source: https://docs.k3s.io/installation/configuration (Kubelet Configuration
// Files), k3s PR #10433.
func kubeletArguments() []string {
	return []string{"config=" + ConfigDirectory + "/" + FileKubelet}
}
