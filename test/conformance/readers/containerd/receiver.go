package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
)

// Exported are the requests of containerd's exporter.
type Exported struct {
	// URLs are the addresses of the requests.
	URLs []string `json:"urls"`
	// Requests are the OTLP requests as sent. They are left to a reader with
	// today's OTLP types: those of containerd 1.6 are older than OTLP 1.0.
	Requests [][]byte `json:"requests"`
}

// receiver stands in for the Collector. It is the exporter's HTTP proxy, so it
// sees the address that the exporter uses, and that address needs no DNS.
type receiver struct {
	server *httptest.Server

	mu       sync.Mutex
	exported Exported
	err      error
}

func startReceiver() (*receiver, error) {
	r := &receiver{exported: Exported{URLs: []string{}, Requests: [][]byte{}}}
	r.server = httptest.NewServer(r)
	return r, errors.Join(os.Setenv("HTTP_PROXY", r.server.URL), os.Unsetenv("NO_PROXY"), os.Unsetenv("no_proxy"))
}

func (r *receiver) Close() { r.server.Close() }

// Exported returns the requests so far.
func (r *receiver) Exported() (*Exported, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &r.exported, r.err
}

func (r *receiver) ServeHTTP(_ http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = errors.Join(r.err, err)
	r.exported.URLs = append(r.exported.URLs, request.URL.String())
	r.exported.Requests = append(r.exported.Requests, body)
}
