package timeline

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Sizes of the waterfall, in columns and lines.
const (
	defaultWidth = 120
	leastWidth   = 60
	// barShare is which part of the width the bars have.
	barShare = 4
	// margin is what lies before the bars: the columns of start and length.
	margin = 22
	// firstPhases and lastPhases are how many phases of a long timeline are printed.
	firstPhases = 24
	lastPhases  = 10
	// sameWords is the length from which on an error is not repeated.
	sameWords = 40
	// fullPods is how many pods are printed in full.
	fullPods = 5
)

// Write writes a timeline for people, with lines of a width in columns; 0 stands for
// one that fits most terminals.
func (t Timeline) Write(w io.Writer, width int) error {
	if width == 0 {
		width = defaultWidth
	}
	p := &printer{Writer: bufio.NewWriter(w), width: max(width, leastWidth)}
	if len(t.Pods) == 1 && len(t.Phases) == 0 && t.Pods[0].Object == t.Object {
		p.pod(t.Pods[0])
	} else {
		p.owner(t)
	}
	if err := p.Flush(); err != nil {
		return fmt.Errorf("print timeline: %w", err)
	}
	return nil
}

type printer struct {
	*bufio.Writer
	width int
}

func (p *printer) line(format string, arguments ...any) { fmt.Fprintf(p, format+"\n", arguments...) }

// owner prints an object that is not a pod, and its pods.
func (p *printer) owner(t Timeline) {
	p.line("%s in namespace %s: %s", t.Object, t.Namespace, t.summary())
	p.notes(t.Notes)
	rows := slices.Clone(t.Phases)
	start, end := bounds(t)
	slow := slowest(t.Pods)
	for _, pod := range t.Pods {
		text := pod.String() + " " + string(pod.State)
		if pod.ReadyAfter > 0 {
			text += " after " + rounded(time.Duration(pod.ReadyAfter))
		}
		last := pod.Start.Add(time.Duration(pod.ReadyAfter))
		if pod.ReadyAfter == 0 {
			last = pod.End
		}
		rows = append(rows, Phase{
			Text: text, Start: pod.Start, End: last, Length: Duration(last.Sub(pod.Start)), Error: pod.Reason, Longest: slow != "" && pod.UID == slow,
		})
	}
	p.line("")
	p.traces(t.Traces, p.rows(rows, start, end, "slowest"))
	shown := t.Pods
	if len(shown) > fullPods {
		slow := slowest(t.Pods)
		shown = slices.DeleteFunc(slices.Clone(shown), func(pod Pod) bool { return pod.UID != slow })
		p.line("")
		p.line("  the slowest of %d pods; timeline pod/NAME shows another", len(t.Pods))
	}
	for _, pod := range shown {
		p.line("")
		p.pod(pod)
	}
}

// bounds returns when the first phase of a timeline began and the last one that counts
// ended.
func bounds(t Timeline) (start, end time.Time) {
	for _, phase := range t.Phases {
		if start.IsZero() || phase.Start.Before(start) {
			start = phase.Start
		}
		end = later(end, phase.End)
	}
	for _, pod := range t.Pods {
		if start.IsZero() || pod.Start.Before(start) {
			start = pod.Start
		}
		if pod.ReadyAfter > 0 {
			end = later(end, pod.Start.Add(time.Duration(pod.ReadyAfter)))
		} else {
			end = later(end, pod.End)
		}
	}
	return start, end
}

// slowest returns the uid of the pod that took, or takes, the longest to be ready;
// empty if there is nothing to compare.
func slowest(pods []Pod) string {
	if len(pods) < 2 {
		return ""
	}
	slow := slices.MaxFunc(pods, func(a, b Pod) int { return cmp.Compare(a.startup(), b.startup()) })
	if slow.startup() == 0 {
		return ""
	}
	return slow.UID
}

// startup returns how long a pod has taken to be ready, so far; zero if it is gone.
func (p Pod) startup() time.Duration {
	switch {
	case p.ReadyAfter > 0:
		return time.Duration(p.ReadyAfter)
	case p.State == StateDeleted || p.State == StateUnknown:
		return 0
	default:
		return p.End.Sub(p.Start)
	}
}

// summary counts pods by their state.
func (t Timeline) summary() string {
	pods := t.Pods
	missing := ""
	if t.Wanted > len(pods) {
		missing = fmt.Sprintf(" of %d", t.Wanted)
	}
	if len(pods) == 0 {
		return "no pods" + missing
	}
	var order []State
	counts := map[State]int{}
	for _, pod := range pods {
		if counts[pod.State] == 0 {
			order = append(order, pod.State)
		}
		counts[pod.State]++
	}
	var parts []string
	for _, state := range order {
		parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
	}
	noun := "pods"
	if len(pods) == 1 {
		noun = "pod"
	}
	return fmt.Sprintf("%d%s %s, %s", len(pods), missing, noun, strings.Join(parts, ", "))
}

