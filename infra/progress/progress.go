// Package progress renders the events of Pulumi's engine as the phases of an update.
//
// A log gets a line when a phase ends, when something that is waited for changes, and
// now and then while nothing does. A terminal has one line more, which is updated.
package progress

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"

	"github.com/kubetracing/kubetracing/infra/pulumi"
)

const (
	// settleTime is how long a phase must be quiet to count as ended: the next of its
	// resources may follow at once.
	settleTime = time.Second
	// reminderTime is how long a log may be silent while something is waited for.
	reminderTime = 30 * time.Second
)

// Report renders one update. It implements [pulumi.Follower].
type Report struct {
	w io.Writer
	// width is the terminal's; 0 for a log.
	width int
	now   func() time.Time

	verb     verb
	begin    time.Time
	phases   []*phase
	lastLine time.Time
	live     bool
	shown    map[string]bool
	failures []failure
	// root begins the names of the resources: it is that of the traced cluster.
	root    string
	summary *apitype.SummaryEvent
}

// failure is an error that the engine reported.
type failure struct{ resource, text string }

// New returns a report that writes to w, which is a terminal of a width in columns,
// or a log if that is 0.
func New(w io.Writer, width int, now func() time.Time) *Report {
	return &Report{w: w, width: width, now: now}
}

// Begin implements [pulumi.Follower].
func (r *Report) Begin(command string) {
	now := r.now()
	*r = Report{w: r.w, width: r.width, now: r.now, verb: verbs[command], begin: now, lastLine: now, shown: map[string]bool{}}
	r.phases = newPhases()
}

// Event implements [pulumi.Follower].
func (r *Report) Event(event apitype.EngineEvent) {
	r.reportEnded()
	switch {
	case event.ResourcePreEvent != nil:
		r.start(event.ResourcePreEvent.Metadata)
	case event.ResOutputsEvent != nil:
		r.finish(event.ResOutputsEvent.Metadata)
	case event.ResOpFailedEvent != nil:
		r.fail(event.ResOpFailedEvent.Metadata)
	case event.DiagnosticEvent != nil:
		r.diagnostic(*event.DiagnosticEvent)
	case event.ProgressEvent != nil && event.ProgressEvent.Type == apitype.PluginDownload:
		r.once(event.ProgressEvent.Message)
	case event.SummaryEvent != nil:
		r.summary = event.SummaryEvent
	}
	r.Tick()
}

// start notes the beginning of an operation.
func (r *Report) start(step apitype.StepEventMetadata) {
	p := r.phase(step.URN)
	switch {
	case p == nil:
	case !isCustom(step) && componentOf(urn.URN(step.URN)) == tracedCluster:
		// It only ends with the update.
		r.root = urn.URN(step.URN).Name() + "-"
	case !isCustom(step):
		p.components[step.URN] = true
	case isWork(step.Op):
		p.start(step.URN, r.now())
		p.detail = operation(step.Op) + " " + r.resourceName(step.URN)
	}
}

// finish notes the end of an operation.
func (r *Report) finish(step apitype.StepEventMetadata) {
	p := r.phase(step.URN)
	switch {
	case p == nil:
	case !isCustom(step):
		delete(p.components, step.URN)
	default:
		p.stop(step.URN, r.now())
	}
}

// fail notes an operation that failed.
func (r *Report) fail(step apitype.StepEventMetadata) {
	if p := r.phase(step.URN); p != nil {
		p.stop(step.URN, r.now())
		p.failed = true
	}
}

// Tick implements [pulumi.Follower].
func (r *Report) Tick() {
	r.reportEnded()
	now := r.now()
	if r.width > 0 {
		r.update(now)
	} else if working := r.working(); len(working) > 0 && now.Sub(r.lastLine) >= reminderTime {
		r.print("still " + r.verb.doing + ": " + strings.Join(r.describe(working, now), "; "))
	}
}

// reportEnded reports the phases that have ended.
func (r *Report) reportEnded() {
	for _, p := range r.phases {
		if p.ended(r.now()) {
			r.end(p)
		}
	}
}

// end reports that a phase has ended.
func (r *Report) end(p *phase) {
	p.reported = true
	took := p.active.Sub(p.begin)
	if p.failed {
		r.print(fmt.Sprintf("%s: failed after %s", p.name, duration(took)))
		return
	}
	r.print(fmt.Sprintf("%s: %s in %s", p.name, r.verb.done, duration(took)))
}

// working returns the phases in which something happens.
func (r *Report) working() []*phase {
	var working []*phase
	for _, p := range r.phases {
		if len(p.running) > 0 {
			working = append(working, p)
		}
	}
	return working
}

// describe describes what phases are waiting for.
func (r *Report) describe(working []*phase, now time.Time) []string {
	texts := make([]string, len(working))
	for i, p := range working {
		texts[i] = fmt.Sprintf("%s (%s)", p.name, duration(now.Sub(p.begin)))
		if p.detail != "" {
			texts[i] += ": " + p.detail
		}
	}
	return texts
}

// diagnostic passes on what is of interest of what the program and the providers say.
func (r *Report) diagnostic(d apitype.DiagnosticEvent) {
	text := clean(d.Message)
	switch d.Severity {
	case "error":
		if output := commandOutput(text, r.shown); output != "" && !engineSummary.MatchString(output) {
			r.failures = append(r.failures, failure{r.resourceName(d.URN), output})
		}
	case "warning":
		if !pluginNotice.MatchString(text) {
			r.once("warning: " + text)
		}
	default:
		// The messages of our own commands are for people; those of others are not.
		for line := range strings.Lines(text) {
			message, ours := strings.CutPrefix(strings.TrimSpace(line), prefix)
			if !ours {
				continue
			}
			r.shown[strings.TrimSpace(line)] = true
			if p := r.phase(d.URN); p != nil {
				p.detail = message
				r.once(p.name + ": " + message)
			} else {
				r.once(message)
			}
		}
	}
}

