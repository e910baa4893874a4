// Jaeger's own command, built as it is: v1.62.0 is also v2.0.0-rc2. This file only
// marks the folder as a module of its own.
module github.com/kubetracing/kubetracing/test/processes/jaeger

go 1.26.6