// pod prints one pod.
func (p *printer) pod(pod Pod) {
	p.line("%s in namespace %s: %s", pod.Object, pod.Namespace, pod.outcome())
	if pod.Reason != "" {
		p.wrapped("  ", pod.Reason)
	}
	facts := []string{}
	if pod.CreatedBy != "" {
		facts = append(facts, "created by "+pod.CreatedBy)
	}
	if len(pod.Owners) > 0 {
		var owners []string
		for _, owner := range pod.Owners {
			owners = append(owners, owner.String())
		}
		facts = append(facts, "owned by "+strings.Join(owners, ", owned by "))
	}
	if pod.Node != "" {
		facts = append(facts, "on node "+pod.Node)
	}
	if pod.UID != "" {
		facts = append(facts, "uid "+pod.UID)
	}
	if !pod.Start.IsZero() {
		facts = append(facts, "from "+pod.Start.UTC().Format("2006-01-02 15:04:05.000")+" UTC")
	}
	p.wrapped("  ", strings.Join(facts, ", "))
	shown := map[int]bool{}
	if len(pod.Phases) > 0 {
		p.line("")
		shown = p.rows(pod.Phases, pod.Start, pod.End, "longest")
	}
	p.notes(pod.Notes)
	p.traces(pod.Traces, shown)
}

// outcome says in a few words what became of a pod.
func (p Pod) outcome() string {
	switch {
	case p.ReadyAfter > 0:
		about := ""
		if p.Phases[0].Approximate {
			about = "about "
		}
		return string(p.State) + " after " + about + rounded(time.Duration(p.ReadyAfter))
	case p.State == StateDeleted || p.State == StateUnknown || len(p.Phases) == 0:
		return string(p.State)
	default:
		return string(p.State) + " for " + rounded(p.End.Sub(p.Start))
	}
}

// rows prints phases as a waterfall, and returns the numbers of the traces that it
// names.
func (p *printer) rows(phases []Phase, start, end time.Time, mark string) map[int]bool {
	shown := map[int]bool{}
	p.line("%10s%10s", "START", "LENGTH")
	bar := p.width / barShare
	hidden := len(phases) - firstPhases - lastPhases
	words := map[string]bool{}
	for i, phase := range phases {
		if hidden > 1 && i >= firstPhases && i < firstPhases+hidden && !phase.Longest {
			if i == firstPhases {
				p.line("%22s… %d phases more; --output json has all", "", hidden)
			}
			continue
		}
		about := ""
		if phase.Approximate {
			about = "~"
		}
		text := phase.Text
		if phase.Trace > 0 {
			shown[phase.Trace] = true
			text += fmt.Sprintf(" [%d]", phase.Trace)
		}
		if phase.End.IsZero() {
			text += ", so far"
		}
		if phase.Longest {
			text += "  ◀ " + mark
		}
		p.line("%10s%10s  %s  %s", about+rounded(phase.Start.Sub(start)), rounded(time.Duration(phase.Length)), bars(phase, start, end, bar), text)
		below := strings.Repeat(" ", margin+bar+2)
		if phase.Detail != "" {
			p.wrapped(below+"- ", phase.Detail)
		}
		switch {
		case phase.Error == "":
		case words[phase.Error] && len(phase.Error) > sameWords:
			p.line("%s! the same as above", below)
		default:
			words[phase.Error] = true
			p.wrapped(below+"! ", phase.Error)
		}
	}
	return shown
}

// bars draws a phase in as many columns as there are from start to end.
func bars(phase Phase, start, end time.Time, columns int) string {
	total := end.Sub(start)
	at := func(t time.Time) int {
		if total <= 0 {
			return 0
		}
		return min(max(int(int64(columns)*int64(t.Sub(start))/int64(total)), 0), columns)
	}
	from := min(at(phase.Start), columns-1)
	to := max(at(phase.Start.Add(time.Duration(phase.Length))), from+1)
	mark := "█"
	if phase.Wait {
		mark = "░"
	}
	return strings.Repeat(" ", from) + strings.Repeat(mark, to-from) + strings.Repeat(" ", columns-to)
}

func (p *printer) notes(notes []string) {
	for _, note := range notes {
		p.wrapped("  note: ", note)
	}
}

// traces prints where the real traces are that were shown.
func (p *printer) traces(traces []Trace, shown map[int]bool) {
	for i, trace := range traces {
		if !shown[i+1] {
			continue
		}
		p.line("  [%d] %s  (%s)", i+1, cmp.Or(trace.URL, trace.ID), trace.Text)
	}
}

// wrapped prints a text in lines of the printer's width, the first one after a
// prefix, the others below it.
func (p *printer) wrapped(prefix, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(prefix))
	room := max(p.width-len(indent), leastWidth/2)
	current := ""
	for _, word := range strings.Fields(strings.Map(printable, text)) {
		switch {
		case current == "":
			current = word
		case utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > room:
			p.line("%s%s", prefix, current)
			prefix, current = indent, word
		default:
			current += " " + word
		}
	}
	if current != "" {
		p.line("%s%s", prefix, current)
	}
}

// printable replaces what could move a terminal's cursor. The words of a container are
// anybody's.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}

// rounded writes a duration with two or three digits that mean something.
func rounded(d time.Duration) string {
	switch a := d.Abs(); {
	case a < time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case a < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case a < time.Second:
		return d.Round(time.Millisecond).String()
	case a < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}
