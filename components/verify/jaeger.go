package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Span is one span, with its resource's attributes folded in.
type Span struct {
	TraceID string
	// ID identifies the span in its trace; ParentID is that of its parent, empty for a
	// root.
	ID, ParentID string
	Service      string
	Operation    string
	Start, End   time.Time
	// Error reports whether the status is Error; Message is that of the status.
	Error      bool
	Message    string
	Attributes map[string]string
	// Events are the names of the span's events, in their order.
	Events []string
}

// matches reports whether m selects the span.
func (s Span) matches(m SpanMatch) bool {
	if s.Service != m.Service || (m.Operation != "" && s.Operation != m.Operation) {
		return false
	}
	if m.Error != nil && *m.Error != s.Error {
		return false
	}
	for key, pattern := range m.Attributes {
		value, has := s.Attributes[key]
		// An invalid pattern matches nothing; ReadExpectations refuses it.
		if matched, err := path.Match(pattern, value); !has || err != nil || !matched {
			return false
		}
	}
	return true
}

// Client reads from Jaeger's query API, version 3: OTLP as JSON, which every release
// of Jaeger v2 serves.
//
// Source: github.com/jaegertracing/jaeger
// cmd/jaeger/internal/extension/jaegerquery/internal/apiv3 (the snake_case
// parameters are the ones that every release accepts).
type Client struct {
	// BaseURL is the address of the query API, as http://127.0.0.1:16686.
	BaseURL string
	// HTTP sends the requests; nil means http.DefaultClient.
	HTTP *http.Client
}

// Query selects traces.
type Query struct {
	// Service and Operation must be those of a span in the trace.
	Service, Operation string
	// Attributes must be on that span, with exactly these texts as values. A Jaeger
	// before 2.19 ignores them and returns more traces.
	Attributes map[string]string
	// Since is the earliest start; zero means everything. With a search server it should
	// be the retention: Jaeger asks for the index of each day since then.
	Since time.Time
	// Until is the latest start; zero means everything.
	Until time.Time
	// Limit is the largest number of traces.
	Limit int
}

// clockAllowance is how far the clock of a Docker host may be ahead of ours. It is not
// longer because Jaeger asks a search server for the index of each day.
//
// Source: github.com/jaegertracing/jaeger internal/storage/elasticsearch/indices/
// time_range.go.
const clockAllowance = 24 * time.Hour

// earliest returns the lower bound, which Jaeger requires and badger refuses to be zero.
//
// Sources: github.com/jaegertracing/jaeger cmd/jaeger/internal/extension/jaegerquery/
// internal/apiv3/query_parser.go; internal/storage/v1/badger/spanstore/reader.go
// (validateQuery).
func (q Query) earliest() time.Time {
	if q.Since.IsZero() {
		return time.Unix(0, 0)
	}
	return q.Since
}

// latest returns the upper bound, which Jaeger requires.
func (q Query) latest() time.Time {
	if q.Until.IsZero() {
		return time.Now().Add(clockAllowance)
	}
	return q.Until
}

// Spans returns all spans of the traces that a query selects.
func (c Client) Spans(ctx context.Context, query Query) ([]Span, error) {
	traces, err := c.Traces(ctx, query)
	if err != nil {
		return nil, err
	}
	return Flatten(traces), nil
}

// Traces returns the traces that a query selects, as Jaeger has them.
func (c Client) Traces(ctx context.Context, query Query) (ptrace.Traces, error) {
	parameters := url.Values{
		"query.service_name":   {query.Service},
		"query.start_time_min": {query.earliest().UTC().Format(time.RFC3339Nano)},
		"query.start_time_max": {query.latest().UTC().Format(time.RFC3339Nano)},
		"query.num_traces":     {strconv.Itoa(query.Limit)},
	}
	if query.Operation != "" {
		parameters.Set("query.operation_name", query.Operation)
	}
	if len(query.Attributes) > 0 {
		attributes, err := json.Marshal(query.Attributes)
		if err != nil {
			return ptrace.NewTraces(), fmt.Errorf("query Jaeger: %w", err)
		}
		parameters.Set("query.attributes", string(attributes))
	}
	return c.traces(ctx, "/api/v3/traces", parameters)
}

