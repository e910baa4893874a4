package tracing

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// K3dRelease is the release of k3d that is installed where there is none.
const K3dRelease = "5.9.0"

// Images that k3d creates containers of its own from, tagged with its release. The
// tools run for a moment whenever a cluster is created; the proxy balances the load of
// several servers.
//
// Source: github.com/k3d-io/k3d/v5@v5.9.0/pkg/types/images.go (GetToolsImage,
// GetLoadbalancerImage) and pkg/client/cluster.go (ClusterRun).
const (
	K3dToolsRepository = "ghcr.io/k3d-io/k3d-tools"
	K3dProxyRepository = "ghcr.io/k3d-io/k3d-proxy"
)

// LoadBalancer reports whether k3d puts a load balancer before the servers. One server
// needs nothing to balance its API.
func (s ClusterSpec) LoadBalancer() bool { return s.Servers > 1 }

// K3dImages returns the images that k3d uses beside the nodes' if it is K3dRelease.
func (s ClusterSpec) K3dImages() []string {
	images := []string{K3dToolsRepository + ":" + K3dRelease}
	if s.LoadBalancer() {
		images = append(images, K3dProxyRepository+":"+K3dRelease)
	}
	return images
}

// k3dConfig is the part of k3d.io/v1alpha5 SimpleConfig that this package sets.
//
// Source: github.com/k3d-io/k3d/v5@v5.9.0/pkg/config/v1alpha5/{types.go,schema.json}.
type k3dConfig struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Metadata   k3dMetadata `json:"metadata"`
	Servers    int         `json:"servers"`
	Agents     int         `json:"agents"`
	Image      string      `json:"image"`
	Network    string      `json:"network"`
	KubeAPI    k3dKubeAPI  `json:"kubeAPI"`
	Volumes    []k3dVolume `json:"volumes"`
	Env        []k3dEnv    `json:"env"`
	Options    k3dOptions  `json:"options"`
}

type k3dMetadata struct {
	Name string `json:"name"`
}

type k3dKubeAPI struct {
	HostIP   string `json:"hostIP"`
	HostPort string `json:"hostPort"`
}

type k3dVolume struct {
	Volume      string   `json:"volume"`
	NodeFilters []string `json:"nodeFilters"`
}

type k3dEnv struct {
	EnvVar      string   `json:"envVar"`
	NodeFilters []string `json:"nodeFilters"`
}

type k3dOptions struct {
	K3d        k3dOptionsK3d        `json:"k3d"`
	K3s        k3dOptionsK3s        `json:"k3s"`
	Kubeconfig k3dOptionsKubeconfig `json:"kubeconfig"`
	Runtime    k3dOptionsRuntime    `json:"runtime"`
}

type k3dOptionsK3d struct {
	Wait                bool   `json:"wait"`
	Timeout             string `json:"timeout"`
	DisableLoadbalancer bool   `json:"disableLoadbalancer"`
	DisableRollback     bool   `json:"disableRollback"`
}

type k3dOptionsK3s struct {
	ExtraArgs []k3dArg `json:"extraArgs,omitempty"`
}

type k3dArg struct {
	Arg         string   `json:"arg"`
	NodeFilters []string `json:"nodeFilters"`
}

type k3dOptionsKubeconfig struct {
	UpdateDefaultKubeconfig bool `json:"updateDefaultKubeconfig"`
	SwitchCurrentContext    bool `json:"switchCurrentContext"`
}

type k3dOptionsRuntime struct {
	Labels []k3dLabel `json:"labels"`
}

type k3dLabel struct {
	Label       string   `json:"label"`
	NodeFilters []string `json:"nodeFilters"`
}

// clusterStartTimeout is how long k3d waits for the API of every server. A
// healthy single server needs 5 to 15 s with its image at hand; the rest is for
// slow disks and for pulling the image.
const clusterStartTimeout = "300s"

