package components

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/backend"
	"github.com/kubetracing/kubetracing/components/cluster"
	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verification"
	"github.com/kubetracing/kubetracing/components/workloads"
	"github.com/kubetracing/kubetracing/stacks"
)

// Defaults of TracedClusterArgs.
const (
	// DefaultProgram is where the launcher builds the kubetracing binary.
	DefaultProgram = "../.kubetracing/bin/kubetracing"
	// DefaultRoot is the project's root.
	DefaultRoot = ".."
)

// TracedClusterArgs describe a traced cluster.
type TracedClusterArgs struct {
	// Stack is what the cluster consists of. Required. In a program with several traced
	// clusters, each needs physical names of its own: see [stacks.Stack.Named].
	Stack stacks.Stack
	// Program is the path of the kubetracing binary, relative to the folder of the
	// Pulumi program. Default: DefaultProgram.
	Program string
	// Root is the folder of the project, below which relative bundle directories are,
	// relative to the folder of the Pulumi program. Default: DefaultRoot.
	Root string
	// Images is what the Docker daemon has of the images of the nodes. Optional: without
	// it, another base image of the same name goes unnoticed.
	Images spec.LocalImages
	// Sources is the folder of kubetracing's sources, which contain the Dockerfile of the
	// nodes, relative to the folder of the Pulumi program. Default: Root.
	Sources string
}

// TracedCluster is a Kubernetes cluster that traces itself, with everything that
// receives, stores and checks its spans.
type TracedCluster struct {
	pulumi.ResourceState

	// JaegerURL is the URL of Jaeger's UI and query API. It is known at once; whatever
	// uses it waits until Jaeger is healthy.
	JaegerURL pulumi.StringOutput `pulumi:"jaegerUrl"`
	// Kubeconfig gives access as cluster administrator. Secret.
	Kubeconfig pulumi.StringOutput `pulumi:"kubeconfig"`
	// ClusterName is the k3d cluster's name, known once its nodes are ready.
	ClusterName pulumi.StringOutput `pulumi:"clusterName"`
	// Services counts the spans seen per service, in the newest traces; empty without
	// verification.
	Services pulumi.IntMapOutput `pulumi:"services"`
	// Traces links to a trace per workload and per expectation of the user's own; empty
	// without verification.
	Traces pulumi.StringMapOutput `pulumi:"traces"`

	// verified reports whether Services and Traces are those of a verification.
	verified bool
}

// Export makes the outputs those of the stack: jaegerUrl, kubeconfig, clusterName and,
// with verification, services and traces.
func (t *TracedCluster) Export(ctx *pulumi.Context) {
	ctx.Export("jaegerUrl", t.JaegerURL)
	ctx.Export("kubeconfig", t.Kubeconfig)
	ctx.Export("clusterName", t.ClusterName)
	if t.verified {
		ctx.Export("services", t.Services)
		ctx.Export("traces", t.Traces)
	}
}

// NewTracedCluster creates a traced cluster. Unless the stack turns verification off,
// its creation fails if the expected spans do not arrive.
func NewTracedCluster(
	ctx *pulumi.Context, name string, args TracedClusterArgs, opts ...pulumi.ResourceOption,
) (*TracedCluster, error) {
	if args.Program == "" {
		args.Program = DefaultProgram
	}
	if args.Root == "" {
		args.Root = DefaultRoot
	}
	if args.Sources == "" {
		args.Sources = args.Root
	}
	stack := args.Stack
	inputs := pulumi.Map{"name": pulumi.String(stack.Names.Cluster)}
	return resources.Register(ctx, "TracedCluster", name, inputs, &TracedCluster{}, opts, func(traced *TracedCluster) error {
		c := composition{
			args: args, stack: stack, layout: stack.Layout(), prefix: name + "-",
			program: resources.Program(args.Program), parent: pulumi.Parent(traced),
		}
		return c.compose(ctx, traced)
	})
}

// composition is a traced cluster that is being composed.
type composition struct {
	args    TracedClusterArgs
	stack   stacks.Stack
	layout  stacks.Layout
	prefix  string
	program resources.Program
	owner   resources.Owner
	parent  pulumi.ResourceOption
}

// receivers are what spans pass through.
type receivers struct {
	jaeger *backend.Jaeger
	// ids changes when one of them is replaced; known once all are healthy.
	ids pulumi.StringOutput
	// healthy is created once that is healthy to which the nodes export.
	healthy pulumi.Resource
}

