package components_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/components/internal/enginetest"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/workloads/catalog"
	"github.com/kubetracing/kubetracing/stacks"
)

// identity is what identity create prints.
const identity = "IDENTITY"

// large is a configuration that uses every port, every kind of node and every
// component.
var large = map[string]string{
	"kubetracing:cluster":   `{"kubernetes":"1.37","servers":2,"agents":2,"apiPort":6551}`,
	"kubetracing:runtime":   `{"runtimeClasses":["runc","crun"]}`,
	"kubetracing:collector": `{"otlpGrpcPort":24317,"otlpHttpPort":24318}`,
	"kubetracing:jaeger":    `{"storage":"opensearch","server":{"password":"Tr4ces!!"}}`,
	"kubetracing:workloads": `["echo","crashloop","imagepull","churn","traced-app"]`,
}

func newStack(t *testing.T, config map[string]string) stacks.Stack {
	t.Helper()
	stack, err := stacks.New("kubetracing", "test", config)
	require.NoError(t, err)
	return stack
}

// compose is a program with one traced cluster.
func compose(args components.TracedClusterArgs) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		_, err := components.NewTracedCluster(ctx, "traced", args)
		return err
	}
}

func record(t *testing.T, stack stacks.Stack) *enginetest.Recorder {
	t.Helper()
	recorded := &enginetest.Recorder{Stdout: map[string]string{"traced-identity": identity}}
	require.NoError(t, recorded.Run(compose(components.TracedClusterArgs{Stack: stack})))
	return recorded
}

func TestTracedCluster_Preview(t *testing.T) {
	t.Parallel()
	stack := newStack(t, large)
	previewed := enginetest.Preview(t, compose(components.TracedClusterArgs{Stack: stack}))
	assert.Equal(t, record(t, stack).URNs(), previewed.URNs(), "nothing is hidden by an unknown value")
	for _, registration := range previewed.All() {
		if stdin, ok := registration.Inputs["stdin"]; ok {
			assert.True(t, stdin.IsString(), "%s: its document is known", registration.Name)
		}
	}
	triggers, ok := previewed.One(t, enginetest.Command, "traced-cluster-k3d").Input("triggers").([]any)
	require.True(t, ok)
	assert.NotContains(t, triggers, nil, "what replaces the cluster is known")
}

func TestTracedCluster_Identity(t *testing.T) {
	t.Parallel()
	command := record(t, newStack(t, nil)).One(t, enginetest.Command, "traced-identity")
	assert.Equal(t, "../.kubetracing/bin/kubetracing identity create", command.Input("create"))
	assert.Equal(t, `printf %s "$PULUMI_COMMAND_STDOUT"`, command.Input("update"), "it never changes")
	assert.Nil(t, command.Input("delete"))
	assert.Nil(t, command.Input("triggers"))
	assert.Equal(t, []string{"create", "update", "stdin", "logging"}, command.RegisterRPC.GetIgnoreChanges(),
		"while it was updated, every label would be unknown")
	data := []string{"kubetracing-test-jaeger", "kubetracing-test-collector", "kubetracing-test-opensearch", "kubetracing-test-elasticsearch"}
	assert.Equal(t, spec.Names{
		Stack: "kubetracing/test", Cluster: "kubetracing-test",
		Networks:   []string{"kubetracing-test"},
		Volumes:    append([]string{"kubetracing-test-tracing"}, data...),
		Containers: append([]string{"kubetracing-test-cleaner"}, data...),
	}, enginetest.Document[spec.Names](t, command))
	command.AssertChildOf(t, "TracedCluster", "traced")
}

// The identity is printed only if nobody else uses the names of the stack, so what
// waits for it touches nothing of anybody else's.
func TestTracedCluster_WaitsForIdentity(t *testing.T) {
	t.Parallel()
	recorded := record(t, newStack(t, large))
	dependencies := map[string][]string{}
	for _, registration := range recorded.All() {
		dependencies[registration.Name] = append(dependencies[registration.Name], registration.Dependencies()...)
	}
	var waits func(name string) bool
	waits = func(name string) bool {
		return name == "traced-identity" || slices.ContainsFunc(dependencies[name], waits)
	}
	for _, registration := range recorded.All() {
		switch {
		case strings.HasPrefix(registration.TypeToken, "kubetracing:"):
		case registration.TypeToken == enginetest.RemoteImage: // a published image, which is only pulled
		default:
			assert.True(t, waits(registration.Name), "%s %s", registration.TypeToken, registration.Name)
		}
	}
}