// once prints a line unless it was printed before.
func (r *Report) once(text string) {
	if !r.shown[text] {
		r.shown[text] = true
		r.print(text)
	}
}

// End implements [pulumi.Follower].
func (r *Report) End(err error, output string) {
	for _, p := range r.phases {
		if !p.begin.IsZero() && !p.reported {
			p.failed = p.failed || len(p.running) > 0
			r.end(p)
		}
	}
	took := duration(r.now().Sub(r.begin))
	var exit *pulumi.ExitError
	switch {
	case err == nil:
		r.print(r.outcome(took))
	case !errors.As(err, &exit):
		// The caller reports the error.
		r.clear()
	default:
		r.print(fmt.Sprintf("%s failed after %s (--verbose shows everything that Pulumi prints)", r.verb.noun, took))
		r.explain(output)
	}
}

// explain prints the output of what failed; what Pulumi printed, if the engine knows
// none.
func (r *Report) explain(output string) {
	if len(r.failures) == 0 {
		fmt.Fprintln(r.w, strings.TrimSpace(clean(output)))
		return
	}
	for _, failure := range r.failures {
		if failure.resource != "" {
			fmt.Fprintf(r.w, "%s:\n", failure.resource)
		}
		for line := range strings.Lines(failure.text) {
			fmt.Fprintf(r.w, "  %s\n", strings.TrimRight(line, "\r\n"))
		}
	}
}

// outcome summarizes what was done.
func (r *Report) outcome(took string) string {
	if r.summary == nil {
		return fmt.Sprintf("%s in %s", r.verb.done, took)
	}
	changes := r.summary.ResourceChanges
	var parts []string
	for _, count := range []struct {
		op   apitype.OpType
		name string
	}{{apitype.OpCreate, "created"}, {apitype.OpUpdate, "updated"}, {apitype.OpReplace, "replaced"}, {apitype.OpDelete, "deleted"}} {
		if n := changes[count.op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, count.name))
		}
	}
	same := changes[apitype.OpSame]
	if len(parts) == 0 {
		return fmt.Sprintf("nothing to change (%d resources, %s)", same, took)
	}
	if same > 0 {
		parts = append(parts, fmt.Sprintf("%d unchanged", same))
	}
	return fmt.Sprintf("%s in %s: %s", r.verb.done, took, strings.Join(parts, ", "))
}

// prefix begins every line of kubetracing's own.
const prefix = "kubetracing: "

// print writes a line that stays.
func (r *Report) print(text string) {
	r.clear()
	fmt.Fprintln(r.w, prefix+text)
	r.lastLine = r.now()
}

// clear removes the live line.
func (r *Report) clear() {
	if r.live {
		fmt.Fprint(r.w, "\r\x1b[K")
		r.live = false
	}
}

// update writes the live line.
func (r *Report) update(now time.Time) {
	text := prefix + r.verb.doing + " (" + duration(now.Sub(r.begin)) + ")"
	if working := r.working(); len(working) > 0 {
		text = prefix + strings.Join(r.describe(working, now), "; ")
	}
	if runes := []rune(text); len(runes) >= r.width {
		text = string(runes[:r.width-1])
	}
	fmt.Fprint(r.w, "\r\x1b[K"+text)
	r.live = true
}

// resourceName returns the name of a resource for people; empty for the stack itself.
func (r *Report) resourceName(text string) string {
	u := urn.URN(text)
	if !u.IsValid() || u.QualifiedType() == "pulumi:pulumi:Stack" {
		return ""
	}
	return strings.TrimPrefix(u.Name(), r.root)
}

// phase returns the phase that a resource belongs to; nil if none.
func (r *Report) phase(text string) *phase {
	component := componentOf(urn.URN(text))
	for _, p := range r.phases {
		if slices.Contains(p.of, component) {
			return p
		}
	}
	return nil
}

var (
	ansi = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")
	// running is what the command provider puts before what a command that failed wrote.
	//
	// Source: pulumi/pulumi-command provider/pkg/provider/local/commandOutputs.go.
	running = regexp.MustCompile(`(?s)^.*?exit status \d+: running "(?:[^"\\]|\\.)*":\n`)
	// engineSummary matches the error that only repeats that an update has failed.
	//
	// Source: pulumi/pulumi pkg/engine/update.go.
	engineSummary = regexp.MustCompile(`^(update|destroy|preview) failed$`)
	// pluginNotice matches the warning about a plugin on PATH, which was put there on
	// purpose.
	//
	// Source: github.com/pulumi/pulumi/sdk/v3 go/common/workspace/plugins.go.
	pluginNotice = regexp.MustCompile(`^using \S+ from \$PATH at `)
)

// clean removes colors.
func clean(text string) string {
	return strings.TrimSpace(ansi.ReplaceAllString(colors.Never.Colorize(text), ""))
}

// commandOutput returns what a command that failed wrote, without its source and
// without the progress that was shown already. The last line of ours is the reason.
func commandOutput(text string, shown map[string]bool) string {
	lines := strings.Split(running.ReplaceAllString(text, ""), "\n")
	reason := -1
	for i, line := range lines {
		if strings.HasPrefix(line, prefix) {
			reason = i
		}
	}
	var kept []string
	for i, line := range lines {
		switch {
		case i == reason:
			kept = append(kept, strings.TrimPrefix(line, prefix))
		case !shown[strings.TrimSpace(line)]:
			kept = append(kept, line)
		}
	}
	return strings.TrimSpace(strings.Join(kept, "\n"))
}

// duration renders a duration for people.
func duration(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