// Trace returns a trace by its id; without spans if Jaeger does not have it.
func (c Client) Trace(ctx context.Context, traceID string) (ptrace.Traces, error) {
	return c.traces(ctx, "/api/v3/traces/"+url.PathEscape(traceID), nil)
}

func (c Client) traces(ctx context.Context, route string, parameters url.Values) (ptrace.Traces, error) {
	body, status, err := c.get(ctx, route, parameters)
	if err != nil {
		return ptrace.NewTraces(), err
	}
	if status == http.StatusNotFound {
		return ptrace.NewTraces(), nil
	}
	var response struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(body, &response); err != nil {
		return ptrace.NewTraces(), fmt.Errorf("read traces: %w", err)
	}
	traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(response.Result)
	if err != nil {
		return ptrace.NewTraces(), fmt.Errorf("read traces: %w", err)
	}
	return traces, nil
}

// Has reports whether Jaeger has a trace.
func (c Client) Has(ctx context.Context, traceID string) (bool, error) {
	_, status, err := c.get(ctx, "/api/v3/traces/"+url.PathEscape(traceID), nil)
	return status == http.StatusOK, err
}

// get reads a path. Only success and 404, "no traces found", are not errors.
func (c Client) get(ctx context.Context, route string, parameters url.Values) ([]byte, int, error) {
	target := strings.TrimSuffix(c.BaseURL, "/") + route
	if len(parameters) > 0 {
		target += "?" + parameters.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, 0, fmt.Errorf("query Jaeger: %w", err)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, fmt.Errorf("query Jaeger: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, 0, fmt.Errorf("query Jaeger: %w", err)
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNotFound {
		return nil, 0, fmt.Errorf("query Jaeger: %s %s: %s", route, response.Status, bytes.TrimSpace(body))
	}
	return body, response.StatusCode, nil
}

// Services lists the services of which Jaeger has, or had, spans.
func (c Client) Services(ctx context.Context) ([]string, error) {
	body, _, err := c.get(ctx, "/api/v3/services", nil)
	if err != nil {
		return nil, err
	}
	var response struct {
		Services []string `json:"services"`
	}
	if err := json.Unmarshal(body, &response); err != nil {
		return nil, fmt.Errorf("read services: %w", err)
	}
	return response.Services, nil
}

// Flatten returns the spans of traces, in their order.
func Flatten(traces ptrace.Traces) []Span {
	spans := make([]Span, 0, traces.SpanCount())
	for _, resource := range traces.ResourceSpans().All() {
		resourceAttributes := texts(resource.Resource().Attributes())
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				// A span's own attributes take precedence over its resource's.
				attributes := maps.Clone(resourceAttributes)
				maps.Copy(attributes, texts(span.Attributes()))
				spans = append(spans, Span{
					TraceID:    span.TraceID().String(),
					ID:         span.SpanID().String(),
					ParentID:   span.ParentSpanID().String(),
					Service:    resourceAttributes["service.name"],
					Operation:  span.Name(),
					Start:      span.StartTimestamp().AsTime(),
					End:        span.EndTimestamp().AsTime(),
					Error:      span.Status().Code() == ptrace.StatusCodeError,
					Message:    span.Status().Message(),
					Attributes: attributes,
					Events:     eventNames(span),
				})
			}
		}
	}
	return spans
}

func eventNames(span ptrace.Span) []string {
	var names []string
	for _, event := range span.Events().All() {
		names = append(names, event.Name())
	}
	return names
}

func texts(attributes pcommon.Map) map[string]string {
	values := make(map[string]string, attributes.Len())
	for key, value := range attributes.All() {
		values[key] = value.AsString()
	}
	return values
}
