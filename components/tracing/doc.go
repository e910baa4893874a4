// Package tracing renders every configuration file that makes a Kubernetes
// cluster trace itself: for kube-apiserver, kubelet, etcd, containerd, k3s,
// k3d, the OpenTelemetry Collector and Jaeger.
//
// It is pure: plain values in, bytes out, no Pulumi, no files, no network. The
// same input renders the same bytes, so that a rendered file can be part of a
// preview, a plan or a golden test. One table (versions.go) holds what each
// Kubernetes release accepts.
package tracing