var errDollarInK3dConfig = errors.New("the k3d configuration must not contain '$': k3d expands it as an environment variable")

func k3dClusterConfig(spec ClusterSpec) (string, error) {
	config := k3dConfig{
		APIVersion: "k3d.io/v1alpha5",
		Kind:       "Simple",
		Metadata:   k3dMetadata{Name: spec.Name},
		Servers:    spec.Servers,
		Agents:     spec.Agents,
		Image:      spec.NodeImage,
		Network:    spec.Network,
		// A fixed local port keeps the server URL, and so the Kubernetes
		// provider, the same when the cluster is rebuilt.
		KubeAPI: k3dKubeAPI{HostIP: "127.0.0.1", HostPort: strconv.Itoa(spec.APIPort)},
		Volumes: []k3dVolume{{Volume: spec.ConfigVolume + ":" + ConfigDirectory + ":ro", NodeFilters: spec.roleFilters()}},
		Env:     nodeEnvironment(spec),
		Options: k3dOptions{
			K3d: k3dOptionsK3d{
				Wait:                true,
				Timeout:             clusterStartTimeout,
				DisableLoadbalancer: !spec.LoadBalancer(),
				// A node that is rolled back cannot be diagnosed.
				DisableRollback: true,
			},
			Runtime: k3dOptionsRuntime{Labels: []k3dLabel{{Label: spec.OwnerLabel, NodeFilters: spec.roleFilters()}}},
		},
	}
	if spec.EmbeddedEtcd() && spec.Servers == 1 {
		// k3d asks for embedded etcd itself as soon as there are two servers.
		config.Options.K3s.ExtraArgs = []k3dArg{{Arg: "--cluster-init", NodeFilters: []string{"server:0"}}}
	}
	out, err := encode("k3d configuration", config)
	if err != nil {
		return "", err
	}
	// cmd/util/config/config.go of k3d passes the text through os.ExpandEnv.
	if strings.Contains(out, "$") {
		return "", errDollarInK3dConfig
	}
	return out, nil
}

// sendDelay is how many milliseconds a traced process keeps a span at most. The SDKs'
// default of 5 s is for networks; here a person waits, and the Collector is one hop
// away.
const sendDelay = 1000

// nodeEnvironment names k3s' configuration file, the address that k3s.sh waits for and,
// for every traced process, the node that it runs on and when it sends its spans: the
// OpenTelemetry SDKs of kube-apiserver, kubelet, etcd and containerd merge
// OTEL_RESOURCE_ATTRIBUTES into their resource and read OTEL_BSP_SCHEDULE_DELAY, in
// milliseconds, as CRI-O's does.
//
// Source: go.opentelemetry.io/otel/sdk/trace/batch_span_processor.go.
func nodeEnvironment(spec ClusterSpec) []k3dEnv {
	env := []k3dEnv{{EnvVar: "K3S_CONFIG_FILE=" + ConfigDirectory + "/" + FileK3sServer, NodeFilters: []string{"server:*"}}}
	if spec.Agents > 0 {
		env = append(env, k3dEnv{
			EnvVar:      "K3S_CONFIG_FILE=" + ConfigDirectory + "/" + FileK3sAgent,
			NodeFilters: []string{"agent:*"},
		})
	}
	env = append(env, k3dEnv{
		EnvVar:      fmt.Sprintf("OTEL_BSP_SCHEDULE_DELAY=%d", sendDelay),
		NodeFilters: spec.roleFilters(),
	})
	for _, node := range spec.Nodes() {
		env = append(env, k3dEnv{EnvVar: NodeAddressVariable + "=" + node.Address, NodeFilters: []string{node.Filter}})
		env = append(env, k3dEnv{
			EnvVar: fmt.Sprintf("OTEL_RESOURCE_ATTRIBUTES=k8s.cluster.name=%s,k8s.node.name=%s",
				spec.Name, node.Container),
			NodeFilters: []string{node.Filter},
		})
	}
	return env
}