func TestTracedCluster_Labels(t *testing.T) {
	t.Parallel()
	labels := []any{
		map[string]any{"label": "kubetracing.stack", "value": "kubetracing/test"},
		map[string]any{"label": "kubetracing.state", "value": identity},
	}
	labelled := map[string]int{}
	for _, registration := range record(t, newStack(t, large)).All() {
		switch registration.TypeToken {
		case enginetest.Container, enginetest.Network, enginetest.Volume:
			assert.Equal(t, labels, registration.Input("labels"), registration.Name)
		case enginetest.Image:
			build := registration.Inputs["build"].ObjectValue()["args"].ObjectValue()
			for argument, value := range map[resource.PropertyKey]string{
				"STACK_LABEL": "kubetracing.stack", "STACK_VALUE": "kubetracing/test",
				"STATE_LABEL": "kubetracing.state", "STATE_VALUE": identity,
			} {
				assert.Equal(t, value, build[argument].StringValue())
			}
		case enginetest.RemoteImage: // a published image
			continue
		default:
			assert.False(t, strings.HasPrefix(registration.TypeToken, "docker:"), "is %s labelled?", registration.TypeToken)
			if registration.Name == "traced-cluster-k3d" {
				assert.Equal(t, identity, registration.Environment(t)[spec.StateVariable], "for the nodes")
				assert.Contains(t, registration.Text(t, "stdin"), `"label": "kubetracing.stack=kubetracing/test"`)
				break
			}
			continue
		}
		labelled[registration.TypeToken]++
	}
	assert.Equal(t, map[string]int{
		enginetest.Container: 4, enginetest.Network: 1, enginetest.Volume: 3, enginetest.Image: 1, enginetest.Command: 1,
	}, labelled)
}

func TestTracedCluster_TwoInOneStack(t *testing.T) {
	t.Parallel()
	one := newStack(t, large)
	two, err := newStack(t, map[string]string{
		"kubetracing:cluster":   `{"apiPort":7551}`,
		"kubetracing:jaeger":    `{"uiPort":26686}`,
		"kubetracing:workloads": `["echo","churn"]`,
	}).Named("two")
	require.NoError(t, err)
	recorded := enginetest.Record(t, func(ctx *pulumi.Context) error {
		_, first := components.NewTracedCluster(ctx, "one", components.TracedClusterArgs{Stack: one})
		_, second := components.NewTracedCluster(ctx, "two", components.TracedClusterArgs{Stack: two})
		return errors.Join(first, second)
	})
	recorded.AssertUnique(t)
	physical := map[string]string{}
	claim := func(registration enginetest.Registration, kind string, name any) {
		key := fmt.Sprint(kind, " ", name)
		assert.Empty(t, physical[key], "%s of %s", key, registration.Name)
		physical[key] = registration.Name
	}
	for _, registration := range recorded.All() {
		switch registration.TypeToken {
		case enginetest.Container, enginetest.Network, enginetest.Volume:
			claim(registration, registration.TypeToken, registration.Input("name"))
		case enginetest.Image:
			claim(registration, registration.TypeToken, registration.Input("imageName"))
		case "kubetracing:components:Network":
			claim(registration, "subnet", registration.Input("subnet"))
		}
		if ports, ok := registration.Inputs["ports"]; ok && registration.TypeToken == enginetest.Container {
			for _, port := range ports.ArrayValue() {
				claim(registration, "port", port.ObjectValue()["external"].NumberValue())
			}
		}
		if strings.HasSuffix(registration.Name, "-cluster-k3d") {
			document := enginetest.Document[spec.Cluster](t, registration)
			claim(registration, "cluster", document.Name)
			for _, node := range document.Nodes {
				claim(registration, "address", node.Address)
			}
		}
	}
	assert.Equal(t, "two-cluster-k3d", physical["cluster kubetracing-test-two"])
	// Each has its own provider.
	for _, namespace := range []string{"one", "two"} {
		provider := recorded.One(t, enginetest.Namespace, namespace+"-workloads-namespace").RegisterRPC.GetProvider()
		assert.Contains(t, provider, "::"+namespace+"-cluster-kubernetes::")
	}
}

func TestTracedCluster_Parents(t *testing.T) {
	t.Parallel()
	for _, registration := range record(t, newStack(t, large)).All() {
		parent := registration.RegisterRPC.GetParent()
		switch {
		case registration.Name == "traced":
			assert.Contains(t, parent, "pulumi:pulumi:Stack")
		case strings.HasPrefix(registration.TypeToken, "kubetracing:components:"), registration.Name == "traced-identity":
			registration.AssertChildOf(t, "TracedCluster", "traced")
		default:
			component := parent[strings.LastIndex(parent, ":")+1:]
			assert.True(t, strings.HasPrefix(registration.Name, component+"-"), "%s is a child of %s", registration.Name, component)
			assert.NotEqual(t, "traced", component, registration.Name)
		}
	}
}

