package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The kinds of comments: the difference of the offline plans, and what Pulumi
// previews for the base's running stack.
const (
	kindPlans   = "plans"
	kindPreview = "preview"
)

// maxComment keeps a comment below the 65,536 characters that GitHub accepts. It
// counts bytes, of which there are never fewer.
//
// Source: the API's answer to longer ones, "body is too long (maximum is 65536
// characters)".
const maxComment = 65_000

// maxFile bounds what is read of a file that a pull request's own code wrote.
const maxFile = 4 << 20

// marker makes a comment recognisable as ours, invisibly, so that the next run
// updates it instead of adding another.
func marker(kind string) string { return "<!-- kubetracing:" + kind + " -->" }

// section is one stack's part of a comment.
type section struct {
	// stack is the stack's name, summary one line about it.
	stack, summary string
	// text stands in a block of its own, in diff colours; empty means no block.
	text string
	// broken is whether the head's stack has no plan or preview.
	broken bool
}

// comment is the comment of a kind.
type comment struct {
	body string
	// broken are the stacks without a plan or preview.
	broken []string
}

// kinds are the comments' titles, the commands that show everything, and what
// reads a folder.
var kinds = map[string]struct {
	title, command string
	sections       func(*os.Root) ([]section, error)
}{
	kindPlans:   {"What this changes, by the offline plans of every stack", "make pr-plan", planSections},
	kindPreview: {"What this does to a running stack of the base", "make pr-preview", previewSections},
}

// newComment writes the comment of a kind from the folder that plans or preview
// has filled. The folder may come from a pull request's own code, so whatever
// stands in it appears inside a code block, where it can neither mention people
// nor pretend to be more than text.
func newComment(kind, folder string) (comment, error) {
	k, ok := kinds[kind]
	if !ok {
		return comment{}, fmt.Errorf("--kind: %q: must be %s or %s", kind, kindPlans, kindPreview)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return comment{}, fmt.Errorf("open folder: %w", err)
	}
	defer root.Close()
	sections, err := k.sections(root)
	if err != nil {
		return comment{}, err
	}
	// What is broken comes first; sections are in the order of their names.
	slices.SortStableFunc(sections, func(a, b section) int {
		switch {
		case a.broken == b.broken:
			return 0
		case a.broken:
			return -1
		default:
			return 1
		}
	})
	c := comment{body: render(marker(kind)+"\n### "+k.title+"\n", sections, k.command+" shows everything")}
	for _, s := range sections {
		if s.broken {
			c.broken = append(c.broken, s.stack)
		}
	}
	return c, nil
}

// planSections compares base/STACK.yaml with head/STACK.yaml.
func planSections(root *os.Root) ([]section, error) {
	files := map[string]map[string][]byte{}
	names := map[string]bool{}
	for _, side := range []string{baseFolder, headFolder} {
		for _, extension := range []string{planExtension, mistakeExtension} {
			contents, err := readFolder(root, side, extension)
			if err != nil {
				return nil, err
			}
			files[side+extension] = contents
			for name := range contents {
				names[name] = true
			}
		}
	}
	var sections []section
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, existed := files[baseFolder+planExtension][name]
		after, exists := files[headFolder+planExtension][name]
		mistakesBefore, wasBroken := files[baseFolder+mistakeExtension][name]
		mistakes, isBroken := files[headFolder+mistakeExtension][name]
		s := section{stack: name}
		switch {
		case isBroken:
			s.summary, s.text, s.broken = "**is broken**: it has no plan", string(mistakes), true
		case !exists:
			s.summary = "removed"
		case wasBroken:
			s.summary, s.text = "was broken in the base: there is no plan to compare with", string(mistakesBefore)
		case !existed:
			s.summary = "new"
		default:
			difference, err := diffPlans(before, after)
			if err != nil {
				return nil, fmt.Errorf("stack %q: %w", name, err)
			}
			s.summary, s.text = counted(difference.changes), difference.text
		}
		sections = append(sections, s)
	}
	return sections, nil
}

