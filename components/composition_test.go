package components_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

var testOwner = components.Owner{Label: "kubetracing.stack", Value: "kubetracing/test"}

const (
	testJaegerImage    = "jaegertracing/jaeger:2.20.0"
	testCollectorImage = "otel/opentelemetry-collector:0.161.0"
)

// everything is the arguments of one of each component.
type everything struct {
	spec                       tracing.ClusterSpec
	jaeger                     tracing.JaegerSpec
	password                   string
	collector                  tracing.CollectorSpec
	secrets                    map[string]string
	uiPort                     int
	otlpGRPCPort, otlpHTTPPort *int
	bundle                     *components.Bundle
	names                      []string
	ociBundles                 map[tracing.OCIRuntime]components.Bundle
	monitor                    *components.Monitor
	services, workloads, own   []verify.Expectation
}

// newEverything is a small stack with all rates at their maximum.
func newEverything(t *testing.T) everything {
	t.Helper()
	return everything{
		spec:      newSpec(t, "1.37"),
		jaeger:    tracing.JaegerSpec{Storage: tracing.StorageMemory, MaxTraces: 1000},
		collector: tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax},
		uiPort:    16686,
		names:     []string{"echo", "crashloop", "imagepull", "churn", "traced-app"},
		services:  []verify.Expectation{{Name: "kubelet", Spans: []verify.SpanMatch{{Service: "kubelet"}}}},
		workloads: []verify.Expectation{{Name: "echo", Spans: []verify.SpanMatch{{Service: "containerd"}}}},
		own:       []verify.Expectation{{Name: "mine", Spans: []verify.SpanMatch{{Service: "shop"}}}},
	}
}

func newSpec(t *testing.T, kubernetes string) tracing.ClusterSpec {
	t.Helper()
	release, err := tracing.ResolveRelease(kubernetes)
	require.NoError(t, err)
	return tracing.ClusterSpec{
		Name: "traced", Release: release, Runtime: tracing.Runtime{Name: tracing.RuntimeContainerd, Default: tracing.OCIRunc},
		NodeImage: "traced-node:0123456789ab", Servers: 1,
		Network: "traced", Subnet: newSubnet(t), Receiver: tracing.CollectorAlias, ConfigVolume: "traced-tracing", APIPort: 6550,
		OwnerLabel: testOwner.String(),
		Sampling: tracing.Sampling{
			APIServer: tracing.SamplingRateMax, Etcd: tracing.SamplingRateMax,
			Kubelet: tracing.SamplingRateMax, Runtime: tracing.SamplingRateMax,
		},
	}
}

func newSubnet(t *testing.T) tracing.Subnet {
	t.Helper()
	subnet, err := tracing.ParseSubnet("10.112.4.0/22")
	require.NoError(t, err)
	return subnet
}

// compose creates one of each component, all names beginning with prefix.
func (e everything) compose(ctx *pulumi.Context, prefix string) error {
	files, err := tracing.RenderCluster(e.spec)
	if err != nil {
		return err
	}
	network, err := components.NewNetwork(ctx, prefix+"network", components.NetworkArgs{
		Name: e.spec.Network, Subnet: e.spec.Subnet, Owner: testOwner,
	})
	if err != nil {
		return err
	}
	jaeger, err := components.NewJaeger(ctx, prefix+"jaeger", components.JaegerArgs{
		ContainerName: "traced-jaeger", Image: testJaegerImage, UIPort: e.uiPort,
		Spec: e.jaeger, Password: e.password, NetworkName: network.Name, Address: e.spec.Subnet.Jaeger(), Owner: testOwner,
	})
	if err != nil {
		return err
	}
	collector, err := components.NewCollector(ctx, prefix+"collector", components.CollectorArgs{
		ContainerName: "traced-collector", Image: testCollectorImage,
		Pipeline: e.collector, Secrets: e.secrets,
		OTLPGRPCPort: e.otlpGRPCPort, OTLPHTTPPort: e.otlpHTTPPort,
		NetworkName: network.Name, Address: e.spec.Subnet.Collector(), JaegerContainer: "traced-jaeger", Jaeger: jaeger, Owner: testOwner,
	})
	if err != nil {
		return err
	}
	image, err := components.NewNodeImage(ctx, prefix+"node-image", e.nodeImage())
	if err != nil {
		return err
	}
	config, err := components.NewNodeConfig(ctx, prefix+"node-config", components.NodeConfigArgs{
		VolumeName: e.spec.ConfigVolume, Files: files.Node, Owner: testOwner,
	})
	if err != nil {
		return err
	}
	cluster, err := components.NewCluster(ctx, prefix+"cluster", components.ClusterArgs{
		Spec: e.spec, Files: files, NodeImage: image, NodeConfig: config, Network: network, Owner: testOwner,
	})
	if err != nil {
		return err
	}
	var runtimeClasses *components.RuntimeClasses
	if classes := e.spec.Runtime.Classes; len(classes) > 0 {
		runtimeClasses, err = components.NewRuntimeClasses(ctx, prefix+"runtime-classes", components.RuntimeClassesArgs{
			Cluster: cluster, Classes: classes,
		})
		if err != nil {
			return err
		}
	}
	workloads, err := components.NewWorkloads(ctx, prefix+"workloads", components.WorkloadsArgs{
		Cluster: cluster, Node: "k3d-traced-server-0", OTLPAddress: collector.Address, Names: e.names,
		RuntimeClasses: runtimeClasses,
	})
	if err != nil {
		return err
	}
	_, err = components.NewVerification(ctx, prefix+"verification", components.VerificationArgs{
		Program: "../bin/kubetracing", JaegerURL: jaeger.URL, Timeout: 90 * time.Second,
		Services:      e.services,
		Containers:    []string{"traced-collector", "k3d-traced-server-0"},
		ServicesAfter: pulumi.Sprintf("%s %s %s", collector.ContainerID, config.Digest, cluster.Started),
		Workloads:     e.workloads,
		Runs:          workloads.Runs,
		Cluster:       cluster.Started,
		Own:           e.own,
	})
	return err
}

