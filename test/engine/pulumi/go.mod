// The Pulumi CLI, built as it is. This file only marks the folder as a module of
// its own.
module github.com/kubetracing/kubetracing/test/engine/pulumi

go 1.26.6
