package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/poll"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/steps"
)

// tracingTimeout bounds the check of a cluster's tracing. A node that has just
// registered may not be reachable for a moment.
const tracingTimeout = 30 * time.Second

// checkTracing returns an error with the reason why a node does not trace. A runtime that
// cannot trace, a kubelet that did not read its file and a kube-apiserver that was not
// given its own write nothing about it and send nothing.
func (c *cluster) checkTracing(ctx context.Context) error {
	return steps.Do(ctx, "check that the nodes trace", c.waitForTracing)
}

func (c *cluster) waitForTracing(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, tracingTimeout)
	defer cancel()
	// Of the last check that came to its end.
	var reasons []string
	var failure error
	err := poll.Loop{Interval: nodeInterval}.Until(limited, func(ctx context.Context) (string, bool, error) {
		found, err := c.notTracing(ctx)
		if ctx.Err() != nil {
			return "", false, nil //nolint:nilerr // this check did not come to its end
		}
		reasons, failure = found, err
		return "", err == nil && len(reasons) == 0, nil
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return err
	case failure != nil:
		return fmt.Errorf("check what the nodes trace: %w", failure)
	default:
		return tracingError(reasons)
	}
}

// tracingError holds the reasons why a cluster does not trace.
type tracingError []string

func (e tracingError) Error() string { return strings.Join(e, "\n") }

func (tracingError) Is(target error) bool { return target == errTracing }

// notTracing returns what keeps the cluster from tracing.
func (c *cluster) notTracing(ctx context.Context) ([]string, error) {
	var reasons []string
	for _, server := range c.servers() {
		reason, err := c.apiServerNotTracing(ctx, server)
		if err != nil {
			return nil, err
		}
		reasons = append(reasons, reason...)
	}
	nodes, err := c.registered(ctx)
	if err != nil {
		return nil, err
	}
	for _, node := range nodes {
		check := c.containerdNotTracing
		if c.Runtime.Name == string(tracing.RuntimeCRIO) {
			check = c.crioNotTracing
		}
		reason, err := check(ctx, node)
		if err != nil {
			return nil, err
		}
		reasons = append(reasons, reason...)
		if reason, err = c.kubeletNotTracing(ctx, node); err != nil {
			return nil, err
		}
		reasons = append(reasons, reason...)
	}
	return reasons, nil
}

// apiServerNotTracing reads the arguments of a server's kube-apiserver, which has no
// endpoint that shows them in every minor; k3s logs them at each start. With the
// argument, a kube-apiserver that answers has accepted the file: it does not start with
// one that it refuses, in any minor.
//
// Source: k3s pkg/daemons/control/server.go.
func (c *cluster) apiServerNotTracing(ctx context.Context, server string) ([]string, error) {
	started, err := Started(ctx, c.docker, []string{server})
	if err != nil {
		return nil, err
	}
	// The log of a server that has run for long is large.
	log, err := c.docker.Logs(ctx, server, docker.LogOptions{Since: started})
	if err != nil {
		return nil, err
	}
	arguments := ""
	for line := range strings.Lines(log) {
		if strings.Contains(line, "Running kube-apiserver ") {
			arguments = line
		}
	}
	if arguments == "" || strings.Contains(arguments, "--tracing-config-file=") {
		return nil, nil
	}
	return []string{fmt.Sprintf("kube-apiserver on %s runs without its tracing configuration: k3s has not read k3s-server.yaml", server)}, nil
}

// kubeletNotTracing asks a node's kubelet for its configuration.
func (c *cluster) kubeletNotTracing(ctx context.Context, node string) ([]string, error) {
	text, err := c.kubectl(ctx, "get", "--raw", "/api/v1/nodes/"+node+"/proxy/configz")
	if err != nil {
		return nil, err
	}
	// Source: k8s.io/kubelet config/v1beta1/types.go (KubeletConfiguration).
	var config struct {
		Kubelet struct {
			Tracing struct {
				Endpoint string `json:"endpoint"`
			} `json:"tracing"`
		} `json:"kubeletconfig"`
	}
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		return nil, fmt.Errorf("configuration of the kubelet on %s: read JSON: %w", node, err)
	}
	if config.Kubelet.Tracing.Endpoint != "" {
		return nil, nil
	}
	return []string{fmt.Sprintf("the kubelet on %s has not read its tracing configuration from kubelet.yaml", node)}, nil
}

