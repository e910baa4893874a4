package progress

import (
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
)

// verb describes what a command does.
type verb struct{ noun, doing, done string }

// verbs are those of Pulumi's commands.
var verbs = map[string]verb{
	"up":      {"the update", "updating", "done"},
	"destroy": {"the removal", "removing", "removed"},
}

// phase is a part of an update that people have a name for. Several run side by side.
type phase struct {
	name string
	// of lists the components whose resources belong to it.
	of []string

	// begin is when its first operation started, active when something last happened.
	begin, active time.Time
	// running are the URNs of resources in the midst of an operation. components are
	// those of components whose outputs are not known yet.
	running, components map[string]bool
	// detail is what it waits for.
	detail           string
	failed, reported bool
}

// tracedCluster is the component that contains all others.
const tracedCluster = "TracedCluster"

// newPhases returns the phases of an update, in their order.
func newPhases() []*phase {
	phases := []*phase{
		{name: "network and identity", of: []string{"Network", tracedCluster}},
		{name: "Jaeger and the Collector", of: []string{"SearchServer", "Jaeger", "Collector", "IndexCleaner"}},
		{name: "node image", of: []string{"NodeImage"}},
		{name: "cluster", of: []string{"NodeConfig", "Cluster", "RuntimeClasses"}},
		{name: "workloads", of: []string{"Workloads"}},
		{name: "spans", of: []string{"Verification"}},
	}
	for _, p := range phases {
		p.running, p.components = map[string]bool{}, map[string]bool{}
	}
	return phases
}

// start notes that an operation starts.
func (p *phase) start(resource string, now time.Time) {
	if p.begin.IsZero() {
		p.begin = now
	}
	p.running[resource], p.active, p.reported = true, now, false
}

// stop notes that an operation has ended.
func (p *phase) stop(resource string, now time.Time) {
	if p.running[resource] {
		delete(p.running, resource)
		p.active = now
	}
}

// ended reports whether the phase has ended without having been reported.
func (p *phase) ended(now time.Time) bool {
	return !p.begin.IsZero() && !p.reported && len(p.running) == 0 && len(p.components) == 0 && now.Sub(p.active) >= settleTime
}

// componentPrefix begins the types of the program's components.
const componentPrefix = "kubetracing:components:"

// componentOf returns the name of the component that a resource is or belongs to: the
// innermost one.
func componentOf(u urn.URN) string {
	component := ""
	if !u.IsValid() {
		return component
	}
	for kind := range strings.SplitSeq(string(u.QualifiedType()), "$") {
		if name, ok := strings.CutPrefix(kind, componentPrefix); ok {
			component = name
		}
	}
	return component
}

// isCustom reports whether a step is that of a resource that a provider manages.
func isCustom(step apitype.StepEventMetadata) bool {
	state := step.New
	if state == nil {
		state = step.Old
	}
	return state == nil || state.Custom
}

// isWork reports whether an operation takes time because something changes.
func isWork(op apitype.OpType) bool {
	switch op {
	case apitype.OpCreate, apitype.OpUpdate, apitype.OpDelete, apitype.OpCreateReplacement, apitype.OpDeleteReplaced:
		return true
	default:
		return false
	}
}

// operation describes an operation.
func operation(op apitype.OpType) string {
	switch op {
	case apitype.OpUpdate:
		return "updating"
	case apitype.OpDelete, apitype.OpDeleteReplaced:
		return "removing"
	default:
		return "creating"
	}
}
