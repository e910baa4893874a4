package components_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

func TestTheEchoPodSaysHiInANamespaceOfOurs(t *testing.T) {
	t.Parallel()
	recorded := newEverything(t).record(t)
	namespace := recorded.one(t, tokenNamespace, "workloads-namespace")
	assert.Equal(t, map[string]any{
		"name": "kubetracing", "annotations": map[string]any{"kubetracing/cluster": "cluster-k3d-id"},
	}, namespace.input("metadata"))

	pod := recorded.one(t, tokenPod, "workloads-echo")
	assert.Equal(t, map[string]any{"name": "echo", "namespace": "kubetracing"}, pod.input("metadata"))
	assert.Equal(t, map[string]any{
		"restartPolicy":                "Never",
		"automountServiceAccountToken": false,
		"containers": []any{map[string]any{
			"name": "echo", "image": "docker.io/library/busybox:1.37.0", "command": []any{"echo", "hi"},
		}},
	}, pod.input("spec"))
	assert.Equal(t, "4m", pod.RegisterRPC.GetCustomTimeouts().GetCreate(), "a bad image is reported in minutes")
	assert.Contains(t, pod.dependencies(), "workloads-namespace")
}

// Deleted last, they would be asked of the new cluster with the old one's
// certificates.
func TestObjectsAreDeletedBeforeTheClusterIsReplaced(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	stack.spec.Runtime.Classes = []tracing.OCIRuntime{tracing.OCICrun}
	recorded := stack.record(t)
	for _, object := range []registration{
		recorded.one(t, tokenNamespace, "workloads-namespace"),
		recorded.one(t, "kubernetes:node.k8s.io/v1:RuntimeClass", "runtime-classes-crun"),
	} {
		dependencies := object.RegisterRPC.GetPropertyDependencies()["metadata"].GetUrns()
		require.Len(t, dependencies, 1, "%s: what its metadata comes from", object.Name)
		assert.Contains(t, dependencies[0], "::cluster-k3d")
		assert.Equal(t, []string{"metadata"}, object.RegisterRPC.GetReplaceOnChanges(), object.Name)
	}
}

func TestWorkloadsLiveAndDieWithTheCluster(t *testing.T) {
	t.Parallel()
	recorded := newEverything(t).record(t)
	objects := 0
	for _, args := range recorded.got {
		if !strings.HasPrefix(args.TypeToken, "kubernetes:") {
			continue
		}
		objects++
		object, name := registration{args}, args.Name
		request := object.RegisterRPC
		assert.Equal(t, "urn:pulumi:test::kubetracing::"+componentPrefix+"Cluster$"+tokenProvider+
			"::cluster-kubernetes::cluster-kubernetes-id", request.GetProvider(), "%s goes to the stack's own cluster", name)
		assert.Equal(t, "urn:pulumi:test::kubetracing::"+componentPrefix+"Cluster$"+tokenCommand+"::cluster-k3d",
			request.GetDeletedWith(), name)
		assert.Contains(t, object.dependencies(), "cluster-k3d", name)
		assert.True(t, request.GetDeleteBeforeReplace(), "%s has a fixed name", name)
		assertChildOf(t, object, "Workloads", "workloads")
	}
	assert.Equal(t, 10, objects)
}

func TestEchoRunsUnderEveryRuntimeClass(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	stack.spec.Runtime.Classes = []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCICrun}
	recorded := stack.record(t)
	assert.Subset(t, recorded.names(tokenPod), []string{"workloads-echo", "workloads-echo-runc", "workloads-echo-crun"})
	for _, class := range []string{"runc", "crun"} {
		object := recorded.one(t, "kubernetes:node.k8s.io/v1:RuntimeClass", "runtime-classes-"+class)
		assert.Equal(t, map[string]any{
			"name": class, "annotations": map[string]any{"kubetracing/cluster": "cluster-k3d-id"},
		}, object.input("metadata"))
		assert.Equal(t, class, object.input("handler"))
		assert.Contains(t, object.dependencies(), "cluster-k3d")
		assert.True(t, object.RegisterRPC.GetDeleteBeforeReplace())
		assertChildOf(t, object, "RuntimeClasses", "runtime-classes")

		pod := recorded.one(t, tokenPod, "workloads-echo-"+class)
		spec, ok := pod.input("spec").(map[string]any)
		require.True(t, ok)
		assert.Equal(t, class, spec["runtimeClassName"])
		assert.Contains(t, pod.dependencies(), "runtime-classes-"+class, "a pod of an unknown class is refused")
	}
	spec, ok := recorded.one(t, tokenPod, "workloads-echo").input("spec").(map[string]any)
	require.True(t, ok)
	assert.NotContains(t, spec, "runtimeClassName", "the default needs no class")
}

func TestTheFailingWorkloadsAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	recorded := newEverything(t).record(t)
	for name, want := range map[string]struct{ restart, image string }{
		"crashloop": {"Always", "docker.io/library/busybox:1.37.0"},
		"imagepull": {"Never", "registry.invalid/kubetracing/missing:1"},
	} {
		pod := recorded.one(t, tokenPod, "workloads-"+name)
		assert.Equal(t, map[string]any{
			"name": name, "namespace": "kubetracing", "annotations": map[string]any{"pulumi.com/skipAwait": "true"},
		}, pod.input("metadata"))
		spec, ok := pod.input("spec").(map[string]any)
		require.True(t, ok)
		assert.Equal(t, want.restart, spec["restartPolicy"], name)
		assert.Equal(t, want.image, spec["containers"].([]any)[0].(map[string]any)["image"], name)
	}
}

func TestChurnRunsAgainOnlyInAnotherCluster(t *testing.T) {
	t.Parallel()
	churn := newEverything(t).record(t).one(t, tokenCommand, "workloads-churn")
	assert.Equal(t, []any{"cluster-k3d-id"}, churn.input("triggers"))
	assert.Nil(t, churn.input("update"))
	assert.True(t, strings.HasPrefix(churn.text(t, "create"), "CONFIG_MAPS='20'\nIMAGE='docker.io/library/busybox:1.37.0'\n"+
		"NAMESPACE='kubetracing'\nNODE='k3d-traced-server-0'\nPODS='5'\nPREFIX='churn'\n"))
	assert.Contains(t, churn.dependencies(), "workloads-namespace")
	assert.Equal(t, "4m", churn.RegisterRPC.GetCustomTimeouts().GetCreate())
}

func TestTheTracedAppReachesTheCollectorThroughAService(t *testing.T) {
	t.Parallel()
	recorded := newEverything(t).record(t)

	service := recorded.one(t, "kubernetes:core/v1:Service", "workloads-traced-app-collector")
	assert.Equal(t, map[string]any{"ports": []any{map[string]any{"name": "otlp-http", "port": 4318.0}}}, service.input("spec"),
		"no selector finds what is outside the cluster")
	slice := recorded.one(t, "kubernetes:discovery.k8s.io/v1:EndpointSlice", "workloads-traced-app-collector")
	assert.Equal(t, map[string]any{
		"name": "otel-collector", "namespace": "kubetracing", "labels": map[string]any{"kubernetes.io/service-name": "otel-collector"},
	}, slice.input("metadata"))
	assert.Equal(t, []any{map[string]any{"addresses": []any{"10.112.4.3"}}}, slice.input("endpoints"),
		"the address on the nodes' network, which outlives the container")
	assert.Contains(t, slice.dependencies(), "collector-healthy")
	assert.Equal(t, []any{map[string]any{"name": "otlp-http", "port": 4318.0, "protocol": "TCP"}}, slice.input("ports"))

	server := recorded.one(t, tokenPod, "workloads-traced-app-server")
	assert.Subset(t, server.dependencies(), []string{"workloads-traced-app-collector", "workloads-traced-app-service"},
		"a pod knows only the services that were there before it")
	client := recorded.one(t, tokenPod, "workloads-traced-app")
	assert.Contains(t, client.dependencies(), "workloads-traced-app-server")
}

func TestAnUnknownWorkloadIsAnError(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	stack.names = []string{"ecco"}
	err := (&recorder{}).run(func(ctx *pulumi.Context) error { return stack.compose(ctx, "") })
	require.ErrorContains(t, err, `there is no workload "ecco"`)
}

func TestWithoutWorkloadsThereIsOnlyTheNamespace(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	stack.names = nil
	recorded := stack.record(t)
	assert.Empty(t, recorded.names(tokenPod))
	assert.Equal(t, []string{"workloads-namespace"}, recorded.names(tokenNamespace))
	assert.ElementsMatch(t, []string{"verification-services", "verification-own"}, slices.DeleteFunc(recorded.names(tokenCommand),
		func(name string) bool { return !strings.HasPrefix(name, "verification-") }))
}

