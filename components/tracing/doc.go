// Package tracing renders every configuration file that makes a Kubernetes
// cluster trace itself: for kube-apiserver, kubelet, etcd, containerd, k3s,
// k3d, the OpenTelemetry Collector and Jaeger.
//
// It is pure: plain values in, bytes out, no Pulumi, no files, no network. The
// same input gives the same bytes, so that a rendered file can stand in a
// preview, a plan or a golden test. What a Kubernetes release accepts is looked
// up in one table (versions.go) and nowhere else.
package tracing
