// Each CRI-O release has its own versions/*.mod; this file only marks the folder as
// a module of its own.
module github.com/kubetracing/kubetracing/test/conformance/readers/crio

go 1.26.6
