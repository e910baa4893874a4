package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

// Sender sends the traces 1 to Requests*Traces over OTLP/gRPC, as the exporters of
// Kubernetes do, but records which requests were acknowledged.
type Sender struct {
	// Address is the host:port of the receiver. Required.
	Address string
	// Shape is the shape of the traces. Required.
	Shape Shape
	// Requests is the number of requests, Traces that of traces in each. Required.
	Requests, Traces int
	// Workers send at the same time, each one request after the other. Required.
	Workers int
	// Retry sends a request again until it is acknowledged; else one that fails is
	// not sent again.
	Retry bool
	// Pause is how long a worker waits after each request. Optional.
	Pause time.Duration

	acknowledged, failures atomic.Int64
	lastFailure            atomic.Pointer[error]
}

// Acknowledged counts the requests that were acknowledged so far.
func (s *Sender) Acknowledged() int { return int(s.acknowledged.Load()) }

// Failures returns the number of attempts that were not acknowledged, and the last
// one's error.
func (s *Sender) Failures() (int, error) {
	if last := s.lastFailure.Load(); last != nil {
		return int(s.failures.Load()), *last
	}
	return 0, nil
}

// retryPause is how long a worker waits after a request that failed.
const retryPause = 50 * time.Millisecond

// requestTimeout bounds one attempt.
const requestTimeout = 10 * time.Second

// Send sends everything and returns the numbers of the traces that were
// acknowledged.
func (s *Sender) Send(ctx context.Context) ([]uint64, error) {
	requests := make(chan int)
	acknowledged := make([]bool, s.Requests)
	var workers sync.WaitGroup
	clients := make([]collector.TraceServiceClient, s.Workers)
	for i := range clients {
		// Every worker has a connection of its own, as every exporter has.
		connection, err := grpc.NewClient(s.Address,
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: retryPause, Multiplier: 1, MaxDelay: retryPause},
				MinConnectTimeout: time.Second,
			}))
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", s.Address, err)
		}
		defer connection.Close()
		clients[i] = collector.NewTraceServiceClient(connection)
	}
	for _, client := range clients {
		workers.Go(func() {
			for request := range requests {
				// Each request has an element of its own.
				acknowledged[request] = s.send(ctx, client, request)
			}
		})
	}
	for request := range s.Requests {
		if ctx.Err() != nil {
			break
		}
		requests <- request
	}
	close(requests)
	workers.Wait()
	var numbers []uint64
	for request, ok := range acknowledged {
		for i := 0; ok && i < s.Traces; i++ {
			numbers = append(numbers, s.first(request)+uint64(i))
		}
	}
	return numbers, ctx.Err()
}

func (s *Sender) first(request int) uint64 { return uint64(request*s.Traces) + 1 }

// send reports whether the request was acknowledged.
func (s *Sender) send(ctx context.Context, client collector.TraceServiceClient, request int) bool {
	message := s.Shape.Request(s.first(request), s.Traces)
	for {
		attempt, cancel := context.WithTimeout(ctx, requestTimeout)
		_, err := client.Export(attempt, message)
		cancel()
		if err == nil {
			s.acknowledged.Add(1)
			time.Sleep(s.Pause)
			return true
		}
		s.failures.Add(1)
		s.lastFailure.Store(&err)
		if !s.Retry || ctx.Err() != nil {
			return false
		}
		time.Sleep(retryPause)
	}
}
