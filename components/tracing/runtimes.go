package tracing

import "slices"

// RuntimeName names a container runtime: what the kubelet talks to.
type RuntimeName string

const (
	// RuntimeContainerd is upstream containerd under k3s.
	RuntimeContainerd RuntimeName = "containerd"
	// RuntimeCRIO is CRI-O, which k3s finds at its socket.
	RuntimeCRIO RuntimeName = "crio"
)

// OCIRuntime names an OCI runtime: what the container runtime starts containers
// with. It is also the name of its runtime handler and of its RuntimeClass.
type OCIRuntime string

// The OCI runtimes that node images can carry.
const (
	OCIRunc  OCIRuntime = "runc"
	OCICrun  OCIRuntime = "crun"
	OCIYouki OCIRuntime = "youki"
)

// Runtime is what runs the containers of a cluster.
type Runtime struct {
	// Name is the container runtime.
	Name RuntimeName
	// CRIO is CRI-O's release; only for RuntimeCRIO.
	CRIO CRIORelease
	// Default is the OCI runtime of pods that name no RuntimeClass.
	Default OCIRuntime
	// Classes are the OCI runtimes that have a RuntimeClass, in the order in which
	// they were chosen.
	Classes []OCIRuntime
}

// Uses tells whether an OCI runtime is the default or has a RuntimeClass.
func (r Runtime) Uses(oci OCIRuntime) bool {
	return r.Default == oci || slices.Contains(r.Classes, oci)
}

// Handlers are the names of the runtime handlers that a cluster gets from us:
// containerd's runc is k3s' own.
func (r Runtime) Handlers() []string {
	var names []string
	for _, oci := range []OCIRuntime{OCIRunc, OCICrun, OCIYouki} {
		if r.Uses(oci) && (oci != OCIRunc || r.Name == RuntimeCRIO) {
			names = append(names, string(oci))
		}
	}
	return names
}

// ConmonRs returns the conmon-rs that watches the containers of pods that name no
// RuntimeClass; it is empty where another monitor, or none, does.
func (r Runtime) ConmonRs() ConmonRs {
	if r.Name != RuntimeCRIO || !r.CRIO.watchedByConmonRs(r.Default) {
		return ""
	}
	return r.CRIO.ConmonRs
}

// Monitors lists the binaries that watch CRI-O's containers.
func (r Runtime) Monitors() []string {
	switch {
	case r.CRIO.ConmonRs == "":
		return []string{"conmon"}
	case r.Uses(OCIYouki):
		return []string{"conmonrs", "conmon"}
	default:
		return []string{"conmonrs"}
	}
}

// Service is the service name of the runtime's spans.
func (r Runtime) Service() string {
	if r.Name == RuntimeCRIO {
		return ServiceCRIO
	}
	return ServiceContainerd
}

// Where a node image has its runtimes. They are in no folder in which k3s looks
// for runtimes of its own accord.
const (
	// CRIODirectory holds CRI-O, pinns and the container monitors.
	CRIODirectory = "/opt/kubetracing/crio/bin"
	// OCIDirectory holds the OCI runtimes. containerd's runc is not among them: it
	// is the one that comes with k3s.
	OCIDirectory = "/opt/kubetracing/oci/bin"
)

func (o OCIRuntime) path() string { return OCIDirectory + "/" + string(o) }
