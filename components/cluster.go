package components

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/tracing"
)

const clusterType = "kubetracing:components:Cluster"

var (
	//go:embed scripts/cluster-lib.sh
	clusterLibrary string
	//go:embed scripts/runtime-containerd.sh
	runtimeContainerdScript string
	//go:embed scripts/runtime-crio.sh
	runtimeCRIOScript string
	//go:embed scripts/cluster-create.sh
	clusterCreateScript string
	//go:embed scripts/cluster-update.sh
	clusterUpdateScript string
	//go:embed scripts/cluster-delete.sh
	clusterDeleteScript string
	//go:embed scripts/cluster-start.sh
	clusterStartScript string
)

// ClusterArgs describe a traced k3d cluster.
type ClusterArgs struct {
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
	Network *Network
	// Owner marks the nodes as the stack's. Required.
	Owner Owner
}

// Cluster is a running k3d cluster whose nodes are ready.
type Cluster struct {
	pulumi.ResourceState

	// Kubeconfig gives access as cluster administrator. Secret.
	Kubeconfig pulumi.StringOutput `pulumi:"kubeconfig"`
	// Name is the k3d cluster's name, known once the nodes are ready.
	Name pulumi.StringOutput `pulumi:"name"`
	// Started names this cluster's start; a rebuilt cluster has another.
	Started pulumi.StringOutput `pulumi:"started"`
	// Identity is a digest of everything that cannot change in place.
	Identity string
	// Provider talks to this cluster and no other.
	Provider *kubernetes.Provider
	// Lifecycle is the resource whose deletion takes the cluster, and everything
	// in it, away.
	Lifecycle pulumi.Resource
}

// NewCluster creates a k3d cluster and waits until its nodes are ready.
func NewCluster(ctx *pulumi.Context, name string, args ClusterArgs, opts ...pulumi.ResourceOption) (*Cluster, error) {
	spec := args.Spec
	component := &Cluster{}
	if err := ctx.RegisterComponentResourceV2(clusterType, name, pulumi.Map{
		"kubernetes": pulumi.String(spec.Release.Kubernetes),
		"runtime":    pulumi.String(spec.Runtime.Name),
		"oci":        pulumi.String(spec.Runtime.Default),
		"servers":    pulumi.Int(spec.Servers),
		"agents":     pulumi.Int(spec.Agents),
		"samplingRatePerMillion": pulumi.Map{
			"apiserver": pulumi.Int(spec.Sampling.APIServer),
			"etcd":      pulumi.Int(spec.Sampling.Etcd),
			"kubelet":   pulumi.Int(spec.Sampling.Kubelet),
			"runtime":   pulumi.Int(spec.Sampling.Runtime),
		},
	}, component, opts...); err != nil {
		return nil, fmt.Errorf("cluster %q: %w", name, err)
	}

	sum := sha256.Sum256([]byte(args.Files.K3d))
	component.Identity = hex.EncodeToString(sum[:])[:12]
	literals := clusterLiterals(spec.Name, args.Owner, len(spec.Nodes()))
	runtimeScript := runtimeContainerdScript
	if spec.Runtime.Name == tracing.RuntimeCRIO {
		runtimeScript = runtimeCRIOScript
	}
	library := clusterLibrary + script(map[string]string{
		"HANDLERS": strings.Join(spec.Runtime.Handlers(), " "),
		"RECEIVER": spec.ReceiverGRPC(),
	}, runtimeScript)
	command, err := local.NewCommand(ctx, name+"-k3d", &local.CommandArgs{
		Create: pulumi.String(script(literals, library+script(map[string]string{
			"NETWORK": spec.Network, "ADDRESSES": nodeAddresses(spec),
		}, clusterCreateScript))),
		Update: pulumi.String(script(literals, library+clusterUpdateScript)),
		Delete: pulumi.String(script(literals, clusterLibrary+clusterDeleteScript)),
		Stdin:  pulumi.String(args.Files.K3d),
		Environment: pulumi.StringMap{
			// A changed value is an update: the nodes restart to read their files.
			"NODE_CONFIG": args.NodeConfig.Digest,
		},
		// Everything in k3d's configuration is fixed once the cluster exists.
		Triggers: pulumi.Array{pulumi.String(component.Identity)},
		Logging:  local.LoggingStderr,
	},
		pulumi.Parent(component),
		pulumi.DependsOn(append([]pulumi.Resource{args.Network.Bridge}, args.NodeImage.Built...)),
		// Names and ports are fixed; created first, the new cluster would be what
		// the deletion of the old one removes.
		pulumi.DeleteBeforeReplace(true),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "15m", Update: "15m", Delete: "5m"}),
	)
	if err != nil {
		return nil, fmt.Errorf("cluster %q: %w", name, err)
	}
	component.Lifecycle = command

	// Not an output of the command above: that one's outputs are unknown while it
	// restarts nodes, and with an unknown kubeconfig a preview announces changes of
	// everything in the cluster.
	kubeconfig, err := local.NewCommand(ctx, name+"-kubeconfig", &local.CommandArgs{
		Create: pulumi.String(script(map[string]string{"CLUSTER": spec.Name}, `exec k3d kubeconfig get "$CLUSTER"`+"\n")),
		// A rebuilt cluster has new certificates.
		Triggers: pulumi.Array{command.ID()},
		// What is on stdout must be in no log, and in the environment of no later
		// command.
		Logging:                local.LoggingNone,
		AddPreviousOutputInEnv: pulumi.Bool(false),
	}, pulumi.Parent(component), pulumi.AdditionalSecretOutputs([]string{"stdout"}))
	if err != nil {
		return nil, fmt.Errorf("cluster %q: %w", name, err)
	}
	component.Kubeconfig = pulumi.ToSecret(kubeconfig.Stdout).(pulumi.StringOutput)
	component.Name = command.ID().ApplyT(func(pulumi.ID) string { return spec.Name }).(pulumi.StringOutput)

	component.Started = command.ID().ToStringOutput()

	component.Provider, err = kubernetes.NewProvider(ctx, name+"-kubernetes", &kubernetes.ProviderArgs{
		Kubeconfig: component.Kubeconfig,
		// Without it, every preview in which the kubeconfig is unknown announces
		// that everything in the cluster is replaced.
		ClusterIdentifier: pulumi.String(component.Identity),
		// A throw-away cluster that is gone takes its objects with it.
		DeleteUnreachable: pulumi.Bool(true),
		// An update that was killed may have created what it could not note any more.
		// What is in the cluster under the names of ours is ours.
		UpsertExistingObjects: pulumi.Bool(true),
	}, pulumi.Parent(component))
	if err != nil {
		return nil, fmt.Errorf("cluster %q: %w", name, err)
	}
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{
		"kubeconfig": component.Kubeconfig,
		"name":       component.Name,
		"started":    component.Started,
	})
}

