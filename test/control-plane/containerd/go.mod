// containerd's own command, built as it is. This file only marks the folder as a
// module of its own; the releases are in versions.
module github.com/kubetracing/kubetracing/test/control-plane/containerd

go 1.26.6
