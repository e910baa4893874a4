// Package workloads holds the component that runs the workloads of the catalog in a
// cluster.
package workloads

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/cluster"
	"github.com/kubetracing/kubetracing/components/internal/manifest"
	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/components/workloads/catalog"
)

// Args describe the test workloads.
type Args struct {
	// Program is the kubetracing binary. Required.
	Program resources.Program
	// Cluster is where they run. Required.
	Cluster *cluster.Cluster
	// Target is what decides how they run. Required.
	Target catalog.Target
	// Names are the workloads to run. None by default.
	Names []string
	// Receiver is created once the receiver of their spans is healthy. A workload that
	// ran before it would leave no trace, and not run again. Required.
	Receiver pulumi.Resource
	// RuntimeClasses are those of the cluster. Optional.
	RuntimeClasses *cluster.RuntimeClasses
}

// Workloads are the in-cluster test workloads, in a namespace of their own.
type Workloads struct {
	pulumi.ResourceState

	// Done are the names of the runs that have ended or, if they never end, have
	// started; known when all have.
	Done pulumi.StringArrayOutput `pulumi:"done"`
	// Runs are the names of the runs, as echo or echo-crun, by themselves; each is known
	// when it has run.
	Runs map[string]pulumi.StringOutput
}

// New runs the test workloads.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Workloads, error) {
	inputs := pulumi.Map{"workloads": resources.StringArray(args.Names...)}
	component := &Workloads{Runs: map[string]pulumi.StringOutput{}}
	return resources.Register(ctx, "Workloads", name, inputs, component, opts, func(workloads *Workloads) error {
		namespace, err := args.Cluster.NewRootObject(ctx, name+"-namespace", manifest.Object{
			APIVersion: "v1", Kind: "Namespace", Name: catalog.Namespace,
		}, workloads)
		if err != nil {
			return err
		}
		after := []pulumi.Resource{namespace, args.Receiver}
		if args.RuntimeClasses != nil {
			after = append(after, args.RuntimeClasses.Created...)
		}
		done := pulumi.StringArray{}
		for _, chosen := range slices.Sorted(slices.Values(args.Names)) {
			workload, known := catalog.Find(chosen)
			if !known {
				return fmt.Errorf("there is no workload %q", chosen)
			}
			for _, run := range workload.Runs(args.Target) {
				last, err := runner{args, workloads, name + "-" + run.Name, namespace, after}.start(ctx, run)
				if err != nil {
					return fmt.Errorf("%s: %w", run.Name, err)
				}
				workloads.Runs[run.Name] = last.ID().ApplyT(func(pulumi.ID) string { return run.Name }).(pulumi.StringOutput)
				done = append(done, workloads.Runs[run.Name])
			}
		}
		workloads.Done = done.ToStringArrayOutput()
		return nil
	})
}

// runner creates the resources of a run.
type runner struct {
	args   Args
	parent *Workloads
	// name is the prefix of the resources' names.
	name      string
	namespace pulumi.Resource
	// after are what every resource waits for.
	after []pulumi.Resource
}

// start creates the resources of a run and returns the one that is created when it
// has run.
func (r runner) start(ctx *pulumi.Context, run catalog.Run) (pulumi.CustomResource, error) {
	if run.Script != "" {
		return r.runScript(ctx, run.Script)
	}
	if run.Client != nil {
		credentials, err := r.newCredentials(ctx, run)
		if err != nil {
			return nil, err
		}
		r.after = append(slices.Clone(r.after), credentials)
	}
	created := map[string]pulumi.Resource{}
	var all []pulumi.Resource
	var last pulumi.CustomResource
	for _, resource := range run.Resources {
		after := slices.Clone(r.after)
		for _, id := range resource.After {
			after = append(after, created[id])
		}
		options := []pulumi.ResourceOption{pulumi.DependsOn(after)}
		if resource.Kind == "Pod" {
			// Kubernetes can change the image of a pod that has run, which does not run again
			// then; nor does its kubelet say that it has seen the change, for which the
			// provider would wait.
			options = append(options, pulumi.ReplaceOnChanges([]string{"spec"}))
		}
		var err error
		last, err = r.args.Cluster.NewObject(ctx, r.name+resource.Suffix, resource.Object, r.metadata(ctx), r.parent, options...)
		if err != nil {
			return nil, err
		}
		created[resource.ID()] = last
		all = append(all, last)
	}
	if len(run.Pods) == 0 {
		return last, nil
	}
	return r.waitForPods(ctx, run, all)
}

