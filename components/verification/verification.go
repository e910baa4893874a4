// Package verification holds the component that lets an update succeed only once its
// spans have been seen.
package verification

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/verify"
)

// Args describe what an update must have seen before it succeeds.
type Args struct {
	// Program is the kubetracing binary. Required.
	Program resources.Program
	// JaegerURL is the URL of Jaeger's query API. Required.
	JaegerURL pulumi.StringInput
	// Timeout bounds each search. Required.
	Timeout time.Duration
	// MaxAge is the age at which a search server deletes a trace; 0 with other storage.
	MaxAge time.Duration
	// Containers are the Docker names of everything that spans come from and pass
	// through; a cause is looked for in them when spans are missing. Required.
	Containers []string
	// After are created before the services are searched for: the runs of the workloads.
	// What keeps one of them from starting is then the only thing that an update reports.
	// Optional.
	After []pulumi.Resource
	// Services are searched for in spans that are younger than every one of
	// Containers. None by default.
	Services []verify.Expectation
	// ServicesAfter names what the services' spans depend on; a change of it repeats
	// the search for them. Required.
	ServicesAfter pulumi.StringInput
	// Workloads are searched for in everything that Jaeger has. Each has the name of one
	// of Runs. None by default.
	Workloads []verify.Expectation
	// Runs name the runs of the workloads. Only a change of its run repeats the search
	// for a workload's trace: a workload that has run leaves no second trace, and Jaeger
	// may have lost the first. None by default.
	Runs map[string]pulumi.StringOutput
	// Cluster identifies the cluster in which the workloads run; another one is another
	// run of each. Required.
	Cluster pulumi.StringInput
	// Own are the user's own expectations. They are searched for in everything that
	// Jaeger has, after all of the above. None by default.
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

// New waits until the expected spans are in Jaeger.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Verification, error) {
	inputs := pulumi.Map{"timeout": pulumi.String(args.Timeout.String())}
	return resources.Register(ctx, "Verification", name, inputs, &Verification{}, opts, func(verification *Verification) error {
		services, err := args.newSearch(ctx, name+"-services", verification, args.ServicesAfter, spec.Verification{
			Expectations: args.Services, OnlyNew: true,
		}, pulumi.DependsOn(args.After))
		if err != nil {
			return err
		}
		var linked []any
		ownAfter := args.ServicesAfter
		for _, run := range slices.Sorted(maps.Keys(args.Runs)) {
			after := pulumi.Sprintf("%s %s", args.Cluster, args.Runs[run])
			// One each, so that a workload more or less leaves the others alone; also while
			// nothing is expected of it, so that the earlier result is kept.
			workload, err := args.newSearch(ctx, name+"-"+run, verification, after, spec.Verification{
				Expectations: slices.DeleteFunc(slices.Clone(args.Workloads), func(e verify.Expectation) bool { return e.Name != run }),
				Once:         true,
			})
			if err != nil {
				return err
			}
			linked, ownAfter = append(linked, workload.Stdout), pulumi.Sprintf("%s %s", ownAfter, after)
		}
		if len(args.Own) > 0 {
			own, err := args.newSearch(ctx, name+"-own", verification, ownAfter, spec.Verification{Expectations: args.Own})
			if err != nil {
				return err
			}
			linked = append(linked, own.Stdout)
		}
		verification.Services = services.Stdout.ApplyT(func(stdout string) (map[string]int, error) {
			seen, err := readOutputs(stdout)
			return seen.Services, err
		}).(pulumi.IntMapOutput)
		verification.Traces = pulumi.All(linked...).ApplyT(mergeTraces).(pulumi.StringMapOutput)
		return nil
	})
}

// newSearch creates a search that a change of after repeats.
func (a Args) newSearch(
	ctx *pulumi.Context, name string, parent pulumi.Resource, after pulumi.StringInput, search spec.Verification,
	opts ...pulumi.ResourceOption,
) (*local.Command, error) {
	search.Timeout, search.Containers = verify.Duration(a.Timeout), a.Containers
	if !search.OnlyNew {
		search.MaxAge = verify.Duration(a.MaxAge)
	}
	if search.Expectations == nil {
		// An empty list, not null.
		search.Expectations = []verify.Expectation{}
	}
	return resources.NewCommand(ctx, name, a.Program, resources.CommandArgs{
		Create:      []string{"verify", "--spec"},
		Document:    search,
		Environment: pulumi.StringMap{spec.JaegerVariable: a.JaegerURL, spec.AfterVariable: after},
	}, append(opts, pulumi.Parent(parent))...)
}

// mergeTraces returns the links that searches have printed.
func mergeTraces(printed []any) (map[string]string, error) {
	traces := map[string]string{}
	for _, stdout := range printed {
		seen, err := readOutputs(stdout.(string))
		if err != nil {
			return nil, err
		}
		maps.Copy(traces, seen.Traces)
	}
	return traces, nil
}

// readOutputs reads the document that a search has printed.
func readOutputs(stdout string) (verify.Outputs, error) {
	var outputs verify.Outputs
	if err := json.NewDecoder(strings.NewReader(stdout)).Decode(&outputs); err != nil {
		return outputs, fmt.Errorf("read the result of a verification: %w", err)
	}
	return outputs, nil
}
