package program

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/cli"
	"github.com/kubetracing/kubetracing/infra/plan"
	"github.com/kubetracing/kubetracing/stacks"
)

var update = flag.Bool("update", false, "write the golden plans anew")

// goldenFolder holds a plan per shipped stack, so that a change of what a stack
// creates is a change that someone reads.
const goldenFolder = "../../test/plans"

// shippedStacks are the names of the stacks whose files are in the project.
func shippedStacks(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../Pulumi.*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml"))
	}
	return names
}

func TestTheShippedStacksPlanWhatTheirGoldenPlansSay(t *testing.T) {
	t.Parallel()
	shipped := shippedStacks(t)
	for _, name := range shipped {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := cli.Plan("../..", name, Compose)
			require.NoError(t, err)
			golden := filepath.Join(goldenFolder, name+".yaml")
			if *update {
				require.NoError(t, os.MkdirAll(goldenFolder, 0o755))
				require.NoError(t, os.WriteFile(golden, got, 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err, "no golden plan: go test ./infra/program -update")
			assert.Equal(t, string(want), string(got), "if this is meant: go test ./infra/program -update")
		})
	}

	golden, err := filepath.Glob(filepath.Join(goldenFolder, "*.yaml"))
	require.NoError(t, err)
	for _, file := range golden {
		assert.Contains(t, shipped, strings.TrimSuffix(filepath.Base(file), ".yaml"), "a golden plan of no stack")
	}
}

func TestAPlanIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	for _, name := range shippedStacks(t) {
		first, err := cli.Plan("../..", name, Compose)
		require.NoError(t, err)
		for range 19 {
			again, err := cli.Plan("../..", name, Compose)
			require.NoError(t, err)
			require.Equal(t, string(first), string(again))
		}
		// A machine's path would make it another plan elsewhere.
		here, err := filepath.Abs("../..")
		require.NoError(t, err)
		assert.NotContains(t, string(first), here)
	}
}

// newStack is a stack with everything on, changed by further configuration.
func newStack(t *testing.T, config map[string]string) stacks.Stack {
	t.Helper()
	stack, err := stacks.New("kubetracing", "test", config)
	require.NoError(t, err)
	return stack
}

// large uses every port and every kind of node.
func large(t *testing.T) stacks.Stack {
	t.Helper()
	return newStack(t, map[string]string{
		"kubetracing:cluster":   `{"kubernetes":"1.37","servers":2,"agents":2,"apiPort":6551}`,
		"kubetracing:collector": `{"otlpGrpcPort":24317,"otlpHttpPort":24318}`,
	})
}

func TestAPlanOfTwoServersAndTwoAgents(t *testing.T) {
	t.Parallel()
	planned, err := plan.New("kubetracing", "test", large(t), Compose)
	require.NoError(t, err)

	assert.Equal(t, map[string]string{
		"kubetracing:cluster.apiPort":        "127.0.0.1:6551",
		"kubetracing:jaeger.uiPort":          "127.0.0.1:16686",
		"kubetracing:collector.otlpGrpcPort": "127.0.0.1:24317",
		"kubetracing:collector.otlpHttpPort": "127.0.0.1:24318",
	}, planned.Ports)
	files := slices.Sorted(maps.Keys(planned.Files))
	assert.Equal(t, []string{
		"cluster-k3d (standard input)",
		"collector-container:/etc/otelcol/config.yaml",
		"jaeger-container:/etc/jaeger/config.yaml",
		"nodes:/etc/kubetracing/apiserver-tracing.yaml",
		"nodes:/etc/kubetracing/containerd.env",
		"nodes:/etc/kubetracing/containerd.sh",
		"nodes:/etc/kubetracing/k3s-agent.yaml",
		"nodes:/etc/kubetracing/k3s-server.yaml",
		"nodes:/etc/kubetracing/k3s.sh",
		"nodes:/etc/kubetracing/kubelet.yaml",
		"verification-echo (standard input)",
		"verification-services (standard input)",
	}, files)
	k3d := planned.Files["cluster-k3d (standard input)"]
	assert.Contains(t, k3d, "servers: 2\n")
	assert.Contains(t, k3d, "agents: 2\n")
	for _, node := range []string{"server-0", "server-1", "agent-0", "agent-1"} {
		assert.Contains(t, k3d, "k8s.node.name=k3d-kubetracing-test-"+node)
	}
}

func TestWithoutVerificationNothingWaitsForSpans(t *testing.T) {
	t.Parallel()
	stack := newStack(t, map[string]string{"kubetracing:verify": `{"enabled":false}`})
	planned, err := plan.New("kubetracing", "test", stack, Compose)
	require.NoError(t, err)
	for _, r := range planned.Resources {
		assert.NotContains(t, r.Type, "Verification")
		assert.NotContains(t, r.Name, "verification")
	}
	assert.Contains(t, planned.Files, "cluster-k3d (standard input)")
}

