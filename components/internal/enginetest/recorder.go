// Package enginetest replaces Pulumi's engine in tests: it records what a program
// registers, with all inputs and options.
package enginetest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/spec"
)

// Type tokens of what the components register.
const (
	Command        = "command:local:Command"
	Container      = "docker:index/container:Container"
	Image          = "docker:index/image:Image"
	RemoteImage    = "docker:index/remoteImage:RemoteImage"
	Network        = "docker:index/network:Network"
	Volume         = "docker:index/volume:Volume"
	Provider       = "pulumi:providers:kubernetes"
	Namespace      = "kubernetes:core/v1:Namespace"
	Pod            = "kubernetes:core/v1:Pod"
	Service        = "kubernetes:core/v1:Service"
	RuntimeClass   = "kubernetes:node.k8s.io/v1:RuntimeClass"
	EndpointSlice  = "kubernetes:discovery.k8s.io/v1:EndpointSlice"
	Secret         = "kubernetes:core/v1:Secret" //nolint:gosec // a type's token
	ConfigMap      = "kubernetes:core/v1:ConfigMap"
	Role           = "kubernetes:rbac.authorization.k8s.io/v1:Role"
	RoleBinding    = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"
	project, stack = "kubetracing", "test"
)

// previewLimit is far more than a preview of recorded resources takes; one that waits
// for a value that never comes fails.
const previewLimit = 10 * time.Second

// Recorder records every registration, and returns the inputs, an id and the outputs
// that only a provider could know.
type Recorder struct {
	// Stdout is what commands print, by name; "{}" by default.
	Stdout map[string]string

	unknown bool
	mu      sync.Mutex
	all     []pulumi.MockResourceArgs
}

var _ pulumi.MockResourceMonitor = (*Recorder)(nil)

// NewResource records a registration.
func (r *Recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if args.TypeToken != string(resource.RootStackType) {
		r.all = append(r.all, args)
	}
	outputs := args.Inputs.Copy()
	// The SDK's mocks cannot pass on an unknown secret, such as the kubeconfig.
	secret := slices.Contains(args.RegisterRPC.GetAdditionalSecretOutputs(), "stdout")
	if args.TypeToken == Command && (secret || !r.unknown) {
		outputs["stdout"] = resource.NewProperty("{}")
		if stdout, ok := r.Stdout[args.Name]; ok {
			outputs["stdout"] = resource.NewProperty(stdout)
		}
	}
	if r.unknown {
		return "", outputs, nil
	}
	return args.Name + "-id", outputs, nil
}

// Call rejects provider functions.
func (r *Recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("unexpected provider function %s", args.Token)
}

// Run runs a program until all of its registrations are complete.
func (r *Recorder) Run(program pulumi.RunFunc) error {
	return pulumi.RunErr(program, pulumi.WithMocks(project, stack, r), func(info *pulumi.RunInfo) { info.DryRun = r.unknown })
}

// Record runs a program that must succeed.
func Record(t *testing.T, program pulumi.RunFunc) *Recorder {
	t.Helper()
	r := &Recorder{}
	require.NoError(t, r.Run(program))
	return r
}

// Preview runs a program in a first preview, in which nothing is known that a provider
// returns. It fails if the program waits for such a value.
func Preview(t *testing.T, program pulumi.RunFunc) *Recorder {
	t.Helper()
	r := &Recorder{unknown: true}
	ended := make(chan error, 1)
	go func() { ended <- r.Run(program) }()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(previewLimit):
		require.FailNow(t, "the preview waits for a value that is not known")
	}
	return r
}

// All returns everything that was registered.
func (r *Recorder) All() []Registration {
	all := make([]Registration, len(r.all))
	for i, args := range r.all {
		all[i] = Registration{args}
	}
	return all
}

// One returns the only registration of a type with a name.
func (r *Recorder) One(t *testing.T, token, name string) Registration {
	t.Helper()
	var found []Registration
	for _, registration := range r.All() {
		if registration.TypeToken == token && registration.Name == name {
			found = append(found, registration)
		}
	}
	require.Len(t, found, 1, "registrations of %s %q", token, name)
	return found[0]
}

