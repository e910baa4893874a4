package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// step is the outcome of one step of a review.
type step string

const (
	notReached step = "not reached"
	passed     step = "passed"
	failed     step = "failed"
)

// result is the outcome of a review. It is written beside the preview, by the pull
// request's own code, and read where it is not trusted.
type result struct {
	// Base is the update to the base's stack, which has to have been traced.
	Base step `json:"base"`
	// Preview is the preview of the head against that.
	Preview step `json:"preview"`
	// Head is the update from there to the head's, which has to be traced too.
	Head step `json:"head"`
	// Again is a preview after that, which must find nothing to do.
	Again step `json:"again"`
	// Destroy is the removal.
	Destroy step `json:"destroy"`
}

func newResult() result {
	return result{Base: notReached, Preview: notReached, Head: notReached, Again: notReached, Destroy: notReached}
}

func (r result) String() string {
	return fmt.Sprintf("base up: %s; preview: %s; update with its trace assertions: %s; nothing left to do: %s; destroy: %s",
		r.Base, r.Preview, r.Head, r.Again, r.Destroy)
}

// readResult reads what a run wrote; a run that was killed wrote nothing.
func readResult(text []byte) (result, error) {
	read := newResult()
	if text == nil {
		return read, nil
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return result{}, fmt.Errorf("read the result: %w", err)
	}
	for _, s := range []step{read.Base, read.Preview, read.Head, read.Again, read.Destroy} {
		if s != notReached && s != passed && s != failed {
			return result{}, fmt.Errorf("the result of a step is %q", s)
		}
	}
	return read, nil
}

// review shows on a running stack what the head changes about the base.
type review struct {
	// base and head are the checkouts.
	base, head string
	stack      string
	// folder gets STACK.txt, the preview, STACK.json, the result, and traces/STACK.json,
	// the traces.
	folder string
}

// run brings up the base's stack, previews the head against it, updates to the
// head, and destroys whatever happened. Both updates fail unless the stack's
// trace assertions hold.
func (r review) run(ctx context.Context) (err error) {
	if err := os.MkdirAll(r.folder, 0o755); err != nil {
		return fmt.Errorf("create a folder for the preview: %w", err)
	}
	// An earlier run's preview is not this one's.
	if err := os.Remove(r.path(".txt")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an earlier preview: %w", err)
	}
	outcome := newResult()
	defer func() {
		if _, statErr := os.Stat(r.stackFile(r.head)); statErr == nil {
			// Also after an interrupt.
			r.keepTraces(context.WithoutCancel(ctx))
			outcome.Destroy, err = finish(err, r.kubetracing(context.WithoutCancel(ctx), r.head, "destroy"))
		}
		err = errors.Join(err, r.write(".json", outcome))
	}()
	if err := r.shareState(); err != nil {
		return err
	}
	if _, err := os.Stat(r.stackFile(r.base)); err == nil {
		outcome.Base, err = finish(nil, r.kubetracing(ctx, r.base, "up"))
		if err != nil {
			return fmt.Errorf("bring up the base: %w", err)
		}
	}
	// Without the stack in the base, the preview shows all of it as new.
	preview, stderr, err := kubetracingOutput(ctx, r.head, "preview", "--stack", r.stack, "--", "--color", "never", "--non-interactive")
	outcome.Preview, err = finish(nil, err)
	if err != nil {
		preview = append(preview, stderr...)
	}
	if written := os.WriteFile(r.path(".txt"), quiet(preview), 0o644); written != nil { //nolint:gosec // Pulumi prints secrets as [secret]
		return errors.Join(err, fmt.Errorf("write preview: %w", written))
	}
	if err != nil {
		return fmt.Errorf("preview the head: %w", err)
	}
	outcome.Head, err = finish(nil, r.kubetracing(ctx, r.head, "up"))
	if err != nil {
		return fmt.Errorf("update to the head: %w", err)
	}
	outcome.Again, err = finish(nil, r.kubetracing(ctx, r.head, "preview", "--", "--expect-no-changes"))
	if err != nil {
		return fmt.Errorf("preview the head again: %w", err)
	}
	return nil
}