func counted(changes int) string {
	switch changes {
	case 0:
		return "nothing"
	case 1:
		return "1 place"
	default:
		return fmt.Sprintf("%d places", changes)
	}
}

// previewSections reads STACK.txt and, beside it, how the run went on. A run that
// ended before the preview has left only the latter.
func previewSections(root *os.Root) ([]section, error) {
	previews, err := readFolder(root, ".", ".txt")
	if err != nil {
		return nil, err
	}
	results, err := readFolder(root, ".", ".json")
	if err != nil {
		return nil, err
	}
	names := maps.Clone(results)
	maps.Copy(names, previews)
	var sections []section
	for _, name := range slices.Sorted(maps.Keys(names)) {
		outcome, err := readResult(results[name])
		if err != nil {
			return nil, fmt.Errorf("stack %q: %w", name, err)
		}
		sections = append(sections, section{stack: name, summary: outcome.String(), text: string(previews[name]), broken: outcome.Preview == failed})
	}
	return sections, nil
}

// stackName is the form of the names that are printed outside of code blocks.
var stackName = regexp.MustCompile(`^[a-z0-9][-a-z0-9]{0,31}$`)

// readFolder reads the files with an extension, by their names without it. A
// folder that does not exist has none.
func readFolder(root *os.Root, folder, extension string) (map[string][]byte, error) {
	entries, err := fs.ReadDir(root.FS(), folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list %s: %w", folder, err)
	}
	contents := map[string][]byte{}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), extension)
		if !ok || !entry.Type().IsRegular() {
			continue
		}
		if !stackName.MatchString(name) {
			return nil, fmt.Errorf("%q is not the name of a stack", name)
		}
		content, err := readBounded(root, filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		contents[name] = content
	}
	return contents, nil
}

func readBounded(root *os.Root, path string) ([]byte, error) {
	file, err := root.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return content, nil
}

// render puts a table of all stacks in front of a block per changed stack. What
// does not fit is cut at a line, with a note.
func render(title string, sections []section, more string) string {
	var table strings.Builder
	table.WriteString(title + "\n| stack | changes |\n|---|---|\n")
	var blocks []section
	for _, s := range sections {
		fmt.Fprintf(&table, "| `%s` | %s |\n", s.stack, s.summary)
		if s.text != "" {
			blocks = append(blocks, s)
		}
	}
	body := table.String()
	// Short blocks are whole; long ones share what they leave.
	room := maxComment - len(body)
	rooms := map[string]int{}
	for i, s := range slices.SortedFunc(slices.Values(blocks), func(a, b section) int { return len(a.text) - len(b.text) }) {
		rooms[s.stack] = room / (len(blocks) - i)
		room -= len(block(s, rooms[s.stack], more))
	}
	for _, s := range blocks {
		body += block(s, rooms[s.stack], more)
	}
	return body
}

// block returns a stack's text in a block that folds, in at most size bytes.
func block(s section, size int, more string) string {
	text := strings.ToValidUTF8(s.text, "?")
	fence := strings.Repeat("`", max(3, longestRun(text, '`')+1))
	wrap := func(text, note string) string {
		return fmt.Sprintf("\n<details open><summary>%s</summary>\n\n%sdiff\n%s\n%s\n%s\n</details>\n",
			s.stack, fence, strings.Trim(text, "\n"), fence, note)
	}
	whole := wrap(text, "")
	if len(whole) <= size {
		return whole
	}
	note := func(lines int) string { return fmt.Sprintf("\n%d more lines are not shown here: %s.\n", lines, more) }
	lines := strings.SplitAfter(text, "\n")
	room := size - len(wrap("", note(len(lines))))
	kept := 0
	for used := 0; kept < len(lines) && used+len(lines[kept]) <= room; kept++ {
		used += len(lines[kept])
	}
	return wrap(strings.Join(lines[:kept], ""), note(len(lines)-kept))
}

// longestRun returns the length of the longest run of a character.
func longestRun(text string, character rune) int {
	longest, run := 0, 0
	for _, c := range text {
		run++
		if c != character {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}
