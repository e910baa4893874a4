package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/kubetracing/kubetracing/infra/kubeconfig"
)

// kubernetes is a cluster's API, over one connection that stays open.
type kubernetes struct {
	client *http.Client
	url    string
}

// newKubernetes finds the API by a kubeconfig with one cluster and one user.
func newKubernetes(text []byte) (*kubernetes, error) {
	config, err := kubeconfig.Read(text)
	if err != nil {
		return nil, err
	}
	if len(config.Clusters) != 1 || len(config.Users) != 1 {
		return nil, errors.New("read kubeconfig: not one cluster and one user")
	}
	access, err := config.TLS()
	if err != nil {
		return nil, err
	}
	return &kubernetes{
		url: config.Server(),
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{
			ForceAttemptHTTP2: true, TLSClientConfig: access,
		}},
	}, nil
}

// do sends a request and gives the answer's body, to be closed.
func (k *kubernetes) do(ctx context.Context, method, path string, object any) (io.ReadCloser, error) {
	var body io.Reader
	if object != nil {
		text, err := json.Marshal(object)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, k.url+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := k.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		defer response.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, said)
	}
	return response.Body, nil
}

// take sends a request, reads the answer to its end, and tells how long it took.
func (k *kubernetes) take(ctx context.Context, method, path string, object any) (time.Duration, error) {
	started := time.Now()
	body, err := k.do(ctx, method, path, object)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	if _, err := io.Copy(io.Discard, body); err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return time.Since(started), nil
}

const objects = "/api/v1/namespaces/default/"

func metadata(name string) map[string]any { return map[string]any{"name": name} }

// takePod tells how long a pod takes from its creation until its only container has
// run and ended.
func (k *kubernetes) takePod(ctx context.Context, name, image string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	events, err := k.do(ctx, http.MethodGet, objects+"pods?watch=1&fieldSelector=metadata.name="+name, nil)
	if err != nil {
		return 0, err
	}
	defer events.Close()
	started := time.Now()
	if _, err := k.take(ctx, http.MethodPost, objects+"pods", map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": metadata(name),
		"spec": map[string]any{
			"restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
			"containers": []any{map[string]any{
				"name": "true", "image": image, "command": []string{"true"}, "imagePullPolicy": "IfNotPresent",
			}},
		},
	}); err != nil {
		return 0, err
	}
	decoder := json.NewDecoder(events)
	for {
		var event struct {
			Object struct {
				Status struct {
					Phase string `json:"phase"`
				} `json:"status"`
			} `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			return 0, fmt.Errorf("watch pod %s: %w", name, err)
		}
		switch event.Object.Status.Phase {
		case "Succeeded":
			took := time.Since(started)
			_, err := k.take(ctx, http.MethodDelete, objects+"pods/"+name, nil)
			return took, err
		case "Failed":
			return 0, fmt.Errorf("pod %s failed", name)
		}
	}
}
