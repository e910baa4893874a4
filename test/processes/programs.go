package processes

import (
	"os"

	"github.com/kubetracing/kubetracing/test/processes/build"
)

// Collector is the OpenTelemetry Collector in the release of the default image,
// with the components that the rendered configurations name. Its filter, probabilistic
// sampler and tail sampling processors are of 0.161.0: of what their 0.162.0 needs, the
// public module proxy lacks a part (pkg/ottl/xottl).
var Collector = build.Program{Folder: "test/processes/collector", Version: "0.162.0"}

// Jaeger is Jaeger's own command. 1.62.0 is also 2.0.0-rc2: releases of Jaeger 2
// proper cannot be required as modules (their path has no /v2), and 1.76.0, the
// last with a usable number, needs a Collector line (0.140) of which the public
// checksum database lacks a part.
var Jaeger = build.Program{
	Folder: "test/processes/jaeger", Version: "1.62.0", Package: "github.com/jaegertracing/jaeger/cmd/jaeger",
}

// JaegerVariable and CollectorVariable name binaries to run instead of the ones
// built from modules, for releases that the module proxy does not have.
const (
	JaegerVariable    = "KUBETRACING_JAEGER"
	CollectorVariable = "KUBETRACING_COLLECTOR"
)

// binary returns the path of the binary that the variable names or, without one,
// that of the built program.
func binary(program build.Program, variable string) (string, error) {
	if path := os.Getenv(variable); path != "" {
		return path, nil
	}
	return program.Binary()
}
