package cluster

import (
	_ "embed"
	"fmt"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/backend"
	"github.com/kubetracing/kubetracing/components/internal/manifest"
	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
)

//go:embed scripts/cluster-delete.sh
var deleteScript string

// Args describe a traced k3d cluster.
type Args struct {
	// Program is the kubetracing binary. Required.
	Program resources.Program
	// Spec decides everything about the cluster. Required.
	Spec tracing.ClusterSpec
	// Files are what Spec renders to. Required.
	Files tracing.ClusterFiles
	// NodeImage is the image of the nodes. Required.
	NodeImage *NodeImage
	// NodeConfig is the configuration that the nodes mount. Required.
	NodeConfig *NodeConfig
	// Network is the Docker network that the nodes join. Required. The Collector on
	// it starts beside the cluster: exporters keep and retry what they cannot send
	// for longer than it needs.
	Network *backend.Network
	// Owner marks the nodes. Required.
	Owner resources.Owner
}

// Cluster is a running k3d cluster whose nodes are ready.
type Cluster struct {
	pulumi.ResourceState

	// Kubeconfig gives access as cluster administrator. Secret.
	Kubeconfig pulumi.StringOutput `pulumi:"kubeconfig"`
	// Name is the k3d cluster's name, known once the nodes are ready.
	Name pulumi.StringOutput `pulumi:"name"`
	// Started identifies this cluster's start; a rebuilt cluster has another.
	Started pulumi.StringOutput `pulumi:"started"`
	// Lifecycle is the resource whose deletion deletes the cluster and everything in
	// it.
	Lifecycle pulumi.Resource

	// provider talks to this cluster and no other.
	provider *kubernetes.Provider
}

// New creates a k3d cluster and waits until its nodes are ready.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Cluster, error) {
	return resources.Register(ctx, "Cluster", name, args.inputs(), &Cluster{}, opts, func(cluster *Cluster) error {
		// Everything in k3d's configuration is fixed once the cluster exists.
		identity := resources.ShortDigest([]byte(args.Files.K3d))
		lifecycle, err := args.newLifecycle(ctx, name+"-k3d", identity, cluster)
		if err != nil {
			return err
		}
		// Not an output of the command above: its outputs are unknown while it restarts
		// nodes, and with an unknown kubeconfig a preview announces changes of everything
		// in the cluster.
		kubeconfig, err := local.NewCommand(ctx, name+"-kubeconfig", &local.CommandArgs{
			Create: pulumi.String(args.Program.Command("cluster", "kubeconfig", args.Spec.Name)),
			// A rebuilt cluster has new certificates.
			Triggers: pulumi.Array{lifecycle.ID()},
			// What is on stdout must be in no log, and in the environment of no later
			// command.
			Logging:                local.LoggingNone,
			AddPreviousOutputInEnv: pulumi.Bool(false),
		}, pulumi.Parent(cluster), pulumi.AdditionalSecretOutputs([]string{"stdout"}))
		if err != nil {
			return err
		}
		cluster.Lifecycle = lifecycle
		cluster.Started = lifecycle.ID().ToStringOutput()
		cluster.Kubeconfig = pulumi.ToSecret(kubeconfig.Stdout).(pulumi.StringOutput)
		cluster.Name = lifecycle.ID().ApplyT(func(pulumi.ID) string { return args.Spec.Name }).(pulumi.StringOutput)
		cluster.provider, err = kubernetes.NewProvider(ctx, name+"-kubernetes", &kubernetes.ProviderArgs{
			Kubeconfig: cluster.Kubeconfig,
			// Without it, every preview in which the kubeconfig is unknown announces
			// that everything in the cluster is replaced.
			ClusterIdentifier: pulumi.String(identity),
			// A throw-away cluster that is gone takes its objects with it.
			DeleteUnreachable: pulumi.Bool(true),
			// An update that was killed may have created objects that the state does not
			// know. The namespace and the classes are the stack's alone, and so is what has their
			// names.
			UpsertExistingObjects: pulumi.Bool(true),
		}, pulumi.Parent(cluster))
		return err
	})
}