// Component returns the only component of a kind with a name.
func (r *Recorder) Component(t *testing.T, kind, name string) Registration {
	t.Helper()
	return r.One(t, resources.TokenPrefix+kind, name)
}

// Names returns the sorted names of everything of a type.
func (r *Recorder) Names(token string) []string {
	var names []string
	for _, registration := range r.All() {
		if registration.TypeToken == token {
			names = append(names, registration.Name)
		}
	}
	slices.Sort(names)
	return names
}

// URNs returns the sorted URNs of everything, as the engine makes them: a URN has the
// types of all ancestors, but only the resource's own name.
func (r *Recorder) URNs() []string {
	var urns []string
	for _, registration := range r.All() {
		parent := urn.URN(registration.RegisterRPC.GetParent())
		chain := registration.TypeToken
		if parent != "" && parent.QualifiedType() != resource.RootStackType {
			chain = string(parent.QualifiedType()) + "$" + chain
		}
		urns = append(urns, chain+"::"+registration.Name)
	}
	slices.Sort(urns)
	return urns
}

// AssertUnique asserts that no two resources have the same URN, which the engine
// rejects.
func (r *Recorder) AssertUnique(t *testing.T) {
	t.Helper()
	urns := r.URNs()
	assert.Equal(t, slices.Compact(slices.Clone(urns)), urns)
}

// Registration is a recorded resource.
type Registration struct{ pulumi.MockResourceArgs }

// Input returns an input as plain Go values; nil if it was not set.
func (r Registration) Input(key string) any {
	value, ok := r.Inputs[resource.PropertyKey(key)]
	if !ok {
		return nil
	}
	if value.IsSecret() {
		value = value.SecretValue().Element
	}
	return value.MapRepl(nil, nil)
}

// Plain returns all inputs as plain Go values.
func (r Registration) Plain() map[string]any { return r.Inputs.MapRepl(nil, nil) }

// Text returns an input that must be a string.
func (r Registration) Text(t *testing.T, key string) string {
	t.Helper()
	text, ok := r.Input(key).(string)
	require.True(t, ok, "input %s of %s is %v", key, r.Name, r.Input(key))
	return text
}

// Document decodes what a command reads on its standard input.
func Document[T any](t *testing.T, r Registration) T {
	t.Helper()
	var document T
	require.NoError(t, spec.Decode([]byte(r.Text(t, "stdin")), &document))
	return document
}

// Environment returns a command's environment.
func (r Registration) Environment(t *testing.T) map[string]string {
	t.Helper()
	variables, ok := r.Input("environment").(map[string]any)
	require.True(t, ok, "environment of %s", r.Name)
	environment := map[string]string{}
	for key, value := range variables {
		environment[key], ok = value.(string)
		require.True(t, ok, "variable %s of %s", key, r.Name)
	}
	return environment
}

// Dependencies returns the sorted names of what the resource waits for.
func (r Registration) Dependencies() []string { return urnNames(r.RegisterRPC.GetDependencies()) }

// PropertyDependencies returns the sorted names of the resources whose outputs an
// input holds.
func (r Registration) PropertyDependencies(key string) []string {
	return urnNames(r.RegisterRPC.GetPropertyDependencies()[key].GetUrns())
}

func urnNames(urns []string) []string {
	names := map[string]bool{}
	for _, dependency := range urns {
		names[urn.URN(dependency).Name()] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// AssertChildOf asserts that a resource is the child of a component.
func (r Registration) AssertChildOf(t *testing.T, kind, name string) {
	t.Helper()
	parent := urn.URN(r.RegisterRPC.GetParent())
	assert.Equal(t, resources.TokenPrefix+kind, string(parent.Type()), "type of %s's parent", r.Name)
	assert.Equal(t, name, parent.Name(), "%s's parent", r.Name)
}
