// Each version of the Collector has its own versions/*.mod; this file only marks the
// folder as a module of its own.
module github.com/kubetracing/kubetracing/test/processes/collector

go 1.26.6