// clusterLiterals are what the scripts of a cluster act on.
func clusterLiterals(name string, owner Owner, nodes int) map[string]string {
	return map[string]string{
		"CLUSTER":     name,
		"OWNER_LABEL": owner.Label,
		"OWNER":       owner.Value,
		"NODES":       fmt.Sprint(nodes),
	}
}

// ClusterStartScript is a shell script that starts the nodes of a cluster and waits
// until all of them are ready. Pulumi has no use for it: nothing that it knows of
// has changed when a node was stopped.
func ClusterStartScript(name string, owner Owner, nodes int) string {
	return script(clusterLiterals(name, owner, nodes), clusterLibrary+clusterStartScript)
}

// ClusterDeleteScript is a shell script that removes a cluster of the owner's, or
// what there is of one: Pulumi does not know of a cluster whose creation was
// interrupted.
func ClusterDeleteScript(name string, owner Owner) string {
	return script(clusterLiterals(name, owner, 0), clusterLibrary+clusterDeleteScript)
}

// nodeAddresses are NODE=ADDRESS, separated by spaces.
func nodeAddresses(spec tracing.ClusterSpec) string {
	var pairs []string
	for _, node := range spec.Nodes() {
		pairs = append(pairs, node.Container+"="+node.Address)
	}
	return strings.Join(pairs, " ")
}

// startedAnnotation ties an object to the start of its cluster.
const startedAnnotation = "kubetracing/cluster"

// metadata is that of an object which is in no namespace of the stack's. It holds an
// output of the cluster, and any change of it replaces the object (replaced), so
// that the engine deletes the object before a cluster that is to be replaced. Without,
// it would delete the object last: from the new cluster, which is where the old
// one's address leads by then and which knows none of its certificates. What is in
// such a namespace goes with it, by the same rule.
//
// Source: pulumi/pulumi pkg/resource/deploy/step_generator.go
// (calculateDependentReplacements).
func (c *Cluster) metadata(name string) metav1.ObjectMetaArgs {
	return metav1.ObjectMetaArgs{
		Name:        pulumi.String(name),
		Annotations: pulumi.StringMap{startedAnnotation: c.Started},
	}
}

// replaced goes with metadata.
var replaced = pulumi.ReplaceOnChanges([]string{"metadata"})