func TestTracedCluster_Arguments(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "bundle", "bin"), 0o755))
	for _, name := range []string{"containerd", "containerd-shim-runc-v2"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "bundle", "bin", name), nil, 0o755))
	}
	stack, err := stacks.Open(root, "kubetracing", "test", map[string]string{
		"kubetracing:runtime": `{"bundle":{"directory":"bundle"}}`,
	})
	require.NoError(t, err)
	build := func(args components.TracedClusterArgs) (resource.PropertyMap, any) {
		args.Stack = stack
		recorded := enginetest.Record(t, compose(args))
		return recorded.One(t, enginetest.Image, "traced-node-image-build").Inputs["build"].ObjectValue(),
			recorded.One(t, enginetest.Command, "traced-jaeger-healthy").Input("create")
	}
	// The directory is read below the root of the stack, wherever that is, and named
	// relative to the program's folder.
	image, command := build(components.TracedClusterArgs{})
	assert.Equal(t, "../bundle", image["context"].StringValue())
	assert.Equal(t, "../components/cluster/nodeimage/Dockerfile", image["dockerfile"].StringValue())
	assert.Equal(t, "../.kubetracing/bin/kubetracing container wait", command)

	image, command = build(components.TracedClusterArgs{Program: "./kubetracing", Root: "../..", Sources: "../../vendor/kubetracing"})
	assert.Equal(t, "../../bundle", image["context"].StringValue())
	assert.Equal(t, "../../vendor/kubetracing/components/cluster/nodeimage/Dockerfile", image["dockerfile"].StringValue())
	assert.Equal(t, "./kubetracing container wait", command)
}

// Another base image under the same name is another node image, and so another cluster.
func TestTracedCluster_BaseImage(t *testing.T) {
	t.Parallel()
	stack := newStack(t, map[string]string{"kubetracing:cluster": `{"image":"k3s:mine"}`})
	type recorded struct{ tag, base, cluster any }
	build := func(local spec.LocalImages) recorded {
		r := enginetest.Record(t, compose(components.TracedClusterArgs{Stack: stack, Images: local}))
		image := r.One(t, enginetest.Image, "traced-node-image-build")
		arguments := image.Inputs["build"].ObjectValue()["args"].ObjectValue()
		return recorded{
			image.Input("imageName"), arguments["BASE_VALUE"].StringValue(), r.One(t, enginetest.Command, "traced-cluster-k3d").Input("triggers"),
		}
	}
	one, two := build(spec.LocalImages{Base: "sha256:1"}), build(spec.LocalImages{Base: "sha256:2"})
	assert.Equal(t, "sha256:1", one.base)
	assert.NotEqual(t, one.tag, two.tag)
	assert.NotEqual(t, one.cluster, two.cluster, "what replaces the cluster")

	reference, _ := one.tag.(string)
	gone := build(spec.LocalImages{Nodes: []spec.LocalNodeImage{{Reference: reference, Base: "sha256:1"}}})
	assert.Equal(t, one, gone, "a base that the daemon has no more changes nothing")
}

func TestTracedCluster_MissingBundle(t *testing.T) {
	t.Parallel()
	recorded := &enginetest.Recorder{}
	stack := newStack(t, map[string]string{"kubetracing:runtime": `{"bundle":{"directory":"absent"}}`})
	err := recorded.Run(compose(components.TracedClusterArgs{Stack: stack}))
	require.ErrorContains(t, err, `traced cluster "traced": runtime bundle absent must hold bin/containerd`)
	assert.Len(t, recorded.All(), 1, "nothing but the component itself is registered")
}