func (e everything) nodeImage() components.NodeImageArgs {
	return components.NodeImageArgs{
		Repository: "traced-node", Base: e.spec.Release.Image,
		Runtime: e.spec.Runtime, Containerd: e.spec.Release.ContainerdRelease(),
		Bundle: e.bundle, Monitor: e.monitor, OCIBundles: e.ociBundles, Owner: testOwner,
	}
}

// record registers one of each component.
func (e everything) record(t *testing.T) *recorder {
	t.Helper()
	return record(t, func(ctx *pulumi.Context) error { return e.compose(ctx, "") })
}

func TestTwoInstancesOfEveryComponentShareNoResourceName(t *testing.T) {
	t.Parallel()
	recorded := record(t, func(ctx *pulumi.Context) error {
		return errors.Join(newEverything(t).compose(ctx, "one-"), newEverything(t).compose(ctx, "two-"))
	})
	seen := map[string]int{}
	for _, args := range recorded.got {
		seen[fmt.Sprintf("%s %s", args.TypeToken, args.Name)]++
	}
	for resource, count := range seen {
		assert.Equal(t, 1, count, "registrations of %s", resource)
	}
	for _, component := range []string{
		"Network", "Jaeger", "Collector", "NodeImage", "NodeConfig", "Cluster", "Workloads", "Verification",
	} {
		assert.Len(t, recorded.names(componentPrefix+component), 2, "instances of %s", component)
	}
}

func TestAPreviewInWhichNothingIsKnownEnds(t *testing.T) {
	t.Parallel()
	unknown := &recorder{unknown: true}
	ended := make(chan error, 1)
	go func() {
		ended <- unknown.run(
			func(ctx *pulumi.Context) error { return newEverything(t).compose(ctx, "") },
			func(info *pulumi.RunInfo) { info.DryRun = true },
		)
	}()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		require.FailNow(t, "the preview waits for a value that it will never get")
	}

	// The preview is complete: nothing hides behind an unknown value.
	var previewed, created []string
	for _, args := range unknown.got {
		previewed = append(previewed, args.TypeToken+" "+args.Name)
	}
	for _, args := range newEverything(t).record(t).got {
		created = append(created, args.TypeToken+" "+args.Name)
	}
	assert.ElementsMatch(t, created, previewed)

	// What decides about a replacement is known without any resource.
	assert.Equal(t, "traced-jaeger", unknown.one(t, tokenContainer, "jaeger-container").input("name"))
	triggers, ok := unknown.one(t, tokenCommand, "cluster-k3d").input("triggers").([]any)
	require.True(t, ok)
	assert.NotContains(t, triggers, nil)
}

func TestEveryResourceHangsBelowAComponentThatItsNameBeginsWith(t *testing.T) {
	t.Parallel()
	for _, args := range newEverything(t).record(t).got {
		r := registration{args}
		token, name := r.parent()
		if len(args.TypeToken) > len(componentPrefix) && args.TypeToken[:len(componentPrefix)] == componentPrefix {
			assert.Equal(t, "pulumi:pulumi:Stack", token, "type of %s's parent", args.Name)
			continue
		}
		assert.Contains(t, token, componentPrefix, "type of %s's parent", args.Name)
		assert.Regexp(t, "^"+name+"-", args.Name)
	}
}

func TestAComponentRecordsWhatAReaderOfAPreviewWantsToKnow(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	stack.spec.Sampling = tracing.Sampling{APIServer: 1, Etcd: 2, Kubelet: 3, Runtime: 4}
	recorded := stack.record(t)
	tests := map[string]struct {
		component, name string
		want            map[string]any
	}{
		"the cluster shows its version, size and rates": {"Cluster", "cluster", map[string]any{
			"kubernetes": stack.spec.Release.Kubernetes, "runtime": "containerd", "oci": "runc", "servers": 1.0, "agents": 0.0,
			"samplingRatePerMillion": map[string]any{"apiserver": 1.0, "etcd": 2.0, "kubelet": 3.0, "runtime": 4.0},
		}},
		"Jaeger shows its image, port and storage": {"Jaeger", "jaeger", map[string]any{
			"image": testJaegerImage, "uiPort": 16686.0, "storage": "memory",
		}},
		"the Collector shows its image, rate, queue and debugging": {"Collector", "collector", map[string]any{
			"image": testCollectorImage, "samplingRatePerMillion": 1000000.0, "queue": "memory", "debug": false,
		}},
		"the node image shows what it is made of": {"NodeImage", "node-image", map[string]any{
			"base": stack.spec.Release.Image, "containerd": stack.spec.Release.ContainerdRelease().Version,
		}},
		"the node configuration shows its volume": {"NodeConfig", "node-config", map[string]any{"volume": "traced-tracing"}},
		"the network shows its name":              {"Network", "network", map[string]any{"name": "traced", "subnet": "10.112.4.0/22"}},
		"the workloads show which of them run": {"Workloads", "workloads", map[string]any{
			"workloads": []any{"echo", "crashloop", "imagepull", "churn", "traced-app"},
		}},
		"the verification shows its timeout": {"Verification", "verification", map[string]any{"timeout": "1m30s"}},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, recorded.one(t, componentPrefix+test.component, test.name).Inputs.MapRepl(nil, nil))
		})
	}
}