// compose creates the components in the order in which they depend on one another.
func (c composition) compose(ctx *pulumi.Context, traced *TracedCluster) error {
	// What can be wrong is found before anything is registered.
	image := nodeImage(c.stack)
	tag, err := image.Tag(c.stack.Root, c.args.Images)
	if err != nil {
		return err
	}
	described := c.layout.Cluster
	described.NodeImage = tag.Reference
	files, err := tracing.RenderCluster(described)
	if err != nil {
		return err
	}

	c.owner, err = resources.NewOwner(ctx, c.prefix+"identity", c.program, c.stack.Names.Docker(), c.parent)
	if err != nil {
		return err
	}
	network, err := backend.NewNetwork(ctx, c.prefix+"network", backend.NetworkArgs{
		Name: c.stack.Names.Network(), Subnet: c.stack.Subnet, Owner: c.owner,
	}, c.parent)
	if err != nil {
		return err
	}
	receivers, err := c.newReceivers(ctx, network)
	if err != nil {
		return err
	}
	nodes, err := cluster.NewNodeImage(ctx, c.prefix+"node-image", cluster.NodeImageArgs{
		Program: c.program, Spec: image, Tag: tag, Sources: c.args.Sources, Root: c.args.Root, Owner: c.owner,
	}, c.parent)
	if err != nil {
		return err
	}
	config, err := cluster.NewNodeConfig(ctx, c.prefix+"node-config", cluster.NodeConfigArgs{
		Program: c.program, VolumeName: described.ConfigVolume, Files: files.Node, Owner: c.owner,
	}, c.parent)
	if err != nil {
		return err
	}
	kubernetes, err := cluster.New(ctx, c.prefix+"cluster", cluster.Args{
		Program: c.program, Spec: described, Files: files, NodeImage: nodes, NodeConfig: config, Network: network, Owner: c.owner,
	}, c.parent)
	if err != nil {
		return err
	}
	running, err := c.newWorkloads(ctx, kubernetes, receivers.healthy)
	if err != nil {
		return err
	}

	traced.JaegerURL = receivers.jaeger.URL
	traced.Kubeconfig = kubernetes.Kubeconfig
	traced.ClusterName = kubernetes.Name
	traced.Services = pulumi.IntMap{}.ToIntMapOutput()
	traced.Traces = pulumi.StringMap{}.ToStringMapOutput()
	if !c.stack.Settings.Verify.Enabled {
		return nil
	}
	seen, err := verification.New(ctx, c.prefix+"verification", verification.Args{
		Program:       c.program,
		JaegerURL:     receivers.jaeger.URL,
		Timeout:       c.stack.Settings.Verify.Timeout,
		MaxAge:        c.layout.MaxAge,
		Containers:    c.layout.Containers,
		After:         []pulumi.Resource{running},
		Services:      c.layout.Expected.Services,
		ServicesAfter: pulumi.Sprintf("%s %s %s", receivers.ids, config.Digest, kubernetes.Started),
		Workloads:     c.layout.Expected.Workloads,
		Runs:          running.Runs,
		Cluster:       kubernetes.Started,
		Own:           c.layout.Expected.Own,
	}, c.parent)
	if err != nil {
		return err
	}
	traced.Services, traced.Traces, traced.verified = seen.Services, seen.Traces, true
	return nil
}

// newReceivers creates Jaeger, its storage and the Collector.
func (c composition) newReceivers(ctx *pulumi.Context, network *backend.Network) (receivers, error) {
	settings, names := c.stack.Settings, c.stack.Names
	storage, err := c.newStorage(ctx, network)
	if err != nil {
		return receivers{}, err
	}
	jaeger, err := backend.NewJaeger(ctx, c.prefix+"jaeger", backend.JaegerArgs{
		Program:       c.program,
		ContainerName: names.Jaeger(),
		Image:         settings.Jaeger.Image,
		UIPort:        settings.Jaeger.UIPort,
		Spec:          c.stack.JaegerSpec(),
		Password:      c.stack.ServerPassword(),
		Storage:       storage,
		NetworkName:   network.Name,
		Address:       c.stack.Subnet.Jaeger(),
		Owner:         c.owner,
	}, c.parent)
	if err != nil {
		return receivers{}, err
	}
	if !settings.Collector.Enabled {
		return receivers{jaeger, jaeger.ContainerID, jaeger.Healthy}, nil
	}
	collector, err := backend.NewCollector(ctx, c.prefix+"collector", backend.CollectorArgs{
		Program:         c.program,
		ContainerName:   names.Collector(),
		Image:           settings.CollectorImage(),
		Pipeline:        c.stack.CollectorSpec(),
		Secrets:         c.stack.CollectorSecrets(),
		OTLPGRPCPort:    settings.Collector.OTLPGRPCPort,
		OTLPHTTPPort:    settings.Collector.OTLPHTTPPort,
		NetworkName:     network.Name,
		Address:         c.stack.Subnet.Collector(),
		JaegerContainer: names.Jaeger(),
		Jaeger:          jaeger,
		Owner:           c.owner,
	}, c.parent)
	if err != nil {
		return receivers{}, err
	}
	return receivers{jaeger, pulumi.Sprintf("%s %s", jaeger.ContainerID, collector.ContainerID), collector.Healthy}, nil
}

