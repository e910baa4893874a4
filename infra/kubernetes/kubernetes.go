// Package kubernetes reads objects from kube-apiserver, as plain JSON. The command line
// needs a handful of requests, and client-go would make it compile for minutes.
package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/infra/kubeconfig"
)

// limit bounds a request. kube-apiserver answers in milliseconds.
const limit = 10 * time.Second

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 256 << 20

// Client reads from one cluster.
type Client struct {
	// BaseURL is the address of kube-apiserver, as https://127.0.0.1:6443.
	BaseURL string
	// HTTP sends the requests, with the user's credentials.
	HTTP *http.Client
}

// New returns a client of the cluster and the user of a kubeconfig. server replaces the
// cluster's address unless it is empty.
func New(config kubeconfig.Config, server string) (*Client, error) {
	access, err := config.TLS()
	if err != nil {
		return nil, err
	}
	if server == "" {
		server = config.Server()
	}
	return &Client{
		BaseURL: server,
		HTTP:    &http.Client{Transport: &http.Transport{TLSClientConfig: access, ForceAttemptHTTP2: true}},
	}, nil
}

// StatusError is an answer that is no success.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string { return e.Message }

// IsNotFound reports whether an error says that an object does not exist.
func IsNotFound(err error) bool { return hasCode(err, http.StatusNotFound) }

// IsDenied reports whether an error says that the user may not read an object.
func IsDenied(err error) bool {
	return hasCode(err, http.StatusForbidden) || hasCode(err, http.StatusUnauthorized)
}

func hasCode(err error, code int) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == code
}

// Get reads the JSON at a path into a value. The error is a [*StatusError] if
// kube-apiserver answered, and otherwise says why it did not.
func (c *Client) Get(ctx context.Context, path string, query url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	target := strings.TrimSuffix(c.BaseURL, "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask kube-apiserver: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "kubetracing")
	response, err := c.HTTP.Do(request)
	if err != nil {
		return fmt.Errorf("ask kube-apiserver: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask kube-apiserver for %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return &StatusError{Code: response.StatusCode, Message: message(body, response.Status)}
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("ask kube-apiserver for %s: %w", path, err)
	}
	return nil
}

// message returns what a Status says.
//
// Source: k8s.io/apimachinery pkg/apis/meta/v1/types.go (Status).
func message(body []byte, status string) string {
	var answer struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Message == "" {
		return "kube-apiserver answered " + status
	}
	return answer.Message
}
