// Package program is the Pulumi program: what a stack consists of.
package program

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/infra/expected"
	"github.com/kubetracing/kubetracing/stacks"
)

// binary is this program, relative to its folder, in which Pulumi runs it.
const binary = "../.kubetracing/bin/kubetracing"

// Compose creates a stack's resources: Network, storage, Jaeger, Collector, node image
// and configuration, Cluster, Workloads, Verification.
func Compose(ctx *pulumi.Context, stack stacks.Stack) error {
	settings, names := stack.Settings, stack.Names
	owner := components.Owner{Label: stacks.OwnerLabel, Value: names.Owner}

	network, err := components.NewNetwork(ctx, "network", components.NetworkArgs{
		Name: names.Network(), Subnet: stack.Subnet, Owner: owner,
	})
	if err != nil {
		return err
	}
	storage, err := newStorage(ctx, stack, network.Name, owner)
	if err != nil {
		return err
	}
	jaeger, err := components.NewJaeger(ctx, "jaeger", components.JaegerArgs{
		ContainerName: names.Jaeger(),
		Image:         settings.Jaeger.Image,
		UIPort:        settings.Jaeger.UIPort,
		Spec:          stack.JaegerSpec(),
		Password:      stack.ServerPassword(),
		Storage:       storage,
		NetworkName:   network.Name,
		Address:       stack.Subnet.Jaeger(),
		Owner:         owner,
	})
	if err != nil {
		return err
	}
	// What changes when something that spans pass through is replaced.
	passedBy, otlpAddress := jaeger.ContainerID, jaeger.Address
	if settings.Collector.Enabled {
		collector, err := components.NewCollector(ctx, "collector", components.CollectorArgs{
			ContainerName:   names.Collector(),
			Image:           settings.CollectorImage(),
			Pipeline:        stack.CollectorSpec(),
			Secrets:         stack.CollectorSecrets(),
			OTLPGRPCPort:    settings.Collector.OTLPGRPCPort,
			OTLPHTTPPort:    settings.Collector.OTLPHTTPPort,
			NetworkName:     network.Name,
			Address:         stack.Subnet.Collector(),
			JaegerContainer: names.Jaeger(),
			Jaeger:          jaeger,
			Owner:           owner,
		})
		if err != nil {
			return err
		}
		passedBy = pulumi.Sprintf("%s %s", passedBy, collector.ContainerID)
		otlpAddress = collector.Address
	}

	imageArgs := components.NodeImageArgs{
		Repository: names.NodeImage(),
		Base:       stack.BaseImage(),
		Runtime:    stack.Runtime(),
		Containerd: stack.Release.ContainerdRelease(),
		Bundle:     (*components.Bundle)(settings.Runtime.Bundle),
		Monitor:    monitor(settings.Runtime.Monitor),
		OCIBundles: ociBundles(settings.Runtime),
		Owner:      owner,
	}
	imageTag, err := imageArgs.Tag()
	if err != nil {
		return err
	}
	nodeImage, err := components.NewNodeImage(ctx, "node-image", imageArgs)
	if err != nil {
		return err
	}

	spec := stack.ClusterSpec(imageTag)
	files, err := tracing.RenderCluster(spec)
	if err != nil {
		return err
	}
	nodeConfig, err := components.NewNodeConfig(ctx, "node-config", components.NodeConfigArgs{
		VolumeName: names.Volume(), Files: files.Node, Owner: owner,
	})
	if err != nil {
		return err
	}
	cluster, err := components.NewCluster(ctx, "cluster", components.ClusterArgs{
		Spec: spec, Files: files, NodeImage: nodeImage, NodeConfig: nodeConfig, Network: network, Owner: owner,
	})
	if err != nil {
		return err
	}
	workloadsArgs := components.WorkloadsArgs{
		Cluster: cluster, Node: spec.NodeNames()[0], OTLPAddress: otlpAddress, Names: workloadNames(settings),
	}
	if classes := settings.Runtime.RuntimeClasses; len(classes) > 0 {
		workloadsArgs.RuntimeClasses, err = components.NewRuntimeClasses(ctx, "runtime-classes", components.RuntimeClassesArgs{
			Cluster: cluster, Classes: classes,
		})
		if err != nil {
			return err
		}
	}
	workloads, err := components.NewWorkloads(ctx, "workloads", workloadsArgs)
	if err != nil {
		return err
	}

	progress := newPhases(ctx)
	progress.add("Jaeger and the Collector", passedBy)
	progress.add("the node image", nodeImage.Reference)
	progress.add("the cluster", cluster.Started)
	progress.add("the workloads", workloads.Done)
	defer progress.start()

	ctx.Export("jaegerUrl", jaeger.URL)
	ctx.Export("kubeconfig", cluster.Kubeconfig)
	ctx.Export("clusterName", cluster.Name)
	if !settings.Verify.Enabled {
		return nil
	}
	traces := expected.Of(stack)
	verification, err := components.NewVerification(ctx, "verification", components.VerificationArgs{
		Program:       binary,
		JaegerURL:     jaeger.URL,
		Timeout:       settings.Verify.Timeout,
		Services:      traces.Services,
		Containers:    expected.Containers(stack),
		ServicesAfter: pulumi.Sprintf("%s %s %s", passedBy, nodeConfig.Digest, cluster.Started),
		Workloads:     traces.Workloads,
		Runs:          workloads.Runs,
		Cluster:       cluster.Started,
		Own:           traces.Own,
	})
	if err != nil {
		return err
	}
	progress.add("waiting for spans", verification.Services, verification.Traces)
	ctx.Export("services", verification.Services)
	ctx.Export("traces", verification.Traces)
	return nil
}

func workloadNames(settings stacks.Settings) []string {
	names := make([]string, len(settings.Workloads))
	for i, workload := range settings.Workloads {
		names[i] = string(workload)
	}
	return names
}

// monitor is where conmon-rs comes from; nil where it is that of CRI-O's bundle.
func monitor(settings *stacks.MonitorSettings) *components.Monitor {
	if settings == nil || (settings.CRIO == "" && settings.URL == "") {
		return nil
	}
	release, _ := tracing.PublishedCRIO(settings.CRIO)
	return &components.Monitor{Release: release, URL: settings.URL, SHA256: settings.SHA256}
}

// ociBundles are the bundles that bring OCI runtimes.
func ociBundles(settings stacks.RuntimeSettings) map[tracing.OCIRuntime]components.Bundle {
	bundles := map[tracing.OCIRuntime]components.Bundle{}
	for _, oci := range []tracing.OCIRuntime{tracing.OCICrun, tracing.OCIYouki} {
		if bundle := settings.OCIBundles.Of(oci); bundle != nil {
			bundles[oci] = components.Bundle(*bundle)
		}
	}
	return bundles
}