func TestTheVerificationsChecks(t *testing.T) {
	t.Parallel()
	recorded := newEverything(t).record(t)
	digest := recorded.one(t, tokenCommand, "cluster-k3d").environment(t)["NODE_CONFIG"]
	tests := map[string]struct {
		name, once, onlyNew, stdin, after string
	}{
		"the services are looked for in new spans": {
			"verification-services", "false", "true",
			"- name: kubelet\n  spans:\n  - service: kubelet\n",
			"collector-container-id " + digest + " cluster-k3d-id",
		},
		"a workload is looked for in everything": {
			"verification-echo", "true", "false",
			"- name: echo\n  spans:\n  - service: containerd\n",
			"cluster-k3d-id echo",
		},
		"a workload of which nothing is expected keeps what was seen": {
			"verification-churn", "true", "false", "[]\n", "cluster-k3d-id churn",
		},
		"the user's own expectations come last": {
			"verification-own", "false", "false",
			"- name: mine\n  spans:\n  - service: shop\n",
			"collector-container-id " + digest + " cluster-k3d-id cluster-k3d-id churn cluster-k3d-id crashloop " +
				"cluster-k3d-id echo cluster-k3d-id imagepull cluster-k3d-id traced-app",
		},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			check := recorded.one(t, tokenCommand, test.name)
			assert.True(t, strings.HasPrefix(check.text(t, "create"), "CONTAINERS='traced-collector k3d-traced-server-0'\n"+
				"ONCE='"+test.once+"'\nONLY_NEW='"+test.onlyNew+"'\nPROGRAM='../bin/kubetracing'\nTIMEOUT='1m30s'\n"))
			assert.Equal(t, check.input("create"), check.input("update"), "a change of what it comes after looks again")
			assert.Nil(t, check.input("triggers"))
			assert.Equal(t, test.stdin, check.input("stdin"))
			assert.Equal(t, map[string]string{"JAEGER_URL": "http://127.0.0.1:16686", "AFTER": test.after}, check.environment(t))
			assert.Equal(t, "stderr", check.input("logging"))
			assertChildOf(t, check, "Verification", "verification")
		})
	}
}

func TestNoExpectationsAreAnEmptyList(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	stack.services, stack.workloads, stack.own = nil, nil, nil
	recorded := stack.record(t)
	assert.NotContains(t, recorded.names(tokenCommand), "verification-own")
	for _, name := range []string{"verification-services", "verification-echo"} {
		stdin := recorded.one(t, tokenCommand, name).text(t, "stdin")
		assert.Equal(t, "[]\n", stdin)
		read, err := verify.ReadExpectations([]byte(stdin))
		require.NoError(t, err)
		assert.Empty(t, read)
	}
}

func TestTheVerificationsOutputsAreWhatItsChecksPrint(t *testing.T) {
	t.Parallel()
	// The outputs go into another resource, where the recorder sees them.
	verified := func(services, workloads, own string) (*recorder, error) {
		recorded := &recorder{stdout: map[string]string{"v-services": services, "v-echo": workloads, "v-own": own}}
		return recorded, recorded.run(func(ctx *pulumi.Context) error {
			verification, err := components.NewVerification(ctx, "v", components.VerificationArgs{
				Program: "kubetracing", JaegerURL: pulumi.String("http://jaeger"), Timeout: time.Second,
				ServicesAfter: pulumi.String(""), Cluster: pulumi.String(""),
				Runs: map[string]pulumi.StringOutput{"echo": pulumi.String("echo").ToStringOutput()},
				Own:  []verify.Expectation{{Name: "mine"}},
			})
			if err != nil {
				return err
			}
			_, err = local.NewCommand(ctx, "probe", &local.CommandArgs{Environment: pulumi.StringMap{
				"SERVICES": pulumi.JSONMarshal(verification.Services),
				"TRACES":   pulumi.JSONMarshal(verification.Traces),
			}})
			return err
		})
	}

	recorded, err := verified(
		`{"services":{"kubelet":3,"etcd":1},"traces":{"ignored":"x"}}`,
		`{"services":{"ignored":9},"traces":{"echo":"http://jaeger/trace/1"}}`+"\nafter cluster [echo]",
		`{"services":{"ignored":9},"traces":{"mine":"http://jaeger/trace/2"}}`)
	require.NoError(t, err)
	environment := recorded.one(t, tokenCommand, "probe").environment(t)
	var services map[string]int
	var traces map[string]string
	require.NoError(t, json.Unmarshal([]byte(environment["SERVICES"]), &services))
	require.NoError(t, json.Unmarshal([]byte(environment["TRACES"]), &traces))
	assert.Equal(t, map[string]int{"kubelet": 3, "etcd": 1}, services)
	assert.Equal(t, map[string]string{"echo": "http://jaeger/trace/1", "mine": "http://jaeger/trace/2"}, traces)

	_, err = verified("not JSON", "{}", "{}")
	require.ErrorContains(t, err, "read what the verification saw")
	_, err = verified("{}", "not JSON", "{}")
	require.ErrorContains(t, err, "read what the verification saw")
}
