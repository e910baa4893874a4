package main

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/kubetracing/kubetracing/components/poll"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/stacks"
)

// recipe are the files of the published recipe
// (https://opentelemetry.io/blog/2023/k8s-runtime-observability/) as they would be
// written today, for the release whose rules fill in their blanks: with its API
// version, and with the kubelet's permission to run on a cgroup v1 host where it needs
// one. The Collector has health_check in addition, so that it can be waited for; its
// exporter logging is now debug, whose logLevel debug is verbosity detailed.
//
//go:embed recipe
var recipe embed.FS

// Ports of the manual way on this machine. The first one is the recipe's; its nodes
// send their spans there.
const (
	manualOTLPPort = "4317"
	manualUIPort   = "16990"
	manualAPIPort  = "6990"
)

// Time limits of the manual way.
const (
	// manualTimeout bounds an up or a down.
	manualTimeout = 10 * time.Minute
	// manualWaitTimeout bounds the wait for what a cluster has or does once it is there.
	manualWaitTimeout = 2 * time.Minute
)

// manual is the way of the recipe, with its files and its debug log. Add-ons are off,
// and one server has no load balancer, as in a stack. Everything that it makes in
// Docker is named after its folder, so that it never removes anything else.
type manual struct {
	jaeger, collector, k3s string
	etcd                   bool

	rules  tracing.Rules
	folder string
}

// k3sTag is how the tag of a k3s image begins.
//
// Source: https://hub.docker.com/r/rancher/k3s/tags.
var k3sTag = regexp.MustCompile(`:(v\d+\.\d+\.\d+-k3s\d+)`)

// complete takes what no flag chooses from the stack that the manual way is compared
// with: the same images, and so the same release.
func (m *manual) complete(stack stacks.Stack) error {
	m.jaeger = cmp.Or(m.jaeger, stack.Settings.Jaeger.Image)
	m.collector = cmp.Or(m.collector, stack.Settings.CollectorImage())
	if m.k3s == "" {
		m.k3s, m.rules = stack.BaseImage(), stack.Release.Rules
		return nil
	}
	tag := k3sTag.FindStringSubmatch(m.k3s)
	if tag == nil {
		return fmt.Errorf("-k3s %q names no k3s release: its tag must begin as v1.37.1-k3s1 does", m.k3s)
	}
	release, err := tracing.ResolveRelease(tag[1])
	if err != nil {
		return fmt.Errorf("-k3s %q: %w", m.k3s, err)
	}
	m.rules = release.Rules
	return nil
}

// up leaves nothing behind if it fails.
func (m *manual) up() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), manualTimeout)
	defer cancel()
	if err := m.writeFiles(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.down())
		}
	}()
	for _, command := range m.commands() {
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
	if err := m.wait(ctx, "Succeeded", "get", "pod", "echo-command", "--output", "jsonpath={.status.phase}"); err != nil {
		return errors.Join(err, m.warnings())
	}
	return nil
}

// warnings returns, as an error, what the cluster warns of, if it says.
func (m *manual) warnings() error {
	ctx, cancel := context.WithTimeout(context.Background(), manualWaitTimeout)
	defer cancel()
	text, err := m.kubectl(ctx, "get", "events", "--field-selector", "type=Warning", "--output", `jsonpath={range .items[*]}{.message}{"\n"}{end}`).Output()
	if err != nil || len(text) == 0 {
		return nil //nolint:nilerr // the error that is explained by this is reported anyway
	}
	return fmt.Errorf("the cluster warns:\n%s", text)
}

// writeFiles writes the recipe's files into a new folder.
func (m *manual) writeFiles() error {
	files, err := m.files()
	if err != nil {
		return err
	}
	if m.folder, err = os.MkdirTemp("", "manual-"); err != nil {
		return fmt.Errorf("create the manual way's folder: %w", err)
	}
	for name, text := range files {
		// The Collector's image runs as another user.
		if err := os.WriteFile(filepath.Join(m.folder, name), text, 0o644); err != nil {
			return errors.Join(fmt.Errorf("write the recipe: %w", err), os.RemoveAll(m.folder))
		}
	}
	return nil
}

// files returns the recipe's files by their names.
func (m *manual) files() (map[string][]byte, error) {
	parsed, err := template.ParseFS(recipe, "recipe/*")
	if err != nil {
		return nil, fmt.Errorf("read the recipe: %w", err)
	}
	files := map[string][]byte{}
	for _, file := range parsed.Templates() {
		var text bytes.Buffer
		if err := file.Execute(&text, m.rules); err != nil {
			return nil, fmt.Errorf("fill in the recipe: %w", err)
		}
		files[file.Name()] = text.Bytes()
	}
	return files, nil
}