// tracesLimit bounds the export of traces, and tracesAge how old they may be: longer than
// a review takes.
const (
	tracesLimit = 5 * time.Minute
	tracesAge   = "1h"
)

// keepTraces writes the stack's traces to a file that Jaeger's UI opens. What fails is in
// the job's log: there may be no Jaeger yet, and the outcome is not about it.
func (r review) keepTraces(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tracesLimit)
	defer cancel()
	folder, err := filepath.Abs(filepath.Join(r.folder, "traces"))
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	if err == nil {
		err = r.kubetracing(ctx, r.head, "export", "--since", tracesAge, "--file", filepath.Join(folder, r.stack+".json"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pullrequest: no traces are kept:", err)
	}
}

// finish turns a step's error into its outcome, and joins it with earlier errors.
func finish(before, err error) (step, error) {
	if err != nil {
		return failed, errors.Join(before, err)
	}
	return passed, before
}

func (r review) path(extension string) string { return filepath.Join(r.folder, r.stack+extension) }

func (r review) stackFile(root string) string {
	return filepath.Join(root, "Pulumi."+r.stack+".yaml")
}

// shareState lets the base's program keep its state where the head's does, which
// is how the head finds a stack to preview against. Whoever keeps their state
// elsewhere shares that.
func (r review) shareState() error {
	if os.Getenv("PULUMI_BACKEND_URL") != "" {
		return nil
	}
	folder, err := filepath.Abs(filepath.Join(r.head, ".kubetracing", "state"))
	if err != nil {
		return fmt.Errorf("find the head's state: %w", err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("create the head's state folder: %w", err)
	}
	if err := os.Setenv("PULUMI_BACKEND_URL", "file://"+filepath.ToSlash(folder)); err != nil {
		return fmt.Errorf("set PULUMI_BACKEND_URL: %w", err)
	}
	return nil
}

// kubetracing runs a checkout's program on the stack; what it prints goes to
// standard error, in the job's log.
func (r review) kubetracing(ctx context.Context, root string, arguments ...string) error {
	command, err := kubetracing(ctx, root, append([]string{arguments[0], "--stack", r.stack}, arguments[1:]...)...)
	if err != nil {
		return err
	}
	command.Stdout = os.Stderr
	// Pulumi needs time to write down its state.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	if err := command.Run(); err != nil {
		return fmt.Errorf("kubetracing %s: %w", arguments[0], err)
	}
	return nil
}

func (r review) write(extension string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	if err := os.WriteFile(r.path(extension), append(text, '\n'), 0o644); err != nil { //nolint:gosec // it is for others to read
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// noise are the beginnings of lines that are not about the change.
var noise = []string{"Previewing update", "View in Browser", "View Live", "[id=", "[provider="}

var (
	// urn is a line with a resource's full name, of which the end tells it apart.
	urn = regexp.MustCompile(`\[urn=.*::([^:\]]+)\]`)
	// digest is a container's or an image's id, of which the first digits do.
	digest = regexp.MustCompile(`\b([0-9a-f]{12})[0-9a-f]{52}\b`)
)

// quiet removes from a preview what does not help its reader, who may have a
// phone: what is the same in every preview, and most of long names.
func quiet(preview []byte) []byte {
	var kept strings.Builder
	for line := range strings.Lines(string(preview)) {
		text := strings.TrimSpace(line)
		if slices.ContainsFunc(noise, func(beginning string) bool { return strings.HasPrefix(text, beginning) }) {
			continue
		}
		kept.WriteString(digest.ReplaceAllString(urn.ReplaceAllString(line, "[$1]"), "$1…"))
	}
	return []byte(strings.Trim(kept.String(), "\n") + "\n")
}
