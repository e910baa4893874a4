package tracing

import (
	"fmt"
	"strings"
)

// containerdHandlers renders the tables that follow what k3s writes into
// containerd's configuration: a handler for every OCI runtime but runc, which k3s
// configures itself. Only the handlers' own tables are written: the ones around
// them are k3s', and a table that stands twice keeps containerd from starting.
//
// Not a template of k3s': the ones before 1.25.13 have nothing to build on, and
// k3s would only take as default runtime what it has found itself.
//
// Source: containerd/v2@v2.3.4/docs/cri/config.md (runtimes, options).
func containerdHandlers(runtime Runtime, containerd string) string {
	var text strings.Builder
	for _, name := range runtime.Handlers() {
		table := fmt.Sprintf("plugins.%q.containerd.runtimes.%s", criPlugin(containerd), name)
		fmt.Fprintf(&text, "[%s]\nruntime_type = \"io.containerd.runc.v2\"\n", table)
		fmt.Fprintf(&text, "[%s.options]\nBinaryName = %q\n", table, OCIRuntime(name).path())
	}
	return text.String()
}

// criPlugin is the plugin whose table has the runtime handlers, in the form of
// configuration that k3s writes for a containerd line: version 2 for 1.x, version
// 3 for 2.x.
//
// Source: containerd/v2@v2.3.4/docs/cri/config.md.
func criPlugin(containerd string) string {
	if strings.HasPrefix(containerd, "1.") {
		return "io.containerd.grpc.v1.cri"
	}
	return "io.containerd.cri.v1.runtime"
}
