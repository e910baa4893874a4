// Package plan shows what a stack would create, without Docker, plugins or
// network: it runs the program against a recorder instead of an engine.
package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
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
	// Resources are sorted by name.
	Resources []Resource
}

// Resource is one resource with the inputs that are known before anything exists.
// Commands are left out, rendered files are in Files.
type Resource struct {
	Name   string         `json:"name"`
	Type   string         `json:"type"`
	Parent string         `json:"parent,omitempty"`
	Inputs map[string]any `json:"inputs,omitempty"`
}

// Compose creates a stack's resources.
type Compose func(*pulumi.Context, stacks.Stack) error

// New plans a stack of a name.
func New(name string, stack stacks.Stack, compose Compose) (Plan, error) {
	recorder := &Recorder{}
	err := pulumi.RunErr(
		func(ctx *pulumi.Context) error { return compose(ctx, stack) },
		pulumi.WithMocks(stack.Project, name, recorder),
		func(info *pulumi.RunInfo) { info.DryRun = true },
	)
	if err != nil {
		return Plan{}, fmt.Errorf("plan stack %q: %w", name, err)
	}
	plan := Plan{
		Stack:      name,
		Kubernetes: stack.Release.Kubernetes,
		Notes:      stack.Notes(),
		Images:     stack.ClusterSpec().K3dImages(),
		Ports:      map[string]string{},
		Files:      map[string]string{},
	}
	for _, port := range stack.Settings.Ports() {
		plan.Ports[stack.Project+":"+port.Key] = fmt.Sprintf("%s:%d", spec.Localhost, port.Number)
	}
	for _, registered := range recorder.Resources() {
		if err := plan.add(registered); err != nil {
			return Plan{}, fmt.Errorf("plan stack %q: %s: %w", name, registered.Name, err)
		}
	}
	slices.SortFunc(plan.Resources, func(a, b Resource) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(plan.Images)
	plan.Images = slices.Compact(plan.Images)
	return plan, nil
}

// YAML renders the plan in the order in which people read it. The same plan is always
// the same text.
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

// commands are the inputs of a command that a stack does not choose.
var commands = []resource.PropertyKey{"create", "update", "delete"}

func (p *Plan) add(args pulumi.MockResourceArgs) error {
	inputs := args.Inputs.Copy()
	if args.TypeToken == commandType {
		for _, key := range commands {
			delete(inputs, key)
		}
	}
	if err := p.addFiles(args.Name, inputs); err != nil {
		return err
	}
	p.addImages(args, inputs)
	planned := Resource{
		Name:   args.Name,
		Type:   args.TypeToken,
		Inputs: inputs.MapRepl(nil, replaceSecret),
	}
	if parent := args.RegisterRPC.GetParent(); parent != "" {
		planned.Parent = urn.URN(parent).Name()
	}
	p.Resources = append(p.Resources, planned)
	return nil
}

// addFiles moves the files among a resource's inputs to the plan's files.
func (p *Plan) addFiles(name string, inputs resource.PropertyMap) error {
	if stdin, ok := inputs["stdin"]; ok && stdin.IsString() {
		if err := p.addDocument(name+" (standard input)", stdin.StringValue()); err != nil {
			return err
		}
		delete(inputs, "stdin")
	}
	if uploads, ok := inputs["uploads"]; ok && uploads.IsArray() {
		for _, upload := range uploads.ArrayValue() {
			object := upload.ObjectValue()
			p.Files[name+":"+object["file"].StringValue()] = object["content"].StringValue()
		}
		delete(inputs, "uploads")
	}
	return nil
}

// addDocument adds what a command reads. The files of the nodes are files of their own;
// other JSON is rendered as YAML, which is easier to read and to compare.
func (p *Plan) addDocument(name, text string) error {
	var nodes spec.NodeFiles
	if err := spec.Decode([]byte(text), &nodes); err == nil {
		for file, content := range nodes.Files {
			p.Files["nodes:"+tracing.ConfigDirectory+"/"+file] = content
		}
		if text, err = spec.Encode(map[string]string{"volume": nodes.Volume, "image": nodes.Image}); err != nil {
			return err
		}
	}
	if json.Valid([]byte(text)) {
		rendered, err := yaml.JSONToYAML([]byte(text))
		if err != nil {
			return fmt.Errorf("render %s: %w", name, err)
		}
		text = string(rendered)
	}
	p.Files[name] = text
	return nil
}

// addImages adds the images that a resource uses.
func (p *Plan) addImages(args pulumi.MockResourceArgs, inputs resource.PropertyMap) {
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