func TestWithoutACollectorTheNodesExportToJaeger(t *testing.T) {
	t.Parallel()
	stack := newStack(t, map[string]string{"kubetracing:collector": `{"enabled":false}`})
	planned, err := plan.New("kubetracing", "test", stack, Compose)
	require.NoError(t, err)
	for _, r := range planned.Resources {
		assert.NotContains(t, r.Type, "Collector")
		assert.NotContains(t, r.Name, "collector")
	}
	for name, want := range map[string]string{
		"apiserver-tracing.yaml": "endpoint: jaeger:4317\n",
		"containerd.env":         "OTEL_EXPORTER_OTLP_ENDPOINT=http://jaeger:4318\n",
		"k3s-server.yaml":        "distributed-tracing-address=jaeger:4317\n",
		"kubelet.yaml":           "endpoint: jaeger:4317\n",
	} {
		assert.Contains(t, planned.Files["nodes:/etc/kubetracing/"+name], want)
	}
	for name, file := range planned.Files {
		assert.NotContains(t, file, "otel-collector", name)
	}
	for _, args := range recorded(t, stack) {
		if args.Name == "verification-services" {
			assert.Contains(t, args.Inputs["create"].StringValue(), "CONTAINERS='kubetracing-test-jaeger k3d-kubetracing-test-server-0'\n",
				"spans of before the last restart of anything on their way do not count")
		}
	}
}

// expectedIn are the names of what a planned verification expects.
func expectedIn(t *testing.T, planned plan.Plan, verification string) []string {
	t.Helper()
	expectations, err := verify.ReadExpectations([]byte(planned.Files[verification+" (standard input)"]))
	require.NoError(t, err)
	var names []string
	for _, expectation := range expectations {
		names = append(names, expectation.Name)
	}
	return names
}

func TestTheProgramChecksForWhatTheUserExpects(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(file, []byte("- name: mine\n  spans: [{service: shop}]\n"), 0o600))
	planned, err := plan.New("kubetracing", "test", newStack(t, map[string]string{
		"kubetracing:verify": `{"expectations":"` + file + `"}`,
	}), Compose)
	require.NoError(t, err)
	assert.Equal(t, []string{"mine"}, expectedIn(t, planned, "verification-own"))
	// Where the file lies is no part of the plan.
	out, err := planned.YAML()
	require.NoError(t, err)
	assert.NotContains(t, string(out), file)
}

func TestTheProgramChecksForWhatTheClusterSends(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config              map[string]string
		services, workloads []string
	}{
		"everything on": {
			nil,
			[]string{"apiserver", "etcd with apiserver", "kubelet", "containerd"}, []string{"echo"},
		},
		"without workloads":       {map[string]string{"kubetracing:workloads": `[]`, "kubetracing:sampling": `{"apiserver":0,"etcd":0,"runtime":0}`}, []string{"kubelet"}, nil},
		"a Collector that is off": {map[string]string{"kubetracing:sampling": `{"collector":0}`}, nil, nil},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			planned, err := plan.New("kubetracing", "test", newStack(t, test.config), Compose)
			require.NoError(t, err)
			assert.Equal(t, test.services, expectedIn(t, planned, "verification-services"))
			assert.Equal(t, test.workloads, expectedIn(t, planned, "verification-echo"))
			assert.NotContains(t, planned.Files, "verification-own (standard input)")
		})
	}
}

// recorded runs the program as a first preview does.
func recorded(t *testing.T, stack stacks.Stack) []pulumi.MockResourceArgs {
	t.Helper()
	recorder := &plan.Recorder{}
	require.NoError(t, pulumi.RunErr(
		func(ctx *pulumi.Context) error { return Compose(ctx, stack) },
		pulumi.WithMocks("kubetracing", "test", recorder),
		func(info *pulumi.RunInfo) { info.DryRun = true },
	))
	return recorder.Resources()
}

func TestEveryResourceHangsBelowAComponent(t *testing.T) {
	t.Parallel()
	for _, args := range recorded(t, large(t)) {
		parent := string(urn.URN(args.RegisterRPC.GetParent()).Type())
		if strings.HasPrefix(args.TypeToken, "kubetracing:components:") {
			assert.Equal(t, "pulumi:pulumi:Stack", parent, args.Name)
			continue
		}
		assert.True(t, strings.HasPrefix(parent, "kubetracing:components:"), "%s %s hangs below %q", args.TypeToken, args.Name, parent)
	}
}

