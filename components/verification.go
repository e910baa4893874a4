package components

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/verify"
)

const verificationType = "kubetracing:components:Verification"

//go:embed scripts/verify.sh
var verifyScript string

// VerificationArgs describe what an update must have seen before it succeeds.
type VerificationArgs struct {
	// Program is the kubetracing binary, relative to the program's folder. Required.
	Program string
	// JaegerURL is where the query API answers. Required.
	JaegerURL pulumi.StringInput
	// Timeout is how long to look. Required.
	Timeout time.Duration
	// Services are looked for in spans that are younger than every one of
	// Containers. Required.
	Services []verify.Expectation
	// Containers are the Docker names of everything that spans come from and pass
	// through; a cause is looked for in them when spans are missing. Required.
	Containers []string
	// ServicesAfter names what the services' spans depend on; when it changes, they
	// are looked for again. Required.
	ServicesAfter pulumi.StringInput
	// Workloads are looked for in everything that Jaeger has. Each has the name of one
	// of Runs.
	Workloads []verify.Expectation
	// Runs name the runs of the workloads; only when its own changes is a workload's
	// trace looked for again: one that has run leaves no second trace, and Jaeger may
	// have lost the first.
	Runs map[string]pulumi.StringOutput
	// Cluster names what the workloads run in; another one is another run of each.
	// Required.
	Cluster pulumi.StringInput
	// Own are the user's own expectations. They are looked for in everything that
	// Jaeger has, after all of the above. Optional.
	Own []verify.Expectation
}

// Verification fails the update unless the expected spans have been seen.
type Verification struct {
	pulumi.ResourceState

	// Services counts the spans seen per service, in the newest traces.
	Services pulumi.IntMapOutput `pulumi:"services"`
	// Traces links to a trace per workload and per expectation of the user's own.
	Traces pulumi.StringMapOutput `pulumi:"traces"`
}

// NewVerification waits until the expected spans are in Jaeger.
func NewVerification(ctx *pulumi.Context, name string, args VerificationArgs, opts ...pulumi.ResourceOption) (*Verification, error) {
	component := &Verification{}
	if err := ctx.RegisterComponentResourceV2(verificationType, name, pulumi.Map{
		"timeout": pulumi.String(args.Timeout.String()),
	}, component, opts...); err != nil {
		return nil, fmt.Errorf("verification %q: %w", name, err)
	}
	services, err := newCheck(ctx, name+"-services", component, args, check{
		expectations: args.Services, after: args.ServicesAfter, onlyNew: true,
	})
	if err != nil {
		return nil, fmt.Errorf("verification %q: %w", name, err)
	}
	var linked []any
	ownAfter := args.ServicesAfter
	for _, run := range slices.Sorted(maps.Keys(args.Runs)) {
		after := pulumi.Sprintf("%s %s", args.Cluster, args.Runs[run])
		// One each, so that a workload more or less leaves the others alone; also where
		// nothing is expected for a while, so that what was seen is kept.
		looked, err := newCheck(ctx, name+"-"+run, component, args, check{
			expectations: slices.DeleteFunc(slices.Clone(args.Workloads), func(e verify.Expectation) bool { return e.Name != run }),
			after:        after, once: true,
		})
		if err != nil {
			return nil, fmt.Errorf("verification %q: %w", name, err)
		}
		linked, ownAfter = append(linked, looked.Stdout), pulumi.Sprintf("%s %s", ownAfter, after)
	}
	component.Services = services.Stdout.ApplyT(func(stdout string) (map[string]int, error) {
		seen, err := outputsOf(stdout)
		return seen.Services, err
	}).(pulumi.IntMapOutput)
	if len(args.Own) > 0 {
		own, err := newCheck(ctx, name+"-own", component, args, check{
			expectations: args.Own, after: ownAfter,
		})
		if err != nil {
			return nil, fmt.Errorf("verification %q: %w", name, err)
		}
		linked = append(linked, own.Stdout)
	}
	component.Traces = pulumi.All(linked...).ApplyT(func(printed []any) (map[string]string, error) {
		traces := map[string]string{}
		for _, stdout := range printed {
			seen, err := outputsOf(stdout.(string))
			if err != nil {
				return nil, err
			}
			maps.Copy(traces, seen.Traces)
		}
		return traces, nil
	}).(pulumi.StringMapOutput)
	return component, ctx.RegisterResourceOutputs(component, pulumi.Map{
		"services": component.Services,
		"traces":   component.Traces,
	})
}

// check is one look at Jaeger.
type check struct {
	expectations []verify.Expectation
	// after names what the look comes after; when it changes, it is done again.
	after pulumi.StringInput
	// onlyNew counts only spans that are younger than every container.
	onlyNew bool
	// once does not look again for anything but a change of after.
	once bool
}

func newCheck(
	ctx *pulumi.Context, name string, parent pulumi.Resource, args VerificationArgs, check check,
) (*local.Command, error) {
	// An empty list is written as one, not as null.
	stdin, err := yaml.Marshal(append([]verify.Expectation{}, check.expectations...))
	if err != nil {
		return nil, fmt.Errorf("encode expectations: %w", err)
	}
	run := script(map[string]string{
		"PROGRAM":    args.Program,
		"TIMEOUT":    args.Timeout.String(),
		"CONTAINERS": strings.Join(args.Containers, " "),
		"ONCE":       strconv.FormatBool(check.once),
		"ONLY_NEW":   strconv.FormatBool(check.onlyNew),
	}, verifyScript)
	return local.NewCommand(ctx, name, &local.CommandArgs{
		Create:      pulumi.String(run),
		Update:      pulumi.String(run),
		Stdin:       pulumi.String(string(stdin)),
		Environment: pulumi.StringMap{"JAEGER_URL": args.JaegerURL, "AFTER": check.after},
		Logging:     local.LoggingStderr,
	}, pulumi.Parent(parent))
}

// outputsOf reads what a check printed: a document and, below it, what it came
// after.
func outputsOf(stdout string) (verify.Outputs, error) {
	var outputs verify.Outputs
	if err := json.NewDecoder(strings.NewReader(stdout)).Decode(&outputs); err != nil {
		return outputs, fmt.Errorf("read what the verification saw: %w", err)
	}
	return outputs, nil
}
