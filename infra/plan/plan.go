// Package plan shows what a stack would create, without Docker, plugins or
// network: it runs the real program against a recorder instead of an engine.
package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/stacks"
)

// Plan is what a stack would create.
type Plan struct {
	Stack      string
	Kubernetes string
	// Notes say what the stack's choices leave out.
	Notes []string
	// Images are the references that the stack uses, sorted.
	Images []string
	// Ports are the published addresses, by the keys that choose them.
	Ports map[string]string
	// Files are every rendered file, by where it goes.
	Files map[string]string
	// Resources are in the order of their names.
	Resources []Resource
}

// Resource is one resource with the inputs that are known before anything
// exists; scripts are left out, rendered files stand in Files.
type Resource struct {
	Name   string         `json:"name"`
	Type   string         `json:"type"`
	Parent string         `json:"parent,omitempty"`
	Inputs map[string]any `json:"inputs,omitempty"`
}

// Compose creates a stack's resources.
type Compose func(*pulumi.Context, stacks.Stack) error

// New plans a stack.
func New(project, name string, stack stacks.Stack, compose Compose) (Plan, error) {
	recorder := &Recorder{}
	err := pulumi.RunErr(
		func(ctx *pulumi.Context) error { return compose(ctx, stack) },
		pulumi.WithMocks(project, name, recorder),
		func(info *pulumi.RunInfo) { info.DryRun = true },
	)
	if err != nil {
		return Plan{}, fmt.Errorf("plan stack %q: %w", name, err)
	}
	plan := Plan{
		Stack:      name,
		Kubernetes: stack.Release.Kubernetes,
		Notes:      stack.Notes(),
		Ports:      map[string]string{},
		Files:      map[string]string{},
	}
	for _, port := range stack.Settings.Ports() {
		plan.Ports[project+":"+port.Key] = fmt.Sprintf("127.0.0.1:%d", port.Number)
	}
	for _, registered := range recorder.Resources() {
		plan.add(registered)
	}
	slices.SortFunc(plan.Resources, func(a, b Resource) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(plan.Images)
	plan.Images = slices.Compact(plan.Images)
	return plan, nil
}

// YAML renders the plan, byte-stable, in the order in which one reads it.
func (p Plan) YAML() ([]byte, error) {
	var out []byte
	for _, section := range []struct {
		key   string
		value any
	}{
		{"stack", p.Stack},
		{"kubernetes", p.Kubernetes},
		{"notes", p.Notes},
		{"images", p.Images},
		{"ports", p.Ports},
		{"files", p.Files},
		{"resources", p.Resources},
	} {
		if section.key == "notes" && len(p.Notes) == 0 {
			continue
		}
		encoded, err := yaml.Marshal(map[string]any{section.key: section.value})
		if err != nil {
			return nil, fmt.Errorf("encode plan: %w", err)
		}
		out = append(out, encoded...)
	}
	return out, nil
}

// scripts are the inputs of a command that are our own code, not a choice.
var scripts = []resource.PropertyKey{"create", "update", "delete"}

func (p *Plan) add(args pulumi.MockResourceArgs) {
	inputs := args.Inputs.Copy()
	for _, key := range scripts {
		if args.TypeToken == commandType {
			delete(inputs, key)
		}
	}
	p.takeFiles(args.Name, inputs)
	p.takeImages(args, inputs)
	planned := Resource{
		Name:   args.Name,
		Type:   args.TypeToken,
		Inputs: inputs.MapRepl(nil, replaceSecret),
	}
	if parent := args.RegisterRPC.GetParent(); parent != "" {
		planned.Parent = urn.URN(parent).Name()
	}
	p.Resources = append(p.Resources, planned)
}

// takeFiles moves the files among a resource's inputs to the plan's files.
func (p *Plan) takeFiles(name string, inputs resource.PropertyMap) {
	if stdin, ok := inputs["stdin"]; ok && stdin.IsString() {
		p.Files[name+" (standard input)"] = stdin.StringValue()
		delete(inputs, "stdin")
	}
	if uploads, ok := inputs["uploads"]; ok && uploads.IsArray() {
		for _, upload := range uploads.ArrayValue() {
			object := upload.ObjectValue()
			p.Files[name+":"+object["file"].StringValue()] = object["content"].StringValue()
		}
		delete(inputs, "uploads")
	}
	if environment, ok := inputs["environment"]; ok && environment.IsObject() {
		variables := environment.ObjectValue().Copy()
		for key, value := range environment.ObjectValue() {
			if file, ok := components.NodeFileOf(string(key)); ok {
				p.Files["nodes:"+file] = value.StringValue()
				delete(variables, key)
			}
		}
		inputs["environment"] = resource.NewProperty(variables)
	}
}

// takeImages notes the images that a resource uses.
func (p *Plan) takeImages(args pulumi.MockResourceArgs, inputs resource.PropertyMap) {
	switch args.TypeToken {
	case "docker:index/remoteImage:RemoteImage":
		p.Images = append(p.Images, inputs["name"].StringValue())
	case "docker:index/image:Image":
		build := inputs["build"].ObjectValue()["args"].ObjectValue()
		p.Images = append(p.Images, inputs["imageName"].StringValue()+" (built)",
			build["BASE"].StringValue(), build["TOOLS"].StringValue())
	}
}

// replaceSecret keeps secrets out of a plan.
func replaceSecret(value resource.PropertyValue) (any, bool) {
	if value.IsSecret() || (value.IsOutput() && value.OutputValue().Secret) {
		return "[secret]", true
	}
	return nil, false
}
