package cli

import (
	"context"
	"time"

	"github.com/kubetracing/kubetracing/infra/diagnose"
)

// clockTimeout bounds the question for the daemon's clock, which must not delay what
// can do without.
const clockTimeout = 5 * time.Second

// clock is that of the Docker host, by which spans are dated.
type clock struct {
	// offset is by how much it is ahead of this machine's, and uncertainty by how much
	// that may be wrong.
	offset, uncertainty time.Duration
	// difference describes a clock that differs; nil if it does not.
	difference *diagnose.Cause
}

// clock asks for the Docker host's clock. It is taken for this machine's where the
// daemon does not answer: spans may come from elsewhere.
func (a *App) clock(ctx context.Context) clock {
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	system, err := a.Docker.System(ctx)
	if err != nil {
		return clock{}
	}
	offset, uncertainty := system.Offset()
	return clock{offset, uncertainty, diagnose.Clock(system)}
}
