package verify

import (
	"fmt"
	"time"
)

// clockTolerance is the difference of two clocks that does not explain missing spans,
// and that measuring one through Docker may add.
const clockTolerance = 2 * time.Second

// ClockDifference describes a difference between the clock of the Docker host, which
// spans have, and ours. It reports whether the difference is large enough to be the
// cause of missing spans. The offset is by how much the host's clock is ahead.
func ClockDifference(offset time.Duration) (cause string, different bool) {
	direction := "ahead of"
	if offset < 0 {
		direction = "behind"
	}
	if offset.Abs() < clockTolerance {
		return "", false
	}
	return fmt.Sprintf("the Docker host's clock is %s %s this machine's", offset.Abs().Round(time.Second), direction), true
}
