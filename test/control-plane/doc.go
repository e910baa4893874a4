// Package controlplane starts etcd, kube-apiserver and containerd of a Kubernetes
// minor as processes of this machine, with the files and arguments that the
// program renders for that minor, and verifies their spans in a real Jaeger
// behind a real Collector. It has only tests; README.md describes how to run them.
package controlplane
