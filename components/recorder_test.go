package components_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Type tokens of what the components register.
const (
	tokenCommand     = "command:local:Command"
	tokenContainer   = "docker:index/container:Container"
	tokenImage       = "docker:index/image:Image"
	tokenRemoteImage = "docker:index/remoteImage:RemoteImage"
	tokenNetwork     = "docker:index/network:Network"
	tokenVolume      = "docker:index/volume:Volume"
	tokenProvider    = "pulumi:providers:kubernetes"
	tokenNamespace   = "kubernetes:core/v1:Namespace"
	tokenPod         = "kubernetes:core/v1:Pod"

	componentPrefix = "kubetracing:components:"
)

const (
	testProject = "kubetracing"
	testStack   = "test"
)

// recorder stands in for Pulumi's engine: it remembers every registration with
// all of its options, and answers with the inputs, an id and the outputs that
// only a provider could know.
type recorder struct {
	// outputs are extra outputs by type token.
	outputs map[string]resource.PropertyMap
	// stdout is what single commands print, by name; it wins over outputs.
	stdout map[string]string
	// unknown leaves ids out, as in a first preview.
	unknown bool

	mu  sync.Mutex
	got []pulumi.MockResourceArgs
}

var _ pulumi.MockResourceMonitor = (*recorder)(nil)

func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, args)
	outputs := args.Inputs.Copy()
	if args.TypeToken == tokenCommand {
		// The SDK's mocks refuse an unknown secret, which the kubeconfig would be.
		outputs["stdout"] = resource.NewProperty("{}")
	}
	maps.Copy(outputs, r.outputs[args.TypeToken])
	if stdout, ok := r.stdout[args.Name]; ok {
		outputs["stdout"] = resource.NewProperty(stdout)
	}
	if r.unknown {
		return "", outputs, nil
	}
	return args.Name + "-id", outputs, nil
}

func (r *recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("unexpected provider function %s", args.Token)
}

// run runs a program to its end, all registrations included.
func (r *recorder) run(program pulumi.RunFunc, options ...pulumi.RunOption) error {
	options = append([]pulumi.RunOption{pulumi.WithMocks(testProject, testStack, r)}, options...)
	return pulumi.RunErr(program, options...)
}

// record runs a program that must succeed and gives what it registered.
func record(t *testing.T, program pulumi.RunFunc) *recorder {
	t.Helper()
	r := &recorder{}
	require.NoError(t, r.run(program))
	return r
}

// one gives the only registration of a type with a name.
func (r *recorder) one(t *testing.T, token, name string) registration {
	t.Helper()
	var found []registration
	for _, args := range r.got {
		if args.TypeToken == token && args.Name == name {
			found = append(found, registration{args})
		}
	}
	require.Len(t, found, 1, "registrations of %s %q", token, name)
	return found[0]
}

// names gives the sorted names of everything of a type.
func (r *recorder) names(token string) []string {
	var names []string
	for _, args := range r.got {
		if args.TypeToken == token {
			names = append(names, args.Name)
		}
	}
	slices.Sort(names)
	return names
}

// registration is one recorded resource.
type registration struct{ pulumi.MockResourceArgs }

// input gives an input as plain Go values; nil if it was not set.
func (r registration) input(key string) any {
	value, ok := r.Inputs[resource.PropertyKey(key)]
	if !ok {
		return nil
	}
	if value.IsSecret() {
		value = value.SecretValue().Element
	}
	return value.MapRepl(nil, nil)
}

// text gives an input that must be a string.
func (r registration) text(t *testing.T, key string) string {
	t.Helper()
	text, ok := r.input(key).(string)
	require.True(t, ok, "input %s of %s is %v", key, r.Name, r.input(key))
	return text
}

// environment gives a command's environment.
func (r registration) environment(t *testing.T) map[string]string {
	t.Helper()
	variables, ok := r.input("environment").(map[string]any)
	require.True(t, ok, "environment of %s", r.Name)
	environment := map[string]string{}
	for key, value := range variables {
		environment[key], ok = value.(string)
		require.True(t, ok, "variable %s of %s", key, r.Name)
	}
	return environment
}

// parent is the type and the name of the parent.
func (r registration) parent() (token, name string) {
	parent := urn.URN(r.RegisterRPC.GetParent())
	return string(parent.Type()), parent.Name()
}

// dependencies are the sorted names of what the resource waits for.
func (r registration) dependencies() []string {
	names := []string{}
	for _, dependency := range r.RegisterRPC.GetDependencies() {
		names = append(names, urn.URN(dependency).Name())
	}
	slices.Sort(names)
	return names
}

// assertChildOf asserts that a resource hangs below a component.
func assertChildOf(t *testing.T, r registration, component, name string) {
	t.Helper()
	token, parent := r.parent()
	assert.Equal(t, componentPrefix+component, token, "type of %s's parent", r.Name)
	assert.Equal(t, name, parent, "%s's parent", r.Name)
}
