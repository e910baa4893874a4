package tracing

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// ServiceCRIO is the service name of CRI-O's spans, ServiceConmonRs that of
// conmon-rs'.
//
// Sources: cri-o internal/opentelemetry/tracing_config.go; conmon-rs
// conmon-rs/server/src/telemetry.rs (crate_name!).
const (
	ServiceCRIO     = "crio"
	ServiceConmonRs = "conmonrs"
)

// crioSocket is where CRI-O listens. /run is a tmpfs in k3d's nodes.
const crioSocket = "/var/run/crio/crio.sock"

// crioConfig is the part of crio.conf that this package sets. The keys mean the
// same in every release from 1.25 to 1.36.
//
// Source: cri-o pkg/config/config.go at v1.25.4 and v1.36.3.
type crioConfig struct {
	CRIO crioTable `toml:"crio"`
}

type crioTable struct {
	CleanShutdownFile string `toml:"clean_shutdown_file"`

	API     crioAPI     `toml:"api"`
	Runtime crioRuntime `toml:"runtime"`
	Image   crioImage   `toml:"image"`
	Network crioNetwork `toml:"network"`
	Tracing crioTracing `toml:"tracing"`
}

type crioAPI struct {
	Listen string `toml:"listen"`
}

type crioRuntime struct {
	CgroupManager  string                     `toml:"cgroup_manager"`
	ConmonCgroup   string                     `toml:"conmon_cgroup"`
	DefaultRuntime string                     `toml:"default_runtime"`
	DropInfraCtr   bool                       `toml:"drop_infra_ctr"`
	PinnsPath      string                     `toml:"pinns_path"`
	Runtimes       map[OCIRuntime]crioHandler `toml:"runtimes"`
}

type crioHandler struct {
	RuntimePath   string   `toml:"runtime_path"`
	RuntimeRoot   string   `toml:"runtime_root"`
	RuntimeType   string   `toml:"runtime_type"`
	MonitorPath   string   `toml:"monitor_path"`
	MonitorCgroup string   `toml:"monitor_cgroup"`
	MonitorEnv    []string `toml:"monitor_env,omitempty"`
}

type crioImage struct {
	PauseImage     string `toml:"pause_image"`
	GlobalAuthFile string `toml:"global_auth_file,omitempty"`
}

type crioNetwork struct {
	NetworkDir string   `toml:"network_dir"`
	PluginDirs []string `toml:"plugin_dirs"`
}

type crioTracing struct {
	EnableTracing                 bool   `toml:"enable_tracing"`
	TracingEndpoint               string `toml:"tracing_endpoint"`
	TracingSamplingRatePerMillion int    `toml:"tracing_sampling_rate_per_million"`
}

// crioConfiguration renders CRI-O's configuration. Everything else keeps CRI-O's
// own default: the files in a bundle are not used.
func crioConfiguration(spec ClusterSpec) (string, error) {
	runtime, rate := spec.Runtime, spec.Sampling.Runtime
	// CRI-O drops a handler whose binary it does not find, but not the built-in one
	// that a release calls its default: runc and crun are in every bundle.
	handlers := map[OCIRuntime]crioHandler{}
	for _, oci := range []OCIRuntime{OCIRunc, OCICrun, OCIYouki} {
		if oci != OCIYouki || runtime.Uses(oci) {
			handlers[oci] = newCRIOHandler(oci, runtime.CRIO)
		}
	}
	image := crioImage{PauseImage: pauseImage}
	if spec.Pulls.logins() {
		image.GlobalAuthFile = ConfigDirectory + "/" + FileCRIOAuth
	}
	var text strings.Builder
	encoder := toml.NewEncoder(&text)
	encoder.Indent = ""
	err := encoder.Encode(crioConfig{CRIO: crioTable{
		// Without that file, a CRI-O that was killed, with its node or alone, does not
		// repair its storage by removing it: images would go, and a directory that a
		// running container uses would keep CRI-O from starting.
		CleanShutdownFile: "",
		API:               crioAPI{Listen: crioSocket},
		Runtime: crioRuntime{
			// k3s configures the kubelet for systemd only where systemd started k3s.
			CgroupManager: "cgroupfs",
			// The only valid monitor cgroup with cgroupfs.
			ConmonCgroup:   monitorCgroup,
			DefaultRuntime: string(runtime.Default),
			// Without an infra container, the conmon-rs of a pod is started with the
			// default runtime's handler, whatever the pod's RuntimeClass says (seen with
			// CRI-O 1.34.0, internal/oci/runtime_pod.go).
			DropInfraCtr: len(runtime.Classes) == 0,
			PinnsPath:    CRIODirectory + "/pinns",
			Runtimes:     handlers,
		},
		Image:   image,
		Network: crioNetwork{NetworkDir: k3sCNIConfigDirectory, PluginDirs: []string{k3sCNIPluginDirectory}},
		Tracing: crioTracing{
			// A rate of 0 alone would still follow the kubelet's sampled calls.
			EnableTracing:                 rate > 0,
			TracingEndpoint:               grpcTarget(spec.Receiver),
			TracingSamplingRatePerMillion: rate,
		},
	}})
	if err != nil {
		return "", fmt.Errorf("encode CRI-O configuration: %w", err)
	}
	return text.String(), nil
}

// monitorCgroup puts a container's monitor into its pod's cgroup.
const monitorCgroup = "pod"

// newCRIOHandler is a runtime handler: conmon-rs watches a whole pod, conmon a
// single container.
func newCRIOHandler(oci OCIRuntime, release CRIORelease) crioHandler {
	handler := crioHandler{
		RuntimePath:   oci.path(),
		RuntimeRoot:   "/run/" + string(oci),
		RuntimeType:   "pod",
		MonitorPath:   CRIODirectory + "/conmonrs",
		MonitorCgroup: monitorCgroup,
	}
	switch {
	case !release.watchedByConmonRs(oci):
		handler.RuntimeType, handler.MonitorPath = "oci", CRIODirectory+"/conmon"
	case release.logsToSystemd():
		handler.MonitorEnv = []string{"LOG_DRIVER=systemd"}
	}
	return handler
}

const (
	// pauseImage is k3s' own default, which its flag does not pass on to CRI-O.
	//
	// Source: k3s pkg/cli/cmds/agent.go (pause-image).
	pauseImage = "docker.io/rancher/mirrored-pause:3.6"
	// k3sCNIConfigDirectory is where k3s writes flannel's configuration.
	//
	// Source: k3s pkg/agent/config/config.go (CNIConfDir).
	k3sCNIConfigDirectory = "/var/lib/rancher/k3s/agent/etc/cni/net.d"
	// k3sCNIPluginDirectory is where the k3s image has flannel's and the other
	// plugins.
	//
	// Source: k3s package/Dockerfile.
	k3sCNIPluginDirectory = "/bin"
)
