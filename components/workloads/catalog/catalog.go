// Package catalog holds the test workloads, one file each: its name, its Kubernetes
// objects, and the traces that it must leave. It is pure, so that what checks the
// traces needs no Pulumi.
package catalog

import (
	"fmt"
	"slices"
	"time"

	"github.com/kubetracing/kubetracing/components/internal/manifest"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

// Namespace is where the workloads run.
const Namespace = "kubetracing"

// image is the image that the workloads run.
const image = "docker.io/library/" + spec.ToolsImage

// Timeout bounds the wait for a run: long enough for a slow image pull.
const Timeout = 4 * time.Minute

// Target is what decides how a workload runs and which traces it leaves.
type Target struct {
	// Cluster is where it runs.
	Cluster tracing.ClusterSpec
	// CollectorRate is the share of ordinary traces that reach Jaeger, per million.
	CollectorRate int
	// OTLPAddress is the IPv4 address, on the nodes' network, of the OTLP receiver.
	OTLPAddress string
}

// Workload is a test workload.
type Workload struct {
	// Name is how a stack chooses it.
	Name string
	// Summary describes what it does, beginning with a verb: "prints hi".
	Summary string
	// Runs returns what runs in a cluster.
	Runs func(Target) []Run
	// Expectations returns the traces that the runs must leave, each with the name of
	// its run. Only those that are certain are expected.
	Expectations func(Target) []verify.Expectation
}

// Run is one run of a workload.
type Run struct {
	// Name is the workload's name, as echo, or that of the workload under a RuntimeClass,
	// as echo-crun.
	Name string
	// Client is a user of the Kubernetes API that the resources need; nil if they need
	// none. A Secret of the run's name has its tls.crt and tls.key before they are created.
	Client *Client
	// Resources are created in the order of their dependencies. Nobody waits until they
	// are ready.
	Resources []Resource
	// Pods are the names of its pods that must start. The workload has run when they have
	// ended or, if they never end, are ready.
	Pods []string
	// Restarts reports whether they are meant to end again and again. They have started
	// then, too.
	Restarts bool
	// Script is a shell script that runs in the cluster's first node instead: see
	// churn.
	Script string
}

// Client is a user of the Kubernetes API with a client certificate.
type Client struct {
	// User is the user's name, and Groups are those that it belongs to.
	User   string
	Groups []string
}

// Resource is an object of a run.
type Resource struct {
	manifest.Object
	// Suffix follows the run's name in the name of the Pulumi resource, as -server.
	Suffix string
	// After are the IDs of objects of the run that must exist before it, as
	// Service/echo.
	After []string
}

// all are the workloads in the order in which the documentation lists them.
var all = []Workload{echo, crashLoop, imagePull, churn, tracedApp, tracedOperator}

// All returns the workloads.
func All() []Workload { return slices.Clone(all) }

// Names returns the names of the workloads.
func Names() []string {
	names := make([]string, len(all))
	for i, workload := range all {
		names[i] = workload.Name
	}
	return names
}

// Find returns the workload with a name, and whether there is one.
func Find(name string) (Workload, bool) {
	i := slices.IndexFunc(all, func(w Workload) bool { return w.Name == name })
	if i < 0 {
		return Workload{}, false
	}
	return all[i], true
}

// skipAwaitAnnotation is on what never becomes ready.
const skipAwaitAnnotation = "pulumi.com/skipAwait"

// MayFail reports whether a pod with these annotations is meant to fail.
func MayFail(annotations map[string]string) bool { return annotations[skipAwaitAnnotation] == "true" }

// skipAwait keeps an update from waiting for what never becomes ready.
//
// Source: pulumi-kubernetes provider/pkg/metadata/annotations.go.
func skipAwait() map[string]string { return map[string]string{skipAwaitAnnotation: "true"} }

// skipReady keeps an update from waiting until a pod is ready, as skipAwait does, but
// not until it is deleted: another one may get its name. Why a pod does not start is
// said in its events, and the provider waits for minutes without them.
//
// Source: pulumi-kubernetes provider/pkg/metadata/overrides.go (ReadyCondition,
// DeletedCondition).
func skipReady() map[string]string {
	return map[string]string{"pulumi.com/waitFor": "jsonpath={.metadata.uid}"}
}

// single returns the only run of a workload, all of whose pods must start.
func single(name string, resources ...Resource) []Run {
	run := Run{Name: name, Resources: resources}
	for _, resource := range resources {
		if resource.Kind == "Pod" {
			run.Pods = append(run.Pods, resource.Name)
		}
	}
	return []Run{run}
}

// pod returns a bare pod with one container of its name, as the published recipe has
// it: a Job would add its controller's seconds to every update, and a random suffix to
// the name under which the kubelet's spans are found.
func pod(name, restart string, container manifest.Map) Resource {
	container["name"] = name
	return Resource{
		Object: manifest.Object{
			APIVersion: "v1", Kind: "Pod", Name: name, Annotations: skipReady(),
			Fields: manifest.Map{"spec": manifest.Map{
				"restartPolicy":                restart,
				"automountServiceAccountToken": false,
				"containers":                   manifest.List{container},
			}},
		},
	}
}

// podTraced reports whether the trace of a single pod is certain: nothing on the way
// drops traces.
func (t Target) podTraced() bool {
	return t.CollectorRate == tracing.SamplingRateMax &&
		min(t.Cluster.Sampling.Kubelet, t.Cluster.Sampling.Runtime) == tracing.SamplingRateMax
}

// kubectl returns a command for people that runs kubectl in the first node, in the
// namespace of the workloads.
func (t Target) kubectl(arguments string) string {
	return fmt.Sprintf("docker exec %s kubectl --namespace %s %s", t.Cluster.NodeNames()[0], Namespace, arguments)
}

// Calls of the container runtime interface: the client span is the kubelet's, the
// server span the runtime's.
//
// Source: k8s.io/cri-api/pkg/apis/runtime/v1/api.proto.
const (
	criRunPodSandbox  = "runtime.v1.RuntimeService/RunPodSandbox"
	criStartContainer = "runtime.v1.RuntimeService/StartContainer"
	criPullImage      = "runtime.v1.ImageService/PullImage"
)

// call returns the spans of a call that the kubelet sends and the runtime answers.
func (t Target) call(operation string) []verify.SpanMatch {
	return []verify.SpanMatch{
		{Service: tracing.ServiceKubelet, Operation: operation},
		{Service: t.Cluster.Runtime.Service(), Operation: operation},
	}
}

// syncPod returns the kubelet's span around everything that it does for a pod.
// Releases without it do not say which pod a span is about.
func (t Target) syncPod(pod string) []verify.SpanMatch {
	if !t.Cluster.Release.Rules.SyncPodSpans {
		return nil
	}
	return []verify.SpanMatch{{
		Service: tracing.ServiceKubelet, Operation: "syncPod", Attributes: map[string]string{"k8s.pod": Namespace + "/" + pod},
	}}
}