// newStorage creates what stores traces beside Jaeger, and returns the server to wait
// for; nil if the stack has none of its own.
func (c composition) newStorage(ctx *pulumi.Context, network *backend.Network) (pulumi.Resource, error) {
	settings, names := c.stack.Settings, c.stack.Names
	if !settings.Jaeger.Storage.IsServer() {
		return nil, nil
	}
	var healthy pulumi.Resource
	if settings.OwnServer() {
		server, err := backend.NewSearchServer(ctx, c.prefix+"server", backend.SearchServerArgs{
			Program:       c.program,
			Storage:       settings.Jaeger.Storage,
			ContainerName: names.Server(settings.Jaeger.Storage),
			Image:         settings.ServerImage(),
			Password:      c.stack.ServerPassword(),
			HeapMiB:       settings.Jaeger.Server.HeapMiB,
			NetworkName:   network.Name,
			Owner:         c.owner,
		}, c.parent)
		if err != nil {
			return nil, err
		}
		healthy = server.Healthy
	}
	_, err := backend.NewIndexCleaner(ctx, c.prefix+"index-cleaner", backend.IndexCleanerArgs{
		ContainerName: names.Cleaner(),
		Image:         settings.Jaeger.Server.CleanerImage,
		Server:        *c.stack.JaegerSpec().Server,
		Password:      c.stack.ServerPassword(),
		RetentionDays: settings.Jaeger.RetentionDays(),
		Storage:       healthy,
		NetworkName:   network.Name,
		Owner:         c.owner,
	}, c.parent)
	return healthy, err
}

// newWorkloads runs the workloads once the receiver of their spans is healthy.
func (c composition) newWorkloads(
	ctx *pulumi.Context, kubernetes *cluster.Cluster, receiver pulumi.Resource,
) (*workloads.Workloads, error) {
	args := workloads.Args{Program: c.program, Cluster: kubernetes, Target: c.layout.Workloads, Receiver: receiver}
	for _, name := range c.stack.Settings.Workloads {
		args.Names = append(args.Names, string(name))
	}
	if classes := c.stack.Settings.Runtime.RuntimeClasses; len(classes) > 0 {
		var err error
		args.RuntimeClasses, err = cluster.NewRuntimeClasses(ctx, c.prefix+"runtime-classes", cluster.RuntimeClassesArgs{
			Cluster: kubernetes, Classes: classes,
		}, c.parent)
		if err != nil {
			return nil, err
		}
	}
	return workloads.New(ctx, c.prefix+"workloads", args, c.parent)
}

// nodeImage returns what the image of a stack's nodes is made from.
func nodeImage(stack stacks.Stack) cluster.NodeImageSpec {
	runtime := stack.Settings.Runtime
	image := cluster.NodeImageSpec{
		Repository: stack.Names.NodeImage(),
		Stack:      stack.Names.Owner,
		Base:       stack.BaseImage(),
		Runtime:    stack.Runtime(),
		Containerd: stack.Release.ContainerdRelease(),
		Bundle:     (*cluster.Bundle)(runtime.Bundle),
		OCIBundles: map[tracing.OCIRuntime]cluster.Bundle{},
	}
	for _, oci := range []tracing.OCIRuntime{tracing.OCICrun, tracing.OCIYouki} {
		if bundle := runtime.OCIBundles.Of(oci); bundle != nil {
			image.OCIBundles[oci] = cluster.Bundle(*bundle)
		}
	}
	if monitor := runtime.Monitor; monitor != nil && (monitor.CRIO != "" || monitor.URL != "") {
		release, _ := tracing.PublishedCRIO(monitor.CRIO)
		image.Monitor = &cluster.Monitor{Release: release, URL: monitor.URL, SHA256: monitor.SHA256}
	}
	return image
}
