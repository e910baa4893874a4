package verification_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/internal/enginetest"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/verification"
	"github.com/kubetracing/kubetracing/components/verify"
)

var (
	kubelet = verify.Expectation{Name: "kubelet", Spans: []verify.SpanMatch{{Service: "kubelet"}}}
	echo    = verify.Expectation{Name: "echo", Spans: []verify.SpanMatch{{Service: "containerd"}}}
	mine    = verify.Expectation{Name: "mine", Spans: []verify.SpanMatch{{Service: "shop"}}}
)

func known(value string) pulumi.StringOutput { return pulumi.String(value).ToStringOutput() }

func newArgs() verification.Args {
	return verification.Args{
		Program: enginetest.Program, JaegerURL: pulumi.String("http://127.0.0.1:16686"), Timeout: 90 * time.Second,
		MaxAge:        48 * time.Hour,
		Containers:    []string{"traced-collector", "k3d-traced-server-0"},
		Services:      []verify.Expectation{kubelet},
		ServicesAfter: pulumi.String("collector digest start"),
		Workloads:     []verify.Expectation{echo},
		Runs:          map[string]pulumi.StringOutput{"echo": known("echo"), "churn": known("churn")},
		Cluster:       pulumi.String("start"),
		Own:           []verify.Expectation{mine},
	}
}

func record(t *testing.T, args verification.Args) *enginetest.Recorder {
	t.Helper()
	return enginetest.Record(t, func(ctx *pulumi.Context) error {
		_, err := verification.New(ctx, "verification", args)
		return err
	})
}

func TestVerification_TwoInstances(t *testing.T) {
	t.Parallel()
	recorded := enginetest.Record(t, func(ctx *pulumi.Context) error {
		_, one := verification.New(ctx, "one", newArgs())
		_, two := verification.New(ctx, "two", newArgs())
		return errors.Join(one, two)
	})
	recorded.AssertUnique(t)
	assert.Len(t, recorded.Names(enginetest.Command), 8)
}

func TestVerification_Preview(t *testing.T) {
	t.Parallel()
	previewed := enginetest.Preview(t, func(ctx *pulumi.Context) error {
		command, err := local.NewCommand(ctx, "cluster", &local.CommandArgs{Create: pulumi.String("true")})
		if err != nil {
			return err
		}
		args := newArgs()
		args.ServicesAfter, args.Cluster = command.Stdout, command.Stdout
		args.Runs = map[string]pulumi.StringOutput{"echo": command.Stdout, "churn": command.Stdout}
		_, err = verification.New(ctx, "verification", args)
		return err
	})
	assert.Equal(t, []string{
		"cluster", "verification-churn", "verification-echo", "verification-own", "verification-services",
	}, previewed.Names(enginetest.Command))
	assert.Equal(t, []verify.Expectation{kubelet},
		enginetest.Document[spec.Verification](t, previewed.One(t, enginetest.Command, "verification-services")).Expectations)
}

func TestVerification_Searches(t *testing.T) {
	t.Parallel()
	recorded := record(t, newArgs())
	assert.Equal(t, map[string]any{"timeout": "1m30s"}, recorded.Component(t, "Verification", "verification").Plain())
	for name, test := range map[string]struct {
		search spec.Verification
		after  string
	}{
		"services": {spec.Verification{OnlyNew: true, Expectations: []verify.Expectation{kubelet}}, "collector digest start"},
		"echo":     {spec.Verification{Once: true, Expectations: []verify.Expectation{echo}}, "start echo"},
		// A workload of which nothing is expected keeps its earlier result.
		"churn": {spec.Verification{Once: true, Expectations: []verify.Expectation{}}, "start churn"},
		"own":   {spec.Verification{Expectations: []verify.Expectation{mine}}, "collector digest start start churn start echo"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.search.Timeout = verify.Duration(90 * time.Second)
			if name != "services" {
				test.search.MaxAge = verify.Duration(48 * time.Hour)
			}
			test.search.Containers = []string{"traced-collector", "k3d-traced-server-0"}
			search := recorded.One(t, enginetest.Command, "verification-"+name)
			assert.Equal(t, test.search, enginetest.Document[spec.Verification](t, search))
			assert.Equal(t, map[string]string{
				spec.JaegerVariable: "http://127.0.0.1:16686", spec.AfterVariable: test.after,
			}, search.Environment(t))
			assert.Equal(t, "../bin/kubetracing verify --spec", search.Input("create"))
			assert.Equal(t, search.Input("create"), search.Input("update"), "a change of what it comes after repeats it")
			assert.Nil(t, search.Input("delete"))
			assert.Nil(t, search.Input("triggers"))
			assert.Equal(t, "stderr", search.Input("logging"))
			search.AssertChildOf(t, "Verification", "verification")
		})
	}
}

// The services come after the workloads: if one of those cannot start, an update reports
// that and not which spans it lacks.
func TestVerification_After(t *testing.T) {
	t.Parallel()
	recorded := enginetest.Record(t, func(ctx *pulumi.Context) error {
		workload, err := local.NewCommand(ctx, "workload", &local.CommandArgs{Create: pulumi.String("true")})
		if err != nil {
			return err
		}
		args := newArgs()
		args.After = []pulumi.Resource{workload}
		_, err = verification.New(ctx, "verification", args)
		return err
	})
	assert.Contains(t, recorded.One(t, enginetest.Command, "verification-services").Dependencies(), "workload")
}

func TestVerification_NothingExpected(t *testing.T) {
	t.Parallel()
	args := newArgs()
	args.Services, args.Workloads, args.Own = nil, nil, nil
	recorded := record(t, args)
	assert.NotContains(t, recorded.Names(enginetest.Command), "verification-own")
	for _, name := range []string{"verification-services", "verification-echo"} {
		search := recorded.One(t, enginetest.Command, name)
		assert.Contains(t, search.Text(t, "stdin"), `"expectations": []`, "an empty list, not null")
	}
}

func TestVerification_Outputs(t *testing.T) {
	t.Parallel()
	// The outputs become inputs of another resource, where the recorder sees them.
	verified := func(services, workloads, own string) (*enginetest.Recorder, error) {
		recorded := &enginetest.Recorder{Stdout: map[string]string{"v-services": services, "v-echo": workloads, "v-own": own}}
		return recorded, recorded.Run(func(ctx *pulumi.Context) error {
			args := newArgs()
			args.Runs = map[string]pulumi.StringOutput{"echo": known("echo")}
			verification, err := verification.New(ctx, "v", args)
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
		`{"services":{"ignored":9},"traces":{"echo":"http://jaeger/trace/1"},"after":"start echo"}`,
		`{"services":{"ignored":9},"traces":{"mine":"http://jaeger/trace/2"}}`)
	require.NoError(t, err)
	environment := recorded.One(t, enginetest.Command, "probe").Environment(t)
	var services map[string]int
	var traces map[string]string
	require.NoError(t, json.Unmarshal([]byte(environment["SERVICES"]), &services))
	require.NoError(t, json.Unmarshal([]byte(environment["TRACES"]), &traces))
	assert.Equal(t, map[string]int{"kubelet": 3, "etcd": 1}, services)
	assert.Equal(t, map[string]string{"echo": "http://jaeger/trace/1", "mine": "http://jaeger/trace/2"}, traces)

	_, err = verified("not JSON", "{}", "{}")
	require.ErrorContains(t, err, "read the result of a verification")
	_, err = verified("{}", "not JSON", "{}")
	require.ErrorContains(t, err, "read the result of a verification")
}
