package workloads_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/backend"
	"github.com/kubetracing/kubetracing/components/cluster"
	"github.com/kubetracing/kubetracing/components/internal/enginetest"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/components/workloads"
	"github.com/kubetracing/kubetracing/components/workloads/catalog"
)

// program describes workloads in a cluster.
type program struct {
	names   []string
	classes []tracing.OCIRuntime
}

func newProgram() program { return program{names: catalog.Names()} }

// compose runs the workloads; all names begin with prefix.
func (p program) compose(t *testing.T, ctx *pulumi.Context, prefix string) error {
	t.Helper()
	spec := enginetest.ClusterSpec(t, "1.37")
	spec.Runtime.Classes = p.classes
	files, err := tracing.RenderCluster(spec)
	if err != nil {
		return err
	}
	network, err := backend.NewNetwork(ctx, prefix+"network", backend.NetworkArgs{
		Name: "traced", Subnet: spec.Subnet, Owner: enginetest.Owner(),
	})
	if err != nil {
		return err
	}
	image, err := cluster.NewNodeImage(ctx, prefix+"node-image", cluster.NodeImageArgs{
		Program: enginetest.Program, Spec: cluster.NodeImageSpec{Runtime: spec.Runtime}, Tag: cluster.NodeImageTag{Reference: spec.NodeImage}, Owner: enginetest.Owner(),
	})
	if err != nil {
		return err
	}
	config, err := cluster.NewNodeConfig(ctx, prefix+"node-config", cluster.NodeConfigArgs{
		Program: enginetest.Program, VolumeName: spec.ConfigVolume, Files: files.Node, Owner: enginetest.Owner(),
	})
	if err != nil {
		return err
	}
	running, err := cluster.New(ctx, prefix+"cluster", cluster.Args{
		Program: enginetest.Program, Spec: spec, Files: files, NodeImage: image, NodeConfig: config, Network: network, Owner: enginetest.Owner(),
	})
	if err != nil {
		return err
	}
	args := workloads.Args{
		Program: enginetest.Program, Cluster: running, Names: p.names, Receiver: network.Bridge,
		Target: catalog.Target{Cluster: spec, CollectorRate: tracing.SamplingRateMax, OTLPAddress: "10.112.4.3"},
	}
	if len(p.classes) > 0 {
		args.RuntimeClasses, err = cluster.NewRuntimeClasses(ctx, prefix+"runtime-classes", cluster.RuntimeClassesArgs{
			Cluster: running, Classes: p.classes,
		})
		if err != nil {
			return err
		}
	}
	_, err = workloads.New(ctx, prefix+"workloads", args)
	return err
}

func (p program) record(t *testing.T) *enginetest.Recorder {
	t.Helper()
	return enginetest.Record(t, func(ctx *pulumi.Context) error { return p.compose(t, ctx, "") })
}

func TestWorkloads_TwoInstances(t *testing.T) {
	t.Parallel()
	recorded := enginetest.Record(t, func(ctx *pulumi.Context) error {
		return errors.Join(newProgram().compose(t, ctx, "one-"), newProgram().compose(t, ctx, "two-"))
	})
	recorded.AssertUnique(t)
	assert.Equal(t, []string{"one-workloads", "two-workloads"}, recorded.Names("kubetracing:components:Workloads"))
}

func TestWorkloads_Preview(t *testing.T) {
	t.Parallel()
	previewed := enginetest.Preview(t, func(ctx *pulumi.Context) error { return newProgram().compose(t, ctx, "") })
	assert.Equal(t, newProgram().record(t).URNs(), previewed.URNs(), "nothing is hidden by an unknown value")
	pod := previewed.One(t, enginetest.Pod, "workloads-echo")
	assert.Equal(t, map[string]any{"name": "echo", "namespace": "kubetracing", "annotations": created}, pod.Input("metadata"))
}

// created keeps the provider from waiting until a pod is ready, but not until it is
// deleted.
var created = map[string]any{"pulumi.com/waitFor": "jsonpath={.metadata.uid}"}

