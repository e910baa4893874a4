// Package follow records the requests of a command to kube-apiserver, and finds their
// traces: as parts of the command's own trace, or by the audit ids of the answers.
package follow

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/kubetracing/kubetracing/infra/kubeconfig"
)

// Request is one request that kube-apiserver answered.
type Request struct {
	Method string
	// Target is the path and query that kube-apiserver received.
	Target string
	Status int
	// AuditID identifies the request in kube-apiserver's audit log and, from 1.26 on, in
	// its spans.
	AuditID string
	// Start is when the request was forwarded, and End when its answer began.
	Start, End time.Time
	// Span is the request's own span, of which kube-apiserver's is a child; zero if none
	// was announced to it.
	Span Span
}

// By returns the request with its times by another clock, which is ahead of this
// process's by offset, and extended by the uncertainty of that.
func (r Request) By(offset, uncertainty time.Duration) Request {
	r.Start, r.End = r.Start.Add(offset-uncertainty), r.End.Add(offset+uncertainty)
	return r
}

// Proxy is an HTTP server on 127.0.0.1 that forwards requests to a cluster and adds the
// credentials. It serves only below a random path, so that no other user of the machine
// can use them.
type Proxy struct {
	server   *http.Server
	address  string
	command  *Command
	mu       sync.Mutex
	requests []Request
}

// auditHeader is the header in which kube-apiserver returns the audit id.
//
// Source: k8s.io/apiserver pkg/apis/audit/types.go (HeaderAuditID).
const auditHeader = "Audit-Id"

// Start starts a proxy to the first cluster of a kubeconfig. server replaces the
// cluster's address unless it is empty. The requests are spans of a command; nil stands
// for a kube-apiserver that would not continue its trace.
func Start(ctx context.Context, text []byte, server string, command *Command) (*Proxy, error) {
	config, err := kubeconfig.Read(text)
	if err != nil {
		return nil, err
	}
	access, err := config.TLS()
	if err != nil {
		return nil, err
	}
	if server == "" {
		server = config.Server()
	}
	target, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	secret := "/" + rand.Text()
	proxy := &Proxy{address: "http://" + listener.Addr().String() + secret, command: command}
	reverse := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(target)
		},
		Transport: recorder{proxy, &http.Transport{TLSClientConfig: access}},
		// Events of a watch must not wait in a buffer.
		FlushInterval: -1,
	}
	proxy.server = &http.Server{Handler: http.StripPrefix(secret, reverse), ReadHeaderTimeout: time.Minute}
	go proxy.server.Serve(listener) //nolint:errcheck // returns after Close
	return proxy, nil
}

// Kubeconfig returns a kubeconfig for access through the proxy.
func (p *Proxy) Kubeconfig() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: followed, cluster: {server: "%s"}}]
contexts: [{name: followed, context: {cluster: followed, user: ""}}]
current-context: followed
`, p.address)
}

// Requests returns the requests that were answered so far, in the order of their answers.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Close stops the proxy.
func (p *Proxy) Close() error {
	if err := p.server.Close(); err != nil {
		return fmt.Errorf("close proxy: %w", err)
	}
	return nil
}

// recorder records every answer.
type recorder struct {
	proxy *Proxy
	next  http.RoundTripper
}

func (r recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	span := r.proxy.command.announce(request.Header)
	start := time.Now()
	response, err := r.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	r.proxy.requests = append(r.proxy.requests, Request{
		Method: request.Method, Target: request.URL.RequestURI(), Status: response.StatusCode,
		AuditID: response.Header.Get(auditHeader), Start: start, End: time.Now(), Span: span,
	})
	return response, nil
}