func TestEveryDockerObjectCarriesTheStacksLabel(t *testing.T) {
	t.Parallel()
	labelled := map[string]int{}
	for _, args := range recorded(t, large(t)) {
		switch args.TypeToken {
		case "docker:index/container:Container", "docker:index/network:Network", "docker:index/volume:Volume":
			labelled[args.TypeToken]++
			assert.Equal(t, []any{map[string]any{"label": "kubetracing.stack", "value": "kubetracing/test"}},
				args.Inputs["labels"].MapRepl(nil, nil), args.Name)
		case "docker:index/image:Image":
			labelled[args.TypeToken]++
			build := args.Inputs["build"].ObjectValue()["args"].ObjectValue()
			assert.Equal(t, "kubetracing.stack", build["OWNER_LABEL"].StringValue())
			assert.Equal(t, "kubetracing/test", build["OWNER_VALUE"].StringValue())
		case "docker:index/remoteImage:RemoteImage": // someone else's, and not ours to label
		default:
			assert.False(t, strings.HasPrefix(args.TypeToken, "docker:"), "is %s labelled?", args.TypeToken)
		}
		if args.Name == "cluster-k3d" {
			labelled["nodes"]++
			assert.Contains(t, args.Inputs["stdin"].StringValue(), "label: kubetracing.stack=kubetracing/test")
		}
	}
	assert.Equal(t, map[string]int{
		"docker:index/container:Container": 2, "docker:index/network:Network": 1, "docker:index/volume:Volume": 1,
		"docker:index/image:Image": 1, "nodes": 1,
	}, labelled)
}

func TestEverythingPublishedIsBoundToThisMachine(t *testing.T) {
	t.Parallel()
	published := map[string]int{}
	for _, args := range recorded(t, large(t)) {
		if ports, ok := args.Inputs["ports"]; ok {
			for _, port := range ports.ArrayValue() {
				published[args.Name]++
				assert.Equal(t, "127.0.0.1", port.ObjectValue()["ip"].StringValue(), args.Name)
			}
		}
		assert.NotContains(t, args.Inputs, resource.PropertyKey("publishAllPorts"), args.Name)
		if network, ok := args.Inputs["networkMode"]; ok {
			assert.Equal(t, "bridge", network.StringValue(), "%s: the host's network has no ports to bind", args.Name)
		}
		if args.Name == "cluster-k3d" {
			published[args.Name]++
			assert.Contains(t, args.Inputs["stdin"].StringValue(), "kubeAPI:\n  hostIP: 127.0.0.1\n")
		}
	}
	assert.Equal(t, map[string]int{"jaeger-container": 1, "collector-container": 2, "cluster-k3d": 1}, published)
}

func TestTheBinaryIsWhereTheProgramsRunnerPutsIt(t *testing.T) {
	t.Parallel()
	runner, err := os.ReadFile("../run")
	require.NoError(t, err)
	assert.Contains(t, string(runner), "binary=$root/"+strings.TrimPrefix(binary, "../")+"\n")
	assert.True(t, strings.HasPrefix(binary, "../"), "relative to the program's folder, in which commands run")
}

func TestAPlanOfASearchServerShowsWhatItIsAndNotItsPassword(t *testing.T) {
	t.Parallel()
	stack := newStack(t, map[string]string{"kubetracing:jaeger": `{"storage":"opensearch","server":{"password":"Tr4ces!!"}}`})
	planned, err := plan.New("kubetracing", "test", stack, Compose)
	require.NoError(t, err)
	assert.Contains(t, planned.Images, stacks.OpenSearchImage)
	assert.Contains(t, planned.Images, stacks.DefaultCleanerImage)
	assert.Contains(t, planned.Files["jaeger-container:/etc/jaeger/config.yaml"], "- http://opensearch:9200\n")
	assert.Contains(t, planned.Files, "server-container:/usr/share/opensearch/config/opensearch-security/roles_mapping.yml")
	out, err := planned.YAML()
	require.NoError(t, err)
	assert.NotContains(t, string(out), "Tr4ces")
	for _, args := range recorded(t, stack) {
		if args.Name == "verification-services" {
			assert.Contains(t, args.Inputs["create"].StringValue(), "CONTAINERS='kubetracing-test-opensearch kubetracing-test-jaeger ")
		}
	}
}

func TestAPlanNamesNoSecret(t *testing.T) {
	t.Parallel()
	planned, err := plan.New("kubetracing", "test", large(t), Compose)
	require.NoError(t, err)
	encoded, err := json.Marshal(planned.Resources)
	require.NoError(t, err)
	var providers int
	for _, r := range planned.Resources {
		if r.Type == "pulumi:providers:kubernetes" {
			providers++
			assert.Equal(t, "[secret]", r.Inputs["kubeconfig"])
		}
	}
	assert.Equal(t, 1, providers)
	assert.Equal(t, 1, strings.Count(string(encoded), "[secret]"), "nothing else is secret")
}
