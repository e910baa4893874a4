package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// idsPerQuery keeps a query's URL and answer at a size that Jaeger handles well.
const idsPerQuery = 100

// Stored asks a Jaeger which of the traces it has, whole, and returns the numbers
// of the others.
func Stored(ctx context.Context, queryURL string, shape Shape, numbers []uint64) (missing []uint64, err error) {
	for first := 0; first < len(numbers); first += idsPerQuery {
		asked := numbers[first:min(first+idsPerQuery, len(numbers))]
		spans, err := spansByTrace(ctx, queryURL, shape, asked)
		if err != nil {
			return nil, err
		}
		for _, number := range asked {
			if spans[shape.TraceID(number)] < shape.Spans {
				missing = append(missing, number)
			}
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

// spansByTrace counts the spans of each trace that Jaeger has.
//
// Source: github.com/jaegertracing/jaeger cmd/query/app/http_handler.go: traces are
// also found by repeated parameters traceID; those that do not exist are among the
// answer's errors.
func spansByTrace(ctx context.Context, queryURL string, shape Shape, numbers []uint64) (map[string]int, error) {
	ids := url.Values{}
	for _, number := range numbers {
		ids.Add("traceID", shape.TraceID(number))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, queryURL+"/api/traces?"+ids.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("query Jaeger: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("query Jaeger: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNotFound {
		return nil, fmt.Errorf("query Jaeger: %s", response.Status)
	}
	var answer struct {
		Data []struct {
			TraceID string
			Spans   []struct{ SpanID string }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read Jaeger's answer: %w", err)
	}
	counts := map[string]int{}
	for _, trace := range answer.Data {
		distinct := map[string]bool{}
		for _, span := range trace.Spans {
			distinct[span.SpanID] = true
		}
		counts[trace.TraceID] = len(distinct)
	}
	return counts, nil
}
