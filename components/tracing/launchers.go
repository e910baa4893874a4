package tracing

import (
	_ "embed"
	"fmt"
)

// A node image holds only binaries and one-line starters; mounted scripts run the
// binaries, so that changing them needs no other image.
var (
	//go:embed scripts/containerd.sh
	containerdLauncher string
	//go:embed scripts/crio.sh
	crioLauncher string
)

// crioStartSeconds is how long a node waits for its CRI-O to answer. It takes a
// second or two; the rest is for repairing its storage after a crash.
const crioStartSeconds = 60

// crioRegistriesDirectory holds configurations of registries that CRI-O reads besides
// the one of the image.
//
// Source: github.com/containers/image pkg/sysregistriesv2 (systemRegistriesConfDirPath).
const crioRegistriesDirectory = "/etc/containers/registries.conf.d"

// ContainerdDirectory holds containerd and its companions in a node image.
const ContainerdDirectory = "/opt/kubetracing/containerd/bin"

// containerdScript is what k3s starts as containerd.
func containerdScript(runtime Runtime, containerd string) string {
	return fmt.Sprintf("FILES=%s\nSTATE=/run\nBUNDLE=%s\nDEFAULT_RUNTIME=%s\nCRI_PLUGIN=%s\n",
		ConfigDirectory, ContainerdDirectory, runtime.Default, criPlugin(containerd)) + containerdLauncher
}

// crioScript starts CRI-O and keeps it running.
func crioScript() string {
	return fmt.Sprintf("FILES=%s\nBUNDLE=%s\nSOCKET=%s\nRUN=/run/kubetracing\nREGISTRIES=%s\nSTART_SECONDS=%d\n",
		ConfigDirectory, CRIODirectory, crioSocket, crioRegistriesDirectory, crioStartSeconds) + crioLauncher
}
