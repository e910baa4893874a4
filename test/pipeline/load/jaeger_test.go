package load_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/test/pipeline/load"
)

// answer is the form in which Jaeger answers for one trace.
func answer(traceID string, spans ...string) string {
	var list []string
	for _, span := range spans {
		list = append(list, fmt.Sprintf(`{"traceId": %q, "spanId": %q}`, traceID, span))
	}
	return `{"result": {"resourceSpans": [{"scopeSpans": [{"spans": [` + strings.Join(list, ",") + `]}]}]}}`
}

// Jaeger 2.21 has no /api/traces any more.
func TestStored(t *testing.T) {
	shape := load.Shape{Run: 1, Spans: 2, Start: time.Now()}
	answers := map[string]string{
		shape.TraceID(1): answer(shape.TraceID(1), "a1", "a2"),
		shape.TraceID(2): answer(shape.TraceID(2), "b1"),
		shape.TraceID(3): answer(shape.TraceID(3), "c1", "c1"),
		shape.TraceID(5): answer(shape.TraceID(5), "e1", "e2", "e3"),
	}
	var mu sync.Mutex
	asked := map[string]int{}
	jaeger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.URL.RequestURI()]++
		if body, has := answers[strings.TrimPrefix(r.URL.Path, "/api/v3/traces/")]; has {
			fmt.Fprint(w, body)
			return
		}
		http.NotFound(w, r)
	}))
	defer jaeger.Close()

	missing, err := load.Stored(t.Context(), jaeger.URL, shape, []uint64{1, 2, 3, 4, 5})
	require.NoError(t, err)
	assert.Equal(t, []uint64{2, 3, 4}, missing, "a trace is there if it has as many distinct spans as were sent")
	want := map[string]int{}
	for number := range uint64(5) {
		want["/api/v3/traces/"+shape.TraceID(number+1)] = 1
	}
	assert.Equal(t, want, asked)
}

func TestStored_Error(t *testing.T) {
	shape := load.Shape{Run: 1, Spans: 1, Start: time.Now()}
	jaeger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "badger is closed", http.StatusInternalServerError)
	}))
	defer jaeger.Close()
	numbers := make([]uint64, 100)
	for i := range numbers {
		numbers[i] = uint64(i)
	}
	_, err := load.Stored(t.Context(), jaeger.URL, shape, numbers)
	require.ErrorContains(t, err, "query Jaeger for trace ")
	require.ErrorContains(t, err, "500 Internal Server Error")
}
