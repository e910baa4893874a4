// The requirements are those of the releases in versions. This file only marks the
// folder as a module of its own.
module github.com/kubetracing/kubetracing/test/conformance/readers/callers

go 1.26.6