// name is that of the network and of the cluster, and begins those of the containers.
func (m *manual) name() string { return filepath.Base(m.folder) }

// commands are what a person would type, up to the cluster's kubeconfig.
func (m *manual) commands() [][]string {
	return [][]string{
		{"docker", "network", "create", m.name()},
		{
			"docker", "run", "--detach", "--name", m.name() + "-jaeger", "--network", m.name(), "--network-alias", "jaeger",
			"--publish", manualUIPort + ":16686", "--restart", "unless-stopped", m.jaeger,
		},
		{
			"docker", "run", "--detach", "--name", m.name() + "-collector", "--network", m.name(), "--publish", manualOTLPPort + ":4317",
			"--volume", filepath.Join(m.folder, "collector.yaml") + ":/collector.yaml", m.collector, "--config", "/collector.yaml",
		},
		slices.Concat([]string{
			"k3d", "cluster", "create", m.name(), "--image", m.k3s, "--no-lb", "--kubeconfig-update-default=false",
			"--api-port", "127.0.0.1:" + manualAPIPort, "--volume", m.folder + ":/etc/kube-tracing@server:*",
		}, m.k3sArguments()),
		{"k3d", "kubeconfig", "write", m.name(), "--output", m.kubeconfig()},
	}
}

// k3sArguments make k3s read the files.
func (m *manual) k3sArguments() []string {
	k3s := []string{
		"--kube-apiserver-arg=tracing-config-file=/etc/kube-tracing/apiserver-tracing.yaml@server:*",
		"--kubelet-arg=config=/etc/kube-tracing/kubelet-tracing.yaml@server:*",
		"--disable=metrics-server,servicelb,traefik@server:*",
	}
	if m.rules.NeedsFeatureGates {
		k3s = append(k3s, "--kube-apiserver-arg=feature-gates=APIServerTracing=true@server:*", "--kubelet-arg=feature-gates=KubeletTracing=true@server:*")
	}
	if m.rules.EgressSelectorPanics {
		k3s = append(k3s, "--kube-apiserver-arg=egress-selector-config-file=@server:*")
	}
	if m.etcd {
		k3s = append(k3s, "--cluster-init@server:0")
	}
	var arguments []string
	for _, argument := range k3s {
		arguments = append(arguments, "--k3s-arg", argument)
	}
	return arguments
}

func (m *manual) kubeconfig() string { return filepath.Join(m.folder, "kubeconfig") }

func (m *manual) kubectl(ctx context.Context, arguments ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "kubectl", append([]string{"--kubeconfig", m.kubeconfig()}, arguments...)...)
}

// wait runs kubectl until it prints a text.
func (m *manual) wait(ctx context.Context, text string, arguments ...string) error {
	ctx, cancel := context.WithTimeout(ctx, manualWaitTimeout)
	defer cancel()
	var last error
	if err := (poll.Loop{Interval: 300 * time.Millisecond}).Until(ctx, func(ctx context.Context) (string, bool, error) {
		var output []byte
		output, last = m.kubectl(ctx, arguments...).Output()
		return "", last == nil && string(output) == text, nil
	}); err != nil {
		return fmt.Errorf("wait for kubectl %s to print %q: %w", strings.Join(arguments, " "), text, errors.Join(err, last))
	}
	return nil
}

// traces waits until Jaeger has spans of everything that the recipe lets trace: a
// cluster that does not would be created for nothing.
func (m *manual) traces() error {
	ctx, cancel := context.WithTimeout(context.Background(), manualWaitTimeout)
	defer cancel()
	jaeger := verify.Client{BaseURL: "http://127.0.0.1:" + manualUIPort}
	missing := []string{tracing.ServiceAPIServer, tracing.ServiceKubelet}
	var last error
	if err := (poll.Loop{Interval: time.Second}).Until(ctx, func(ctx context.Context) (string, bool, error) {
		var found []string
		found, last = jaeger.Services(ctx)
		missing = slices.DeleteFunc(missing, func(service string) bool { return slices.Contains(found, service) })
		return "", len(missing) == 0, nil
	}); err != nil {
		return fmt.Errorf("wait for spans of %s by the manual way: %w", strings.Join(missing, " and "), errors.Join(err, last))
	}
	return nil
}

func (m *manual) down() error {
	ctx, cancel := context.WithTimeout(context.Background(), manualTimeout)
	defer cancel()
	return errors.Join(
		quietly(exec.CommandContext(ctx, "k3d", "cluster", "delete", m.name())),
		quietly(exec.CommandContext(ctx, "docker", "rm", "--force", "--volumes", m.name()+"-jaeger", m.name()+"-collector")),
		quietly(exec.CommandContext(ctx, "docker", "network", "rm", "--force", m.name())),
		os.RemoveAll(m.folder),
	)
}
