// Package poll waits for conditions.
package poll

import (
	"context"
	"time"
)

// Loop repeats a check until it is done.
type Loop struct {
	// Interval is the pause between two checks.
	Interval time.Duration
	// Progress, if not nil, is called with a check's status whenever that has changed
	// and is not empty.
	Progress func(status string)
}

// Until calls check at once, and then after every interval, until it is done or fails.
// It returns the cause of the context's end if that comes first.
func (l Loop) Until(ctx context.Context, check func(ctx context.Context) (status string, done bool, err error)) error {
	timer := time.NewTimer(l.Interval)
	defer timer.Stop()
	last := ""
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		status, done, err := check(ctx)
		if done || err != nil {
			return err
		}
		if status != last && l.Progress != nil && status != "" {
			l.Progress(status)
		}
		last = status
		timer.Reset(l.Interval)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}
