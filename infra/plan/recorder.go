package plan

import (
	"fmt"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const commandType = "command:local:Command"

// Recorder replaces Pulumi's engine. It records what is registered and, as in a first
// preview, returns nothing that only a provider could know.
type Recorder struct {
	mu        sync.Mutex
	resources []pulumi.MockResourceArgs
}

var _ pulumi.MockResourceMonitor = (*Recorder)(nil)

// NewResource records a resource; its id stays unknown.
func (r *Recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resources = append(r.resources, args)
	outputs := args.Inputs.Copy()
	for _, output := range args.RegisterRPC.GetAdditionalSecretOutputs() {
		// The SDK's mocks cannot pass on an unknown secret, such as the kubeconfig.
		outputs[resource.PropertyKey(output)] = resource.NewProperty("")
	}
	return "", outputs, nil
}

// Call rejects provider functions: planning the program must not need any.
func (r *Recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("the provider function %s cannot be called offline", args.Token)
}

// Resources returns what was registered, except the stack itself.
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
