package engine_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/structpb"
)

// journal records what the engine had the providers do; previews leave nothing in
// it.
type journal struct {
	mu      sync.Mutex
	entries []entry
	// count numbers the operations, drained ones included.
	count int
	// configurations are what providers were configured with.
	configurations []*structpb.Struct
	// failing are the operations that fail once, with their reasons.
	failing map[operation]string
}

// operation is something done to a resource.
type operation struct{ verb, resource string }

func (o operation) String() string { return o.verb + " " + o.resource }

type entry struct {
	operation
	stack  string
	token  string
	inputs *structpb.Struct
}

// record records an operation, unless it must fail, and returns its number.
func (j *journal) record(verb, subject string, inputs *structpb.Struct) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	resource := urn.URN(subject)
	done := operation{verb, resourceName(resource)}
	if reason, fails := j.failing[done]; fails {
		delete(j.failing, done)
		return 0, errors.New(reason)
	}
	j.entries = append(j.entries, entry{done, resource.Stack().String(), string(resource.Type()), inputs})
	j.count++
	return j.count, nil
}

func (j *journal) configure(arguments *structpb.Struct) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.configurations = append(j.configurations, arguments)
}

// failOnce makes the next such operation fail.
func (j *journal) failOnce(verb, resource, reason string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failing == nil {
		j.failing = map[operation]string{}
	}
	j.failing[operation{verb, resource}] = reason
}

// drain returns what happened since it was last called.
func (j *journal) drain() history {
	j.mu.Lock()
	defer j.mu.Unlock()
	drained := j.entries
	j.entries = nil
	return drained
}

// history is what happened, in its order.
type history []entry

// operations lists what happened, as "create cluster-k3d".
func (h history) operations() []string {
	var operations []string
	for _, e := range h {
		operations = append(operations, e.String())
	}
	return operations
}

// resources lists the resources with an operation.
func (h history) resources(verb string) []string {
	var resources []string
	for _, e := range h {
		if e.verb == verb {
			resources = append(resources, e.resource)
		}
	}
	return resources
}

// assertOrder checks that each of the operations happened once, one after the
// other.
func (h history) assertOrder(t *testing.T, operations ...string) {
	t.Helper()
	var got []string
	for _, happened := range h.operations() {
		for _, wanted := range operations {
			if happened == wanted {
				got = append(got, happened)
			}
		}
	}
	assert.Equal(t, operations, got)
}

// only returns the only entry of an operation.
func (h history) only(t *testing.T, verb, resource string) entry {
	t.Helper()
	var found []entry
	for _, e := range h {
		if e.operation == (operation{verb, resource}) {
			found = append(found, e)
		}
	}
	require.Len(t, found, 1, "%s %s", verb, resource)
	return found[0]
}