func TestWorkloads_Echo(t *testing.T) {
	t.Parallel()
	recorded := newProgram().record(t)
	assert.Equal(t, map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": "kubetracing", "annotations": map[string]any{"kubetracing/cluster": "cluster-k3d-id"}},
	}, recorded.One(t, enginetest.Namespace, "workloads-namespace").Plain())

	pod := recorded.One(t, enginetest.Pod, "workloads-echo")
	assert.Equal(t, map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": "echo", "namespace": "kubetracing", "annotations": created},
		"spec": map[string]any{
			"restartPolicy":                "Never",
			"automountServiceAccountToken": false,
			"containers": []any{map[string]any{
				"name": "echo", "image": "docker.io/library/busybox:1.37.0", "command": []any{"echo", "hi"},
			}},
		},
	}, pod.Plain())
}

func TestWorkloads_Started(t *testing.T) {
	t.Parallel()
	recorded := newProgram().record(t)
	for name, test := range map[string]struct {
		pods, after []string
		restarts    bool
	}{
		"echo":      {[]string{"echo"}, []string{"workloads-echo"}, false},
		"crashloop": {[]string{"crashloop"}, []string{"workloads-crashloop"}, true},
		"traced-app": {[]string{"traced-app", "traced-app-client"}, []string{
			"workloads-traced-app-collector", "workloads-traced-app-scripts", "workloads-traced-app-service",
			"workloads-traced-app-server", "workloads-traced-app",
		}, false},
	} {
		wait := recorded.One(t, enginetest.Command, "workloads-"+name+"-started")
		assert.Equal(t, "../bin/kubetracing pods wait", wait.Input("create"))
		assert.Equal(t, wait.Input("create"), wait.Input("update"))
		assert.Equal(t, spec.Pods{
			Node: "k3d-traced-server-0", Namespace: "kubetracing", Names: test.pods, Restarts: test.restarts, Timeout: verify.Duration(4 * time.Minute),
		}, enginetest.Document[spec.Pods](t, wait))
		assert.Regexp(t, "^cluster-k3d-id [0-9a-f]{12}$", wait.Environment(t)[spec.AfterVariable], "they run again in another cluster")
		assert.Subset(t, wait.Dependencies(), test.after)
		wait.AssertChildOf(t, "Workloads", "workloads")
	}
	assert.Equal(t, []string{
		"workloads-churn", "workloads-crashloop-started", "workloads-echo-started", "workloads-traced-app-started",
		"workloads-traced-operator-certificate", "workloads-traced-operator-started",
	}, slices.DeleteFunc(
		recorded.Names(enginetest.Command), func(name string) bool { return !strings.HasPrefix(name, "workloads-") },
	), "nobody waits for a pod that never starts")
}

func TestWorkloads_Options(t *testing.T) {
	t.Parallel()
	recorded := newProgram().record(t)
	objects := 0
	for _, object := range recorded.All() {
		if !strings.HasPrefix(object.TypeToken, "kubernetes:") {
			continue
		}
		objects++
		name, request := object.Name, object.RegisterRPC
		assert.Equal(t, "urn:pulumi:test::kubetracing::kubetracing:components:Cluster$"+enginetest.Provider+
			"::cluster-kubernetes::cluster-kubernetes-id", request.GetProvider(), "%s is created in the stack's own cluster", name)
		assert.Equal(t, "urn:pulumi:test::kubetracing::kubetracing:components:Cluster$"+enginetest.Command+"::cluster-k3d",
			request.GetDeletedWith(), name)
		assert.Contains(t, object.Dependencies(), "cluster-k3d", name)
		assert.True(t, request.GetDeleteBeforeReplace(), "%s has a fixed name", name)
		object.AssertChildOf(t, "Workloads", "workloads")
		if object.TypeToken == enginetest.Namespace {
			// Deleted last, it would be asked of the new cluster with the old certificates.
			assert.Equal(t, []string{"cluster-k3d"}, object.PropertyDependencies("metadata"))
			assert.Equal(t, []string{"metadata"}, request.GetReplaceOnChanges())
			continue
		}
		if object.TypeToken == enginetest.Pod {
			assert.Equal(t, []string{"spec"}, request.GetReplaceOnChanges(), "%s: a changed pod runs again", name)
		}
		assert.Equal(t, []string{"workloads-namespace"}, object.PropertyDependencies("metadata"), "%s: it goes with its namespace", name)
		assert.Contains(t, object.Dependencies(), "network-bridge", "%s waits for the receiver of its spans", name)
	}
	assert.Equal(t, 16, objects)
	assert.Contains(t, recorded.One(t, enginetest.Command, "workloads-churn").Dependencies(), "network-bridge")
}

