package components

import (
	"fmt"
	"slices"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const workloadsType = "kubetracing:components:Workloads"

// WorkloadNamespace is where the test workloads run.
const WorkloadNamespace = "kubetracing"

// WorkloadsArgs describe the test workloads.
type WorkloadsArgs struct {
	// Cluster is where they run. Required.
	Cluster *Cluster
	// Node is the Docker container of a server, through which a workload that is a
	// sequence of commands talks to the cluster. Required.
	Node string
	// OTLPAddress is the IPv4 address, on the nodes' network, of what takes OTLP.
	// Required for TracedApp.
	OTLPAddress pulumi.StringInput
	// Names are the workloads to run: EchoPod, CrashLoopPod, ImagePullPod, Churn,
	// TracedApp.
	Names []string
	// RuntimeClasses are those under which the echo workload runs too. Optional.
	RuntimeClasses *RuntimeClasses
}

// Workloads are the in-cluster test workloads, in a namespace of their own.
type Workloads struct {
	pulumi.ResourceState

	// Done names the workloads that have run to their end or, where they have none,
	// have started; known when they have.
	Done pulumi.StringArrayOutput `pulumi:"done"`
	// Runs name each run of a workload, by its name there and in its expectation, as
	// echo or echo-crun; known when it has run.
	Runs map[string]pulumi.StringOutput
}

// workload is what every workload is made with.
type workload struct {
	args   WorkloadsArgs
	parent *Workloads
	// name is the prefix of its resources' names.
	name      string
	namespace *corev1.Namespace
	// class is the RuntimeClass of its pods; empty means none.
	class tracing.OCIRuntime
	// opts make an object one of the stack's cluster.
	opts []pulumi.ResourceOption
}

// makers make the workloads. Each gives the resource that is there when the
// workload has run.
var makers = map[string]func(*pulumi.Context, workload) (pulumi.CustomResource, error){
	EchoPod:      newEcho,
	CrashLoopPod: newCrashLoop,
	ImagePullPod: newImagePull,
	Churn:        newChurn,
	TracedApp:    newTracedApp,
}

// NewWorkloads runs the test workloads.
func NewWorkloads(ctx *pulumi.Context, name string, args WorkloadsArgs, opts ...pulumi.ResourceOption) (*Workloads, error) {
	component := &Workloads{Runs: map[string]pulumi.StringOutput{}}
	if err := ctx.RegisterComponentResourceV2(workloadsType, name, pulumi.Map{
		"workloads": stringArray(args.Names),
	}, component, opts...); err != nil {
		return nil, fmt.Errorf("workloads %q: %w", name, err)
	}
	inCluster := []pulumi.ResourceOption{
		pulumi.Parent(component),
		pulumi.Provider(args.Cluster.Provider),
		// They go with the cluster; deleting them one by one first would only wait.
		pulumi.DeletedWith(args.Cluster.Lifecycle),
		// A restart of the nodes must be over before anything is asked of them.
		pulumi.DependsOn([]pulumi.Resource{args.Cluster.Lifecycle}),
		pulumi.DeleteBeforeReplace(true),
	}
	namespace, err := corev1.NewNamespace(ctx, name+"-namespace", &corev1.NamespaceArgs{
		Metadata: args.Cluster.metadata(WorkloadNamespace),
	}, append(inCluster[:len(inCluster):len(inCluster)], replaced)...)
	if err != nil {
		return nil, fmt.Errorf("workloads %q: %w", name, err)
	}
	if args.RuntimeClasses != nil {
		inCluster = append(inCluster, pulumi.DependsOn(args.RuntimeClasses.Created))
	}
	done := pulumi.StringArray{}
	for _, chosen := range slices.Sorted(slices.Values(args.Names)) {
		newWorkload, known := makers[chosen]
		if !known {
			return nil, fmt.Errorf("workloads %q: there is no workload %q", name, chosen)
		}
		for _, class := range args.classes(chosen) {
			runs := underClass(chosen, class)
			last, err := newWorkload(ctx, workload{args, component, name + "-" + runs, namespace, class, inCluster})
			if err != nil {
				return nil, fmt.Errorf("workloads %q: %s: %w", name, runs, err)
			}
			component.Runs[runs] = last.ID().ApplyT(func(pulumi.ID) string { return runs }).(pulumi.StringOutput)
			done = append(done, component.Runs[runs])
		}
	}
	component.Done = done.ToStringArrayOutput()
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{"done": component.Done})
}

// classes are the RuntimeClasses under which a workload runs; "" is none. Only echo
// is there to be compared.
func (a WorkloadsArgs) classes(workload string) []tracing.OCIRuntime {
	classes := []tracing.OCIRuntime{""}
	if workload == EchoPod && a.RuntimeClasses != nil {
		classes = append(classes, a.RuntimeClasses.Classes...)
	}
	return classes
}

// underClass names a workload under a RuntimeClass, as echo-crun.
func underClass(workload string, class tracing.OCIRuntime) string {
	if class == "" {
		return workload
	}
	return workload + "-" + string(class)
}

// with adds options to those of every object, without a place to share.
func (w workload) with(opts ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return append(w.opts[:len(w.opts):len(w.opts)], opts...)
}

// podTimeout is long enough for a slow image pull, and short enough for a bad image
// to be reported while someone is still watching.
var podTimeout = pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "4m"})

// unawaited keeps an update from waiting for what will never be ready.
//
// Source: pulumi-kubernetes provider/pkg/metadata/annotations.go.
var unawaited = pulumi.StringMap{"pulumi.com/skipAwait": pulumi.String("true")}

func (w workload) metadata(name string, annotations pulumi.StringMap) metav1.ObjectMetaArgs {
	metadata := metav1.ObjectMetaArgs{Name: pulumi.String(name), Namespace: w.namespace.Metadata.Name()}
	if annotations != nil {
		metadata.Annotations = annotations
	}
	return metadata
}

// newPod runs a container in a bare pod, as the published recipe does: a Job would
// add its controller's seconds to every update, and a random suffix to the name
// under which the kubelet's spans are found.
func (w workload) newPod(
	ctx *pulumi.Context, pod, restart string, container corev1.ContainerArgs, annotations pulumi.StringMap,
) (pulumi.CustomResource, error) {
	container.Name = pulumi.String(pod)
	var runtimeClass pulumi.StringPtrInput
	if w.class != "" {
		runtimeClass = pulumi.String(w.class)
	}
	made, err := corev1.NewPod(ctx, w.name, &corev1.PodArgs{
		Metadata: w.metadata(pod, annotations),
		Spec: corev1.PodSpecArgs{
			RestartPolicy:                pulumi.String(restart),
			RuntimeClassName:             runtimeClass,
			AutomountServiceAccountToken: pulumi.Bool(false),
			Containers:                   corev1.ContainerArray{container},
		},
	}, w.with(podTimeout)...)
	if err != nil {
		return nil, fmt.Errorf("pod %q: %w", pod, err)
	}
	return made, nil
}