// waitForPods waits until the pods of a run, whose objects have been created, have
// started. Changed objects or another cluster are waited for again.
func (r runner) waitForPods(ctx *pulumi.Context, run catalog.Run, created []pulumi.Resource) (pulumi.CustomResource, error) {
	definition, err := json.Marshal(run.Resources)
	if err != nil {
		return nil, fmt.Errorf("encode its objects: %w", err)
	}
	return resources.NewCommand(ctx, r.name+"-started", r.args.Program, resources.CommandArgs{
		Create: []string{"pods", "wait"},
		Document: spec.Pods{
			Node: r.args.Target.Cluster.NodeNames()[0], Namespace: catalog.Namespace, Names: run.Pods,
			Restarts: run.Restarts, Timeout: verify.Duration(catalog.Timeout),
		},
		Environment: pulumi.StringMap{
			spec.AfterVariable: pulumi.Sprintf("%s %s", r.args.Cluster.Started, resources.ShortDigest(definition)),
		},
	}, pulumi.Parent(r.parent), pulumi.DependsOn(created))
}

// newCredentials creates the Secret with the certificate and the key of a run's user.
func (r runner) newCredentials(ctx *pulumi.Context, run catalog.Run) (pulumi.Resource, error) {
	document, err := spec.Encode(spec.ClientCertificate{
		Node: r.args.Target.Cluster.NodeNames()[0], User: run.Client.User, Groups: run.Client.Groups,
	})
	if err != nil {
		return nil, err
	}
	issued, err := local.NewCommand(ctx, r.name+"-certificate", &local.CommandArgs{
		Create: pulumi.String(r.args.Program.Command("certificate", "issue")),
		Stdin:  pulumi.String(document),
		// A new cluster has another certificate authority.
		Triggers: pulumi.Array{r.args.Cluster.Started},
		// The key on stdout must be in no log, and in the environment of no later command.
		Logging:                local.LoggingStderr,
		AddPreviousOutputInEnv: pulumi.Bool(false),
	},
		pulumi.Parent(r.parent), pulumi.DependsOn(r.after), pulumi.Timeouts(&pulumi.CustomTimeouts{Create: catalog.Timeout.String()}),
		pulumi.AdditionalSecretOutputs([]string{"stdout"}),
	)
	if err != nil {
		return nil, err
	}
	data := issued.Stdout.ApplyT(func(stdout string) (map[string]string, error) {
		if stdout == "" && ctx.DryRun() {
			return nil, nil // without an engine, as in a plan, nothing has issued a certificate
		}
		var pair spec.KeyPair
		if err := spec.Decode([]byte(stdout), &pair); err != nil {
			return nil, fmt.Errorf("certificate of user %s: %w", run.Client.User, err)
		}
		encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
		return map[string]string{"tls.crt": encode(pair.Certificate), "tls.key": encode(pair.Key)}, nil
	})
	return r.args.Cluster.NewObject(ctx, r.name+"-credentials", manifest.Object{
		APIVersion: "v1", Kind: "Secret", Name: run.Name,
		Fields: manifest.Map{"type": "kubernetes.io/tls", "data": pulumi.ToSecret(data)},
	}, r.metadata(ctx), r.parent, pulumi.DependsOn(r.after))
}

// metadata returns what every object of a run has: as an output of the namespace, its
// name lets a replaced namespace replace the object.
func (r runner) metadata(ctx *pulumi.Context) pulumi.Map {
	return pulumi.Map{"namespace": resources.After(ctx, catalog.Namespace, r.namespace)}
}

// runScript runs a script in the cluster's first node, where kubectl is.
func (r runner) runScript(ctx *pulumi.Context, script string) (pulumi.CustomResource, error) {
	return local.NewCommand(ctx, r.name, &local.CommandArgs{
		Create: pulumi.String("docker exec --interactive " + resources.Quote(r.args.Target.Cluster.NodeNames()[0]) + " sh -s"),
		Stdin:  pulumi.String(script),
		// A new cluster has not seen it yet.
		Triggers: pulumi.Array{r.args.Cluster.Started},
		Logging:  local.LoggingStderr,
	}, pulumi.Parent(r.parent), pulumi.DependsOn(r.after), pulumi.Timeouts(&pulumi.CustomTimeouts{Create: catalog.Timeout.String()}))
}
