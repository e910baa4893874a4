package plan

import (
	"fmt"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const commandType = "command:local:Command"

// Recorder stands in for Pulumi's engine. It remembers what is registered and,
// as in a first preview, gives back nothing that only a provider could know.
type Recorder struct {
	mu        sync.Mutex
	resources []pulumi.MockResourceArgs
}

var _ pulumi.MockResourceMonitor = (*Recorder)(nil)

// emptyOutput stands for what a command will print: an empty YAML or JSON
// document. Left out, it would be unknown, and the SDK's mocks cannot pass on an
// unknown secret such as the kubeconfig.
const emptyOutput = "{}"

// NewResource records a resource; its id stays unknown.
func (r *Recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resources = append(r.resources, args)
	outputs := args.Inputs.Copy()
	if args.TypeToken == commandType {
		outputs["stdout"] = resource.NewProperty(emptyOutput)
	}
	return "", outputs, nil
}

// Call refuses provider functions: the program needs none to be planned.
func (r *Recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("the provider function %s cannot be called offline", args.Token)
}

// Resources gives what was registered but the stack itself.
func (r *Recorder) Resources() []pulumi.MockResourceArgs {
	r.mu.Lock()
	defer r.mu.Unlock()
	var resources []pulumi.MockResourceArgs
	for _, args := range r.resources {
		if args.TypeToken != string(resource.RootStackType) {
			resources = append(resources, args)
		}
	}
	return resources
}
