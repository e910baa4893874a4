package components

import (
	"fmt"

	batchv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const workloadsType = "kubetracing:components:Workloads"

// WorkloadNamespace is where the test workloads run.
const WorkloadNamespace = "kubetracing"

// EchoJob is the name of the echo workload's Job.
const EchoJob = "echo"

// WorkloadsArgs describe the test workloads.
type WorkloadsArgs struct {
	// Cluster is where they run. Required.
	Cluster *Cluster
	// Echo runs the job that prints "hi".
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
		job, err := newEchoJob(ctx, name+"-echo", namespace, inCluster)
		if err != nil {
			return nil, fmt.Errorf("workloads %q: %w", name, err)
		}
		done = append(done, job.ID().ApplyT(func(pulumi.ID) string { return EchoJob }).(pulumi.StringOutput))
	}
	component.Done = done.ToStringArrayOutput()
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{"done": component.Done})
}

// newEchoJob is `kubectl run --image=busybox -- echo hi` of the published
// recipe, as an object that can be waited for.
func newEchoJob(
	ctx *pulumi.Context, name string, namespace *corev1.Namespace, opts []pulumi.ResourceOption,
) (*batchv1.Job, error) {
	// Long enough for a slow image pull, short enough for a bad image to be
	// reported while someone is still watching.
	timeouts := pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "4m"})
	job, err := batchv1.NewJob(ctx, name, &batchv1.JobArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(EchoJob), Namespace: namespace.Metadata.Name()},
		Spec: batchv1.JobSpecArgs{
			BackoffLimit: pulumi.Int(1),
			Template: corev1.PodTemplateSpecArgs{
				Spec: corev1.PodSpecArgs{
					RestartPolicy:                pulumi.String("Never"),
					AutomountServiceAccountToken: pulumi.Bool(false),
					Containers: corev1.ContainerArray{corev1.ContainerArgs{
						Name:    pulumi.String(EchoJob),
						Image:   pulumi.String(echoImage),
						Command: stringArray([]string{"echo", "hi"}),
					}},
				},
			},
		},
	}, append(opts[:len(opts):len(opts)], timeouts)...)
	if err != nil {
		return nil, fmt.Errorf("job %q: %w", EchoJob, err)
	}
	return job, nil
}
