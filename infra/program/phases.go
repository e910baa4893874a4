package program

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// quietFor is how long a phase may take without being announced: what is over
// sooner, as in an update without changes, would only scroll by.
const quietFor = time.Second

// phases tell how far an update is: Pulumi lists dozens of resources, in the
// order in which they happen to come. Several phases run side by side; the update
// is in the first that is not over.
type phases struct {
	mu        sync.Mutex
	say       func(message string)
	names     []string
	over      []bool
	announced int
	pending   *time.Timer
}

// newPhases announces on the stack's row in a terminal, and as a line where
// there is none. A preview has no phases.
func newPhases(ctx *pulumi.Context) *phases {
	return &phases{announced: -1, say: func(message string) {
		if ctx.DryRun() {
			return
		}
		// Ephemeral: not repeated below the finished update. An engine that does not
		// listen any more has no use for it.
		_ = ctx.Log.Info(message, &pulumi.LogArgs{Ephemeral: true})
	}}
}

// add makes a phase that is over once all of outputs are known. All phases are
// added before start.
func (p *phases) add(name string, outputs ...any) {
	number := len(p.names)
	p.names = append(p.names, name)
	p.over = append(p.over, false)
	pulumi.All(outputs...).ApplyT(func([]any) bool {
		p.end(number)
		return true
	})
}

// start announces the first phase.
func (p *phases) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.announce()
}

func (p *phases) end(number int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over[number] = true
	p.announce()
}

// announce says, in a moment, which phase the update is in, unless it is in
// another one by then.
func (p *phases) announce() {
	current := slices.Index(p.over, false)
	if p.pending != nil {
		p.pending.Stop()
	}
	if current < 0 || current == p.announced {
		return
	}
	p.pending = time.AfterFunc(quietFor, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if current == slices.Index(p.over, false) && current != p.announced {
			p.announced = current
			p.say(fmt.Sprintf("phase %d of %d: %s", current+1, len(p.names), p.names[current]))
		}
	})
}