// containerdNotTracing asks a node's containerd for its tracing plugin and its runtime
// handlers.
func (c *cluster) containerdNotTracing(ctx context.Context, node string) ([]string, error) {
	plugins, err := c.docker.Exec(ctx, node, "ctr", "plugins", "ls")
	if err != nil {
		return nil, err
	}
	var reasons []string
	// Source: containerd plugins/tracing (the plugin's type) and
	// cmd/ctr/commands/plugins/plugins.go (the status is the last column).
	plugin := "not compiled in"
	for line := range strings.Lines(plugins) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "io.containerd.tracing.processor.v1" {
			plugin = fields[len(fields)-1]
		}
	}
	if plugin != "ok" {
		reasons = append(reasons, fmt.Sprintf("containerd on %s cannot trace: its tracing plugin is %s. Is runtime.bundle an upstream release?", node, plugin))
	}
	if len(c.Runtime.Handlers) == 0 {
		return reasons, nil
	}
	info, err := c.docker.Exec(ctx, node, "crictl", "info")
	if err != nil {
		return nil, err
	}
	for _, handler := range c.Runtime.Handlers {
		if !strings.Contains(info, `"`+handler+`"`) {
			reasons = append(reasons, fmt.Sprintf("containerd on %s has no runtime handler %s", node, handler))
		}
	}
	return reasons, nil
}

// crioNotTracing asks a node's CRI-O for its configuration. CRI-O drops a runtime
// handler whose binary does not run, and ignores keys that it does not know.
func (c *cluster) crioNotTracing(ctx context.Context, node string) ([]string, error) {
	// The command is a program of its own up to 1.27.
	config, err := c.docker.Exec(ctx, node, "sh", "-c",
		"PATH="+tracing.CRIODirectory+":$PATH; crio status config || crio-status config")
	if err != nil {
		return nil, err
	}
	var reasons []string
	if !strings.Contains(config, fmt.Sprintf("tracing_endpoint = %q", c.Runtime.Receiver)) {
		reasons = append(reasons, fmt.Sprintf("CRI-O on %s has not read its tracing configuration from crio.conf", node))
	}
	for _, handler := range c.Runtime.Handlers {
		if !strings.Contains(config, "[crio.runtime.runtimes."+handler+"]") {
			reasons = append(reasons, fmt.Sprintf("CRI-O on %s has dropped the runtime handler %s; see `docker logs %s`", node, handler, node))
		}
	}
	return reasons, nil
}

// readStarts prints when k3s, and CRI-O, were last started in a node.
//
// Source: components/tracing/scripts.
const readStarts = "cat /run/kubetracing/*.started"

// Started returns when the last of some containers, and of k3s and CRI-O in them,
// started: spans from before are those of an earlier configuration.
func Started(ctx context.Context, client *docker.Client, names []string) (time.Time, error) {
	found, err := client.Inspect(ctx, names...)
	if err != nil {
		return time.Time{}, err
	}
	var newest time.Time
	for _, container := range found {
		newest = later(newest, container.State.StartedAt)
		text, err := client.Exec(ctx, container.Name, "sh", "-c", readStarts)
		var exit *docker.ExitError
		if errors.As(err, &exit) && !errors.Is(err, docker.ErrUnavailable) {
			// Only a node has the files, and a shell for certain.
			continue
		}
		if err != nil {
			return time.Time{}, err
		}
		for line := range strings.FieldsSeq(text) {
			started, err := time.Parse(time.RFC3339, line)
			if err != nil {
				return time.Time{}, fmt.Errorf("read when k3s started on %s: %w", container.Name, err)
			}
			newest = later(newest, started)
		}
	}
	return newest, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
