package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// queries is how many traces are asked for at once.
const queries = 8

// Stored asks a Jaeger which of the traces it has, whole, and returns the numbers
// of the others.
func Stored(ctx context.Context, queryURL string, shape Shape, numbers []uint64) (missing []uint64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	found := make([]int, len(numbers))
	next := make(chan int)
	var workers sync.WaitGroup
	for range queries {
		workers.Go(func() {
			for i := range next {
				spans, err := spansOf(ctx, queryURL, shape.TraceID(numbers[i]))
				if err != nil {
					cancel(err)
					return
				}
				found[i] = spans
			}
		})
	}
	for i := range numbers {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for i, number := range numbers {
		if found[i] < shape.Spans {
			missing = append(missing, number)
		}
	}
	return missing, nil
}

// WaitStored asks until nothing is missing, or until the number of missing traces
// has not changed for quiet. It returns what is missing then.
func WaitStored(ctx context.Context, queryURL string, shape Shape, numbers []uint64, quiet time.Duration) ([]uint64, error) {
	missing, changed := numbers, time.Now()
	for {
		now, err := Stored(ctx, queryURL, shape, missing)
		if err != nil {
			return nil, err
		}
		if len(now) < len(missing) {
			changed = time.Now()
		}
		// What has arrived stays: only what is missing is asked for again.
		missing = now
		if len(missing) == 0 || time.Since(changed) > quiet {
			return missing, nil
		}
		select {
		case <-ctx.Done():
			return missing, ctx.Err()
		case <-time.After(quiet / 20):
		}
	}
}

// spansOf counts the distinct spans of a trace that Jaeger has.
//
// Source: github.com/jaegertracing/jaeger
// cmd/jaeger/internal/extension/jaegerquery/internal/apiv3/http_gateway.go: version 3
// of the API is the one that every Jaeger 2 has; a trace that does not exist is not
// found.
func spansOf(ctx context.Context, queryURL, traceID string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, queryURL+"/api/v3/traces/"+traceID, http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("query Jaeger: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("query Jaeger: %w", err)
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return 0, nil
	default:
		return 0, fmt.Errorf("query Jaeger for trace %s: %s", traceID, response.Status)
	}
	var answer struct {
		Result struct {
			ResourceSpans []struct {
				ScopeSpans []struct {
					Spans []struct{ SpanID string }
				}
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, fmt.Errorf("read Jaeger's answer: %w", err)
	}
	distinct := map[string]bool{}
	for _, resource := range answer.Result.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				distinct[span.SpanID] = true
			}
		}
	}
	return len(distinct), nil
}