// inputs returns what a preview shows of a changed cluster.
func (a Args) inputs() pulumi.Map {
	cluster := a.Spec
	return pulumi.Map{
		"kubernetes": pulumi.String(cluster.Release.Kubernetes),
		"runtime":    pulumi.String(cluster.Runtime.Name),
		"oci":        pulumi.String(cluster.Runtime.Default),
		"servers":    pulumi.Int(cluster.Servers),
		"agents":     pulumi.Int(cluster.Agents),
		"samplingRatePerMillion": pulumi.Map{
			"apiserver": pulumi.Int(cluster.Sampling.APIServer),
			"etcd":      pulumi.Int(cluster.Sampling.Etcd),
			"kubelet":   pulumi.Int(cluster.Sampling.Kubelet),
			"runtime":   pulumi.Int(cluster.Sampling.Runtime),
		},
	}
}

// newLifecycle creates the command that creates, updates and deletes the cluster.
func (a Args) newLifecycle(ctx *pulumi.Context, name, identity string, parent pulumi.Resource) (*local.Command, error) {
	document, err := a.document()
	if err != nil {
		return nil, err
	}
	return resources.NewCommand(ctx, name, a.Program, resources.CommandArgs{
		Create:   []string{"cluster", "create"},
		Update:   []string{"cluster", "update"},
		Delete:   resources.Script(map[string]string{"CLUSTER": a.Spec.Name}, deleteScript),
		Document: document,
		Environment: pulumi.StringMap{
			spec.StateVariable: a.Owner.State,
			// A new value is an update: what reads the files restarts.
			spec.NodeConfigVariable: a.NodeConfig.Digest,
		},
		Triggers: pulumi.Array{pulumi.String(identity)},
	},
		pulumi.Parent(parent),
		pulumi.DependsOn(append([]pulumi.Resource{a.Network.Bridge}, a.NodeImage.Built...)),
		// Names and ports are fixed; created first, the new cluster would be what
		// the deletion of the old one removes.
		pulumi.DeleteBeforeReplace(true),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "15m", Update: "15m", Delete: "5m"}),
	)
}

// document describes the cluster to the commands that create and update it.
func (a Args) document() (spec.Cluster, error) {
	k3d, err := yaml.YAMLToJSON([]byte(a.Files.K3d))
	if err != nil {
		return spec.Cluster{}, fmt.Errorf("k3d configuration: %w", err)
	}
	document := spec.Cluster{
		Name: a.Spec.Name, Stack: a.Owner.Stack, Network: a.Spec.Network,
		Runtime: spec.Runtime{
			Name: string(a.Spec.Runtime.Name), Handlers: a.Spec.Runtime.Handlers(), Receiver: a.Spec.ReceiverGRPC(),
		},
		K3d: k3d,
	}
	for i, node := range a.Spec.Nodes() {
		document.Nodes = append(document.Nodes, spec.Node{
			Container: node.Container, Server: i < a.Spec.Servers, Address: node.Address,
		})
	}
	return document, nil
}

// startedAnnotation ties an object to the start of its cluster.
const startedAnnotation = "kubetracing/cluster"

// NewObject creates an object in the cluster; metadata is added to what the manifest
// has of it.
func (c *Cluster) NewObject(
	ctx *pulumi.Context, name string, object manifest.Object, metadata pulumi.Map, parent pulumi.Resource, opts ...pulumi.ResourceOption,
) (pulumi.CustomResource, error) {
	return resources.NewObject(ctx, name, object, metadata, append([]pulumi.ResourceOption{
		pulumi.Parent(parent),
		pulumi.Provider(c.provider),
		// It is deleted with the cluster; deleting it first would only take time.
		pulumi.DeletedWith(c.Lifecycle),
		// A restart of the nodes must be over before anything is asked of them.
		pulumi.DependsOn([]pulumi.Resource{c.Lifecycle}),
		pulumi.DeleteBeforeReplace(true),
	}, opts...)...)
}

// NewRootObject creates an object that is in no namespace of the stack's. Its
// metadata holds an output of the cluster, and any change of that replaces the object,
// so that the engine deletes the object before a cluster that is to be replaced.
// Otherwise the engine would delete the object last: from the new cluster, to which
// the old one's address leads by then, and with other certificates. What
// is in such a namespace is deleted with it, by the same rule.
//
// Source: pulumi/pulumi pkg/resource/deploy/step_generator.go
// (calculateDependentReplacements).
func (c *Cluster) NewRootObject(
	ctx *pulumi.Context, name string, object manifest.Object, parent pulumi.Resource,
) (pulumi.CustomResource, error) {
	return c.NewObject(ctx, name, object, pulumi.Map{
		"annotations": pulumi.StringMap{startedAnnotation: c.Started},
	}, parent, pulumi.ReplaceOnChanges([]string{"metadata"}))
}
