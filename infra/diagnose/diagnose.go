// Package diagnose finds likely reasons why spans do not arrive, or a node does not come
// up: in the state and the logs of the containers that spans come from and pass through,
// and in the events of pods.
package diagnose

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/docker"
)

// Cause is a likely reason.
type Cause struct {
	// What describes it.
	What string
	// Look is the command that shows more.
	Look string
}

// Causes returns reasons why expectations do not hold: first what concerns Jaeger, which
// is closest to the reader, then the clock, nodes and pods, then the containers in the
// order in which they are given, then the expectations themselves.
func Causes(ctx context.Context, client *docker.Client, jaeger verify.Client, containers []string, since time.Time, results []verify.Result) []Cause {
	var causes []Cause
	known, jaegerErr := jaeger.Services(ctx)
	if jaegerErr != nil {
		causes = append(causes, Cause{"Jaeger does not answer: " + jaegerErr.Error(), "docker ps --all"})
	}
	d := diagnosis{client, since}
	found, stuck, err := d.docker(ctx, containers)
	causes = append(causes, found...)
	if err != nil {
		causes = append(causes, Cause{err.Error(), "docker info"})
	}
	if jaegerErr == nil {
		causes = append(causes, services(known, results, stuck)...)
	}
	return causes
}

// diagnosis looks for causes in Docker.
type diagnosis struct {
	client *docker.Client
	since  time.Time
}

// docker returns the causes that Docker knows of, and whether one of them is that a pod
// of a workload does not start. An error means that Docker does not answer.
func (d diagnosis) docker(ctx context.Context, containers []string) (causes []Cause, stuck bool, err error) {
	system, err := d.client.System(ctx)
	if err != nil {
		return nil, false, err
	}
	causes, stuck = d.cluster(ctx, containers)
	if difference := Clock(system); difference != nil {
		causes = append([]Cause{*difference}, causes...)
	}
	for _, name := range containers {
		found, err := d.container(ctx, name)
		if err != nil {
			return causes, stuck, err
		}
		causes = append(causes, found...)
	}
	return causes, stuck, nil
}

// clockTolerance is a difference of clocks that hides no span.
const clockTolerance = time.Second

// Clock compares the daemon's clock, by which spans are dated, with this machine's. It
// returns nil if they agree.
func Clock(system docker.System) *Cause {
	ahead := system.Ahead()
	direction := "ahead of"
	if ahead < 0 {
		ahead, direction = -ahead, "behind"
	}
	if ahead <= clockTolerance {
		return nil
	}
	return &Cause{
		fmt.Sprintf("the clock of the Docker host is %s %s this machine's: spans from before it was set are looked for at the wrong time, and so is everything in Jaeger's UI",
			ahead.Round(time.Second), direction),
		"docker info --format '{{.SystemTime}}'",
	}
}

// troubles are lines of a log about spans that could not be sent, refused or dropped.
//
// Sources: go.opentelemetry.io/otel/exporters/otlp/otlptrace/exporter.go ("traces
// export: ", which kube-apiserver, kubelet, etcd and containerd write);
// go.opentelemetry.io/collector exporter/exporterhelper/internal/retry_sender.go
// and queue_sender.go ("Exporting failed"), internal/memorylimiter
// ("Memory usage is above"); github.com/jaegertracing/jaeger v2.20.0
// internal/storage/elasticsearch/esclient/bulk.go ("bulk indexer error", "part of
// bulk request failed").
var troubles = regexp.MustCompile(`traces export: |bulk indexer error|part of bulk request failed|Exporting failed|Memory usage is above (soft|hard) limit|data refused due to high memory usage|sending queue is full`)

// ContainerdLog is where k3s writes the log of the containerd that it starts.
//
// Source: k3s pkg/agent/containerd/config_linux.go.
const ContainerdLog = "/var/lib/rancher/k3s/agent/containerd/containerd.log"

// logLines bounds how much of a container's log is read, and containerdLines of
// containerd's.
const (
	logLines        = 5000
	containerdLines = "2000"
)

// container returns the causes in a container's state or, if it runs, in its log.
func (d diagnosis) container(ctx context.Context, name string) ([]Cause, error) {
	look := "docker logs --tail 100 " + name
	container, err := d.client.InspectOne(ctx, name)
	if errors.Is(err, docker.ErrNotFound) {
		return []Cause{{"container " + name + " is gone", "docker ps --all"}}, nil
	}
	if err != nil {
		return nil, err
	}
	if !container.State.Running() {
		what := fmt.Sprintf("container %s does not run: %s, restarted %d times", name, container.State, container.Restarts)
		if container.State.OOMKilled {
			what += "; it was killed because it used more memory than it may"
		}
		return []Cause{{what, look}}, nil
	}
	var causes []Cause
	// Errors from before count, too, if nothing says since when.
	log, err := d.client.Logs(ctx, name, docker.LogOptions{Tail: logLines, Since: d.since})
	if err != nil {
		return nil, err
	}
	if line := lastTrouble(log); line != "" {
		causes = append(causes, Cause{fmt.Sprintf("container %s could not send spans: %s", name, line), look})
	}
	// Only a node with containerd has the file.
	if log, err := d.client.Exec(ctx, name, "tail", "-n", containerdLines, ContainerdLog); err == nil {
		if line := lastTrouble(log); line != "" {
			causes = append(causes, Cause{
				fmt.Sprintf("containerd on %s could not send spans: %s", name, line),
				fmt.Sprintf("docker exec %s tail -n 100 %s", name, ContainerdLog),
			})
		}
	}
	return causes, nil
}

// widest is how many characters of a line or of an event are shown.
const widest = 300

// lastTrouble returns the newest line that is about trouble, shortened to what fits a
// terminal.
func lastTrouble(log string) string {
	found := ""
	for line := range strings.Lines(log) {
		if troubles.MatchString(line) {
			found = strings.TrimSpace(line)
		}
	}
	return Shorten(found, widest)
}

// withoutPods are the services that send spans though no pod starts.
var withoutPods = []string{tracing.ServiceAPIServer, tracing.ServiceEtcd}

// services returns what Jaeger knows of the services that are missing, with the hints
// of their expectations. If a pod is stuck, that is why spans about pods are missing.
func services(known []string, results []verify.Result, stuck bool) []Cause {
	has := map[string]bool{}
	for _, service := range known {
		// Jaeger traces itself.
		has[service] = service != "jaeger"
	}
	var causes []Cause
	named := map[string]bool{}
	for _, result := range results {
		if result.Met() {
			continue
		}
		for _, match := range result.Missing {
			if named[match.Service] || stuck && !slices.Contains(withoutPods, match.Service) {
				continue
			}
			named[match.Service] = true
			what := match.Service + " has never sent a span to this Jaeger"
			if has[match.Service] {
				what = match.Service + " has sent spans, but none of those that are expected"
			}
			causes = append(causes, Cause{what, result.Expectation.Hint})
		}
	}
	return causes
}
