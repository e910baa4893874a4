package load

import (
	"context"
	"fmt"
	"time"
)

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