func TestWorkloads_RuntimeClasses(t *testing.T) {
	t.Parallel()
	p := newProgram()
	p.classes = []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCICrun}
	recorded := p.record(t)
	for _, class := range []string{"runc", "crun"} {
		pod := recorded.One(t, enginetest.Pod, "workloads-echo-"+class)
		spec, ok := pod.Input("spec").(map[string]any)
		require.True(t, ok)
		assert.Equal(t, class, spec["runtimeClassName"])
		assert.Contains(t, pod.Dependencies(), "runtime-classes-"+class, "a pod of an unknown class is refused")
	}
	spec, ok := recorded.One(t, enginetest.Pod, "workloads-echo").Input("spec").(map[string]any)
	require.True(t, ok)
	assert.NotContains(t, spec, "runtimeClassName", "the default needs no class")
}

func TestWorkloads_Failing(t *testing.T) {
	t.Parallel()
	recorded := newProgram().record(t)
	for name, want := range map[string]struct {
		restart, image string
		annotations    map[string]any
	}{
		"crashloop": {"Always", "docker.io/library/busybox:1.37.0", created},
		"imagepull": {"Never", "registry.invalid/kubetracing/missing:1", map[string]any{"pulumi.com/skipAwait": "true"}},
	} {
		pod := recorded.One(t, enginetest.Pod, "workloads-"+name)
		assert.Equal(t, map[string]any{
			"name": name, "namespace": "kubetracing", "annotations": want.annotations,
		}, pod.Input("metadata"))
		spec, ok := pod.Input("spec").(map[string]any)
		require.True(t, ok)
		assert.Equal(t, want.restart, spec["restartPolicy"], name)
		assert.Equal(t, want.image, spec["containers"].([]any)[0].(map[string]any)["image"], name)
	}
}

func TestWorkloads_Churn(t *testing.T) {
	t.Parallel()
	churn := newProgram().record(t).One(t, enginetest.Command, "workloads-churn")
	workload, known := catalog.Find("churn")
	require.True(t, known)
	assert.Equal(t, "docker exec --interactive k3d-traced-server-0 sh -s", churn.Input("create"))
	assert.Equal(t, workload.Runs(catalog.Target{})[0].Script, churn.Input("stdin"))
	assert.Equal(t, []any{"cluster-k3d-id"}, churn.Input("triggers"), "it runs again only in another cluster")
	assert.Nil(t, churn.Input("update"))
	assert.Nil(t, churn.Input("delete"))
	assert.Contains(t, churn.Dependencies(), "workloads-namespace")
	assert.Equal(t, "4m0s", churn.RegisterRPC.GetCustomTimeouts().GetCreate())
	churn.AssertChildOf(t, "Workloads", "workloads")
}

func TestWorkloads_TracedApp(t *testing.T) {
	t.Parallel()
	recorded := newProgram().record(t)
	service := recorded.One(t, enginetest.Service, "workloads-traced-app-collector")
	assert.Equal(t, map[string]any{"ports": []any{map[string]any{"name": "otlp-http", "port": 4318.0}}}, service.Input("spec"),
		"no selector finds what is outside the cluster")
	slice := recorded.One(t, enginetest.EndpointSlice, "workloads-traced-app-collector")
	assert.Equal(t, map[string]any{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
		"metadata": map[string]any{
			"name": "otel-collector", "namespace": "kubetracing", "labels": map[string]any{"kubernetes.io/service-name": "otel-collector"},
		},
		// The address on the nodes' network, which outlives the container.
		"endpoints": []any{map[string]any{"addresses": []any{"10.112.4.3"}}},
		"ports":     []any{map[string]any{"name": "otlp-http", "port": 4318.0, "protocol": "TCP"}},
	}, slice.Plain())
	assert.Contains(t, slice.Dependencies(), "workloads-traced-app-collector")

	server := recorded.One(t, enginetest.Pod, "workloads-traced-app-server")
	assert.Subset(t, server.Dependencies(), []string{
		"workloads-traced-app-collector", "workloads-traced-app-scripts", "workloads-traced-app-service",
	}, "a pod knows only the services that existed before it")
	spec, ok := server.Input("spec").(map[string]any)
	require.True(t, ok)
	assert.EqualValues(t, 1, spec["terminationGracePeriodSeconds"])
	assert.Equal(t, []any{map[string]any{"name": "scripts", "configMap": map[string]any{"name": "traced-app"}}}, spec["volumes"])
	client := recorded.One(t, enginetest.Pod, "workloads-traced-app")
	assert.Contains(t, client.Dependencies(), "workloads-traced-app-server")
}

