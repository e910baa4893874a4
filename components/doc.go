// Package components composes the components of a traced Kubernetes cluster.
//
// They are in four rooms, each of which may use those before it: backend receives,
// stores and shows spans; cluster makes the nodes and the cluster; workloads runs test
// workloads in it; verification waits for their spans. Packages tracing, verify, spec,
// expectations and workloads/catalog are pure: they know no Pulumi.
package components
