package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// recipe are the files of the published recipe
// (https://opentelemetry.io/blog/2023/k8s-runtime-observability/) in their present
// syntax. The Collector has health_check in addition, so that it can be waited for;
// its exporter logging is now debug, whose logLevel debug is verbosity detailed.
//
//go:embed recipe
var recipe embed.FS

// manual is the way of the recipe, with its files, its load balancer and its debug
// log. Add-ons are off, as in a stack.
type manual struct {
	jaeger, collector, k3s string
	etcd                   bool
	folder                 string
}

// manualTimeout bounds an up or a down.
const manualTimeout = 10 * time.Minute

// up leaves nothing behind if it fails.
func (m *manual) up() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), manualTimeout)
	defer cancel()
	defer func() {
		if err != nil {
			err = errors.Join(err, m.down())
		}
	}()
	arguments, err := m.writeFiles()
	if err != nil {
		return err
	}
	for _, command := range [][]string{
		{"docker", "network", "create", "manual"},
		{
			"docker", "run", "--detach", "--name", "manual-jaeger", "--network", "manual", "--network-alias", "jaeger",
			"--publish", "16990:16686", "--restart", "unless-stopped", m.jaeger,
		},
		{
			"docker", "run", "--detach", "--name", "manual-collector", "--network", "manual", "--publish", "4317:4317",
			"--volume", filepath.Join(m.folder, "collector.yaml") + ":/collector.yaml", m.collector, "--config", "/collector.yaml",
		},
		append([]string{
			"k3d", "cluster", "create", "tracingcluster", "--image", m.k3s, "--kubeconfig-update-default=false",
			"--api-port", "127.0.0.1:6990", "--volume", m.folder + ":/etc/kube-tracing@server:*",
		}, arguments...),
		{"k3d", "kubeconfig", "write", "tracingcluster", "--output", m.kubeconfig()},
	} {
		if err := quietly(exec.CommandContext(ctx, command[0], command[1:]...)); err != nil {
			return err
		}
	}
	// A person's kubectl run only works once the account is there.
	if err := m.wait(ctx, "default", "get", "serviceaccount", "default", "--output", "jsonpath={.metadata.name}"); err != nil {
		return err
	}
	if err := quietly(m.kubectl(ctx, "run", "--restart=Never", "--image=docker.io/library/busybox:1.37.0", "echo-command", "--", "echo", "hi")); err != nil {
		return err
	}
	return m.wait(ctx, "Succeeded", "get", "pod", "echo-command", "--output", "jsonpath={.status.phase}")
}

// writeFiles writes the recipe's files and returns the arguments that make k3s read
// them.
func (m *manual) writeFiles() ([]string, error) {
	files, err := fs.Sub(recipe, "recipe")
	if err != nil {
		return nil, fmt.Errorf("read the recipe: %w", err)
	}
	if m.folder, err = os.MkdirTemp("", "kubetracing-manual-"); err != nil {
		return nil, fmt.Errorf("create the manual way's folder: %w", err)
	}
	if err := os.CopyFS(m.folder, files); err != nil {
		return nil, fmt.Errorf("write the recipe: %w", err)
	}
	k3s := []string{
		"--kube-apiserver-arg=tracing-config-file=/etc/kube-tracing/apiserver-tracing.yaml@server:*",
		"--kubelet-arg=config=/etc/kube-tracing/kubelet-tracing.yaml@server:*",
		"--disable=metrics-server,servicelb,traefik@server:*",
	}
	// Kubernetes 1.25 and 1.26 need their gates, 1.25 the cure for its panic.
	if strings.Contains(m.k3s, "v1.25.") || strings.Contains(m.k3s, "v1.26.") {
		k3s = append(k3s, "--kube-apiserver-arg=feature-gates=APIServerTracing=true@server:*",
			"--kube-apiserver-arg=egress-selector-config-file=@server:*", "--kubelet-arg=feature-gates=KubeletTracing=true@server:*")
	}
	if m.etcd {
		k3s = append(k3s, "--cluster-init@server:0")
	}
	var arguments []string
	for _, argument := range k3s {
		arguments = append(arguments, "--k3s-arg", argument)
	}
	return arguments, nil
}

func (m *manual) kubeconfig() string { return filepath.Join(m.folder, "kubeconfig") }

func (m *manual) kubectl(ctx context.Context, arguments ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "kubectl", append([]string{"--kubeconfig", m.kubeconfig()}, arguments...)...)
}

// wait runs kubectl until it prints a text.
func (m *manual) wait(ctx context.Context, text string, arguments ...string) error {
	for {
		if output, err := m.kubectl(ctx, arguments...).Output(); err == nil && string(output) == text {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for kubectl %s to print %q: %w", strings.Join(arguments, " "), text, ctx.Err())
		case <-time.After(300 * time.Millisecond):
		}
	}
}

func (m *manual) down() error {
	ctx, cancel := context.WithTimeout(context.Background(), manualTimeout)
	defer cancel()
	return errors.Join(
		quietly(exec.CommandContext(ctx, "k3d", "cluster", "delete", "tracingcluster")),
		quietly(exec.CommandContext(ctx, "docker", "rm", "--force", "--volumes", "manual-jaeger", "manual-collector")),
		quietly(exec.CommandContext(ctx, "docker", "network", "rm", "manual")),
		os.RemoveAll(m.folder),
	)
}
