package components

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const workloadsType = "kubetracing:components:Workloads"

// WorkloadNamespace is where the test workloads run.
const WorkloadNamespace = "kubetracing"

// EchoPod is the name of the echo workload and of its pod.
const EchoPod = "echo"

// WorkloadsArgs describe the test workloads.
type WorkloadsArgs struct {
	// Cluster is where they run. Required.
	Cluster *Cluster
	// Echo runs the pod that prints "hi".
	Echo bool
}

// Workloads are the in-cluster test workloads, in a namespace of their own.
type Workloads struct {
	pulumi.ResourceState

	// Done names the workloads that have run to their end; known when they have.
	Done pulumi.StringArrayOutput `pulumi:"done"`
}

// NewWorkloads runs the test workloads.
func NewWorkloads(ctx *pulumi.Context, name string, args WorkloadsArgs, opts ...pulumi.ResourceOption) (*Workloads, error) {
	component := &Workloads{}
	if err := ctx.RegisterComponentResourceV2(workloadsType, name, pulumi.Map{
		"echo": pulumi.Bool(args.Echo),
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
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(WorkloadNamespace)},
	}, inCluster...)
	if err != nil {
		return nil, fmt.Errorf("workloads %q: %w", name, err)
	}
	done := pulumi.StringArray{}
	if args.Echo {
		pod, err := newEchoPod(ctx, name+"-echo", namespace, inCluster)
		if err != nil {
			return nil, fmt.Errorf("workloads %q: %w", name, err)
		}
		done = append(done, pod.ID().ApplyT(func(pulumi.ID) string { return EchoPod }).(pulumi.StringOutput))
	}
	component.Done = done.ToStringArrayOutput()
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{"done": component.Done})
}

// newEchoPod is `kubectl run --restart=Never -- echo hi` of the published recipe,
// as an object that can be waited for. It is a bare pod, as there: a Job would
// add its controller's seconds to every update, and a random suffix to the name
// under which the kubelet's spans are found.
func newEchoPod(
	ctx *pulumi.Context, name string, namespace *corev1.Namespace, opts []pulumi.ResourceOption,
) (*corev1.Pod, error) {
	// Long enough for a slow image pull, short enough for a bad image to be
	// reported while someone is still watching.
	timeouts := pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "4m"})
	pod, err := corev1.NewPod(ctx, name, &corev1.PodArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(EchoPod), Namespace: namespace.Metadata.Name()},
		Spec: corev1.PodSpecArgs{
			RestartPolicy:                pulumi.String("Never"),
			AutomountServiceAccountToken: pulumi.Bool(false),
			Containers: corev1.ContainerArray{corev1.ContainerArgs{
				Name:    pulumi.String(EchoPod),
				Image:   pulumi.String(echoImage),
				Command: stringArray([]string{"echo", "hi"}),
			}},
		},
	}, append(opts[:len(opts):len(opts)], timeouts)...)
	if err != nil {
		return nil, fmt.Errorf("pod %q: %w", EchoPod, err)
	}
	return pod, nil
}