func TestWorkloads_TracedOperator(t *testing.T) {
	t.Parallel()
	recorder := &enginetest.Recorder{Stdout: map[string]string{
		"workloads-traced-operator-certificate": `{"certificate": "CERTIFICATE", "key": "KEY"}`,
	}}
	require.NoError(t, recorder.Run(func(ctx *pulumi.Context) error {
		return program{names: []string{"traced-operator"}}.compose(t, ctx, "")
	}))
	issued := recorder.One(t, enginetest.Command, "workloads-traced-operator-certificate")
	assert.Equal(t, map[string]any{
		"create":                 enginetest.Program.Command("certificate", "issue"),
		"stdin":                  "{\n  \"node\": \"k3d-traced-server-0\",\n  \"user\": \"traced-operator\",\n  \"groups\": [\n    \"system:monitoring\"\n  ]\n}",
		"triggers":               []any{"cluster-k3d-id"},
		"logging":                "stderr",
		"addPreviousOutputInEnv": false,
	}, issued.Plain())
	assert.Equal(t, []string{"stdout"}, issued.RegisterRPC.GetAdditionalSecretOutputs())
	assert.Contains(t, issued.Dependencies(), "workloads-namespace")

	credentials := recorder.One(t, enginetest.Secret, "workloads-traced-operator-credentials")
	assert.True(t, credentials.Inputs["data"].IsSecret())
	assert.Equal(t, resource.PropertyMap{
		"tls.crt": resource.NewProperty("Q0VSVElGSUNBVEU="), "tls.key": resource.NewProperty("S0VZ"),
	}, credentials.Inputs["data"].SecretValue().Element.ObjectValue())
	assert.Equal(t, "kubernetes.io/tls", credentials.Input("type"))
	assert.Equal(t, map[string]any{"name": "traced-operator", "namespace": "kubetracing"}, credentials.Input("metadata"))

	operator := recorder.One(t, enginetest.Pod, "workloads-traced-operator")
	assert.Subset(t, operator.Dependencies(), []string{
		"workloads-traced-operator-credentials", "workloads-traced-operator-role-binding",
		"workloads-traced-operator-scripts", "workloads-traced-operator-object",
	})
	assert.Equal(t, []any{map[string]any{
		"apiGroups": []any{""}, "resources": []any{"configmaps"}, "verbs": []any{"get", "list", "watch", "create", "patch"},
	}}, recorder.One(t, enginetest.Role, "workloads-traced-operator-role").Input("rules"))
	binding := recorder.One(t, enginetest.RoleBinding, "workloads-traced-operator-role-binding")
	assert.Equal(t, []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "traced-operator"}},
		binding.Input("subjects"))
}

func TestWorkloads_TracedOperator_BrokenCertificate(t *testing.T) {
	t.Parallel()
	recorder := &enginetest.Recorder{Stdout: map[string]string{"workloads-traced-operator-certificate": "oops"}}
	err := recorder.Run(func(ctx *pulumi.Context) error {
		return program{names: []string{"traced-operator"}}.compose(t, ctx, "")
	})
	require.ErrorContains(t, err, "certificate of user traced-operator: decode *spec.KeyPair")
}

func TestWorkloads_Unknown(t *testing.T) {
	t.Parallel()
	err := (&enginetest.Recorder{}).Run(func(ctx *pulumi.Context) error { return program{names: []string{"ecco"}}.compose(t, ctx, "") })
	require.ErrorContains(t, err, `workloads "workloads": there is no workload "ecco"`)
}

func TestWorkloads_None(t *testing.T) {
	t.Parallel()
	recorded := program{}.record(t)
	assert.Empty(t, recorded.Names(enginetest.Pod))
	assert.Equal(t, []string{"workloads-namespace"}, recorded.Names(enginetest.Namespace))
}
