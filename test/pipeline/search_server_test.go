package pipeline_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// searchServer imitates an OpenSearch or Elasticsearch with one user: it accepts
// templates and documents, and records them.
type searchServer struct {
	username, password string

	mu sync.Mutex
	// refused counts the requests without the user's credentials.
	refused int
	// templates are the bodies of the index templates, by name.
	templates map[string]string
	// documents are the written documents, by index.
	documents map[string][]string
	// away makes the server answer every write with 503.
	away bool
}

// version is the server's answer about its version.
//
// Source: github.com/jaegertracing/jaeger v2.20.0
// internal/storage/elasticsearch/backend_version.go.
var version = map[string]string{
	"opensearch":    `{"version": {"number": "3.7.0"}, "tagline": "The OpenSearch Project: https://opensearch.org/"}`,
	"elasticsearch": `{"version": {"number": "9.4.0"}, "tagline": "You Know, for Search"}`,
}

// newSearchServer returns a server of a kind, not yet started.
func newSearchServer(t *testing.T, kind, username, password string) (*searchServer, *httptest.Server) {
	t.Helper()
	s := &searchServer{
		username: username, password: password,
		templates: map[string]string{}, documents: map[string][]string{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, version[kind]) })
	// Jaeger uses the first with Elasticsearch 8 and newer, the second with OpenSearch.
	mux.HandleFunc("PUT /_index_template/{name}", s.template)
	mux.HandleFunc("PUT /_template/{name}", s.template)
	mux.HandleFunc("POST /_bulk", s.bulk)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		name, word, _ := r.BasicAuth()
		if name != s.username || word != s.password {
			s.mu.Lock()
			s.refused++
			s.mu.Unlock()
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		// Jaeger 2.21 compresses its requests.
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, err := gzip.NewReader(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			r.Body = body
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return s, server
}

func (s *searchServer) template(w http.ResponseWriter, r *http.Request) {
	var body json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.templates[r.PathValue("name")] = string(body)
	fmt.Fprint(w, `{"acknowledged": true}`)
}

// bulk reads pairs of lines: the action, and the document.
func (s *searchServer) bulk(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		http.Error(w, "no node is available", http.StatusServiceUnavailable)
		return
	}
	var results []string
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var action map[string]struct {
			Index string `json:"_index"`
		}
		if err := json.Unmarshal(lines.Bytes(), &action); err != nil || !lines.Scan() {
			http.Error(w, "no pair of lines", http.StatusBadRequest)
			return
		}
		for verb, target := range action {
			s.documents[target.Index] = append(s.documents[target.Index], lines.Text())
			results = append(results, fmt.Sprintf(`{%q: {"_index": %q, "status": 201}}`, verb, target.Index))
		}
	}
	fmt.Fprintf(w, `{"errors": false, "items": [%s]}`, strings.Join(results, ", "))
}

// setAway takes the server away, or brings it back.
func (s *searchServer) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// spans returns the distinct spans of the indices with a prefix, as trace and span ID:
// what is sent twice is written twice, to the same document.
func (s *searchServer) spans(t *testing.T, prefix string) map[string]bool {
	t.Helper()
	written, _ := s.written(prefix)
	distinct := map[string]bool{}
	for _, document := range written {
		var span struct{ TraceID, SpanID string }
		require.NoError(t, json.Unmarshal([]byte(document), &span))
		distinct[span.TraceID+"/"+span.SpanID] = true
	}
	return distinct
}

// written returns the documents of the indices with a prefix, and all others.
func (s *searchServer) written(prefix string) (matching, others []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for index, documents := range s.documents {
		if strings.HasPrefix(index, prefix) {
			matching = append(matching, documents...)
		} else {
			others = append(others, documents...)
		}
	}
	return matching, others
}

// requests returns the templates and the count of refused requests.
func (s *searchServer) requests() (templates map[string]string, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.templates, s.refused
}
