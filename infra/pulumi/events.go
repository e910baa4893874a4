package pulumi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// Follower follows an update through the events of Pulumi's engine.
type Follower interface {
	// Begin is called with the Pulumi command that begins.
	Begin(command string)
	// Event is called with every event, in order.
	Event(event apitype.EngineEvent)
	// Tick is called now and then, so that long operations can be reported.
	Tick()
	// End is called once Pulumi has ended: with nil, or else with the error and with
	// what Pulumi itself wrote to both outputs. It has shown the reason then.
	End(err error, output string)
}

// eventPause is the pause between two looks into the file of events.
const eventPause = 100 * time.Millisecond

// change runs a command that changes the stack.
func (s Stack) change(ctx context.Context, follow Follower, command string, flags []string) error {
	arguments := append([]string{command}, flags...)
	if follow == nil {
		return s.Run(ctx, arguments...)
	}
	// The folder is private: events contain what resources are made of.
	folder, err := os.MkdirTemp("", "kubetracing-events-")
	if err != nil {
		return fmt.Errorf("record events: %w", err)
	}
	defer os.RemoveAll(folder)
	log := filepath.Join(folder, "events.jsonl")
	follow.Begin(command)
	done := make(chan struct{})
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		followEvents(log, done, follow)
	}()
	// The flag is only there with the variable.
	//
	// Source: pulumi/pulumi pkg/cmd/pulumi/operations/up.go (env.DebugCommands).
	s.Env = append(append([]string{}, s.Env...), "PULUMI_DEBUG_COMMANDS=true")
	result, err := s.run(ctx, Command{Args: append(arguments, "--non-interactive", "--event-log", log)})
	close(done)
	<-followed
	follow.End(err, result.Stdout+result.Stderr)
	if exit, ok := errors.AsType[*ExitError](err); ok {
		exit.Shown = true
	}
	return err
}

// followEvents reads the events of a file that grows until done is closed, and then
// the rest.
func followEvents(path string, done <-chan struct{}, follow Follower) {
	var reader *bufio.Reader
	var line []byte
	for last := false; ; {
		if reader == nil {
			file, err := os.Open(path)
			if err == nil {
				defer file.Close()
				reader = bufio.NewReader(file)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return
			}
		}
		for reader != nil {
			part, err := reader.ReadBytes('\n')
			line = append(line, part...)
			if err != nil {
				// A line that is not complete yet, or the end.
				break
			}
			var event apitype.EngineEvent
			if json.Unmarshal(line, &event) == nil {
				follow.Event(event)
			}
			line = line[:0]
		}
		if last {
			return
		}
		follow.Tick()
		select {
		case <-done:
			last = true
		case <-time.After(eventPause):
		}
	}
}