func TestTracedCluster_Outputs(t *testing.T) {
	t.Parallel()
	// The outputs become inputs of another resource, where the recorder sees them.
	outputs := func(config map[string]string) enginetest.Registration {
		recorded := &enginetest.Recorder{Stdout: map[string]string{
			"traced-verification-services": `{"services":{"kubelet":3}}`,
			"traced-verification-echo":     `{"traces":{"echo":"http://127.0.0.1:16686/trace/1"}}`,
			"traced-cluster-kubeconfig":    "client-key-data: c2VjcmV0",
		}}
		require.NoError(t, recorded.Run(func(ctx *pulumi.Context) error {
			traced, err := components.NewTracedCluster(ctx, "traced", components.TracedClusterArgs{Stack: newStack(t, config)})
			if err != nil {
				return err
			}
			var probe struct{ pulumi.CustomResourceState }
			return ctx.RegisterResource("test:index:Probe", "probe", pulumi.Map{
				"jaegerUrl": traced.JaegerURL, "kubeconfig": traced.Kubeconfig, "clusterName": traced.ClusterName,
				"services": traced.Services, "traces": traced.Traces,
			}, &probe)
		}))
		return recorded.One(t, "test:index:Probe", "probe")
	}
	probe := outputs(nil)
	assert.Equal(t, "http://127.0.0.1:16686", probe.Input("jaegerUrl"))
	assert.Equal(t, []string{"traced-jaeger-healthy"}, probe.PropertyDependencies("jaegerUrl"))
	assert.True(t, probe.Inputs["kubeconfig"].IsSecret())
	assert.Equal(t, "client-key-data: c2VjcmV0", probe.Input("kubeconfig"))
	assert.Equal(t, "kubetracing-test", probe.Input("clusterName"))
	assert.Equal(t, map[string]any{"kubelet": 3.0}, probe.Input("services"))
	assert.Equal(t, map[string]any{"echo": "http://127.0.0.1:16686/trace/1"}, probe.Input("traces"))

	probe = outputs(map[string]string{"kubetracing:verify": `{"enabled":false}`})
	assert.Equal(t, map[string]any{}, probe.Input("services"))
	assert.Equal(t, map[string]any{}, probe.Input("traces"))
}

func TestTracedCluster_WithoutCollector(t *testing.T) {
	t.Parallel()
	recorded := record(t, newStack(t, map[string]string{
		"kubetracing:collector": `{"enabled":false}`, "kubetracing:workloads": `["echo","traced-app"]`,
	}))
	for _, registration := range recorded.All() {
		if registration.TypeToken != enginetest.Service && registration.TypeToken != enginetest.EndpointSlice {
			assert.NotContains(t, registration.Name, "collector")
		}
	}
	assert.Contains(t, recorded.One(t, enginetest.Pod, "traced-workloads-echo").Dependencies(), "traced-jaeger-healthy")
	slice := recorded.One(t, enginetest.EndpointSlice, "traced-workloads-traced-app-collector")
	assert.Equal(t, []any{map[string]any{"addresses": []any{newStack(t, nil).Subnet.Jaeger()}}}, slice.Input("endpoints"))
	search := enginetest.Document[spec.Verification](t, recorded.One(t, enginetest.Command, "traced-verification-services"))
	assert.Equal(t, []string{"kubetracing-test-jaeger", "k3d-kubetracing-test-server-0"}, search.Containers)
}

func TestTracedCluster_WorkloadsWaitForCollector(t *testing.T) {
	t.Parallel()
	recorded := record(t, newStack(t, map[string]string{"kubetracing:workloads": `["echo","crashloop","imagepull","churn","traced-app"]`}))
	for _, name := range catalog.Names() {
		for _, registration := range recorded.All() {
			if registration.Name == "traced-workloads-"+name {
				assert.Contains(t, registration.Dependencies(), "traced-collector-healthy", registration.Name)
			}
		}
	}
}

func TestTracedCluster_PublishesOnlyLocally(t *testing.T) {
	t.Parallel()
	published := map[string]int{}
	for _, registration := range record(t, newStack(t, large)).All() {
		if ports, ok := registration.Inputs["ports"]; ok && registration.TypeToken == enginetest.Container {
			for _, port := range ports.ArrayValue() {
				published[registration.Name]++
				assert.Equal(t, "127.0.0.1", port.ObjectValue()["ip"].StringValue(), registration.Name)
			}
		}
		assert.NotContains(t, registration.Inputs, resource.PropertyKey("publishAllPorts"), registration.Name)
		if network, ok := registration.Inputs["networkMode"]; ok {
			assert.Equal(t, "bridge", network.StringValue(), "%s: the host's network has no ports to bind", registration.Name)
		}
		if registration.Name == "traced-cluster-k3d" {
			published[registration.Name]++
			assert.Contains(t, string(enginetest.Document[spec.Cluster](t, registration).K3d), `"hostIP": "127.0.0.1"`)
		}
	}
	assert.Equal(t, map[string]int{"traced-jaeger-container": 1, "traced-collector-container": 2, "traced-cluster-k3d": 1}, published)
}

func TestTracedCluster_SearchServer(t *testing.T) {
	t.Parallel()
	recorded := record(t, newStack(t, large))
	jaeger := recorded.One(t, enginetest.Container, "traced-jaeger-container")
	assert.Contains(t, jaeger.Dependencies(), "traced-server-healthy")
	assert.Contains(t, recorded.One(t, enginetest.Container, "traced-index-cleaner-container").Dependencies(), "traced-server-healthy")
	search := enginetest.Document[spec.Verification](t, recorded.One(t, enginetest.Command, "traced-verification-services"))
	assert.Equal(t, "kubetracing-test-opensearch", search.Containers[0])
}
