package load

import (
	"context"
	"fmt"
	"time"
)

// Outcome is what became of a sender's traces.
type Outcome struct {
	// Acknowledged counts the traces that were acknowledged, and Failures the attempts
	// that were not.
	Acknowledged, Failures int
	// Lost are the numbers of the traces that were acknowledged and are not in Jaeger.
	Lost []uint64
}

// Account sends everything, calls interrupt as [Sender.SendInterrupted] does, and then
// asks Jaeger for the acknowledged traces, as [WaitStored] does. A Jaeger that does
// not answer yet is waited for.
func (s *Sender) Account(
	ctx context.Context, shares []float64, interrupt func() error, queryURL string, quiet time.Duration,
) (Outcome, error) {
	numbers, err := s.SendInterrupted(ctx, shares, interrupt)
	if err != nil {
		return Outcome{}, err
	}
	for deadline := time.Now().Add(progressTimeout); ; time.Sleep(quiet / 20) {
		if _, err := Stored(ctx, queryURL, s.Shape, numbers[:min(1, len(numbers))]); err == nil || time.Now().After(deadline) {
			break
		}
	}
	lost, err := WaitStored(ctx, queryURL, s.Shape, numbers, quiet)
	failures, _ := s.Failures()
	return Outcome{len(numbers), failures, lost}, err
}

// progressTimeout bounds how long a sender makes no progress.
const progressTimeout = time.Minute

// SendInterrupted sends everything and calls interrupt whenever a further one of
// the shares of the requests, in ascending order, is acknowledged. It returns the
// numbers of the acknowledged traces.
func (s *Sender) SendInterrupted(ctx context.Context, shares []float64, interrupt func() error) ([]uint64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var numbers []uint64
	sent := make(chan error, 1)
	go func() {
		var err error
		numbers, err = s.Send(ctx)
		sent <- err
	}()
	err := s.interrupt(ctx, shares, interrupt)
	if err != nil {
		cancel()
	}
	if failed := <-sent; err == nil {
		err = failed
	}
	return numbers, err
}

func (s *Sender) interrupt(ctx context.Context, shares []float64, interrupt func() error) error {
	for _, share := range shares {
		deadline := time.Now().Add(progressTimeout)
		for float64(s.Acknowledged()) < share*float64(s.Requests) {
			if ctx.Err() != nil || time.Now().After(deadline) {
				return fmt.Errorf("the load makes no progress: %d of %d requests are acknowledged", s.Acknowledged(), s.Requests)
			}
			time.Sleep(time.Millisecond)
		}
		if err := interrupt(); err != nil {
			return err
		}
	}
	return nil
}
