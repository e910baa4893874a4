// Package diagnose looks for the reason why spans do not arrive: in the state and
// the logs of the containers that they come from and pass through.
package diagnose

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/verify"
)

// Cause is a likely reason.
type Cause struct {
	// What was found, in words.
	What string
	// Look is the command that shows more.
	Look string
}

// Causes looks for reasons why expectations do not hold: first in what is closest
// to the reader, Jaeger, then in the state of the nodes, then in the containers in
// the order in which they are given, then in the expectations themselves.
func Causes(ctx context.Context, client verify.Client, containers []string, since time.Time, results []verify.Result) []Cause {
	var causes []Cause
	known, err := client.Services(ctx)
	if err != nil {
		causes = append(causes, Cause{"Jaeger cannot be asked: " + err.Error(), "docker ps --all"})
	}
	causes = append(causes, underPressure(ctx, containers)...)
	for _, container := range containers {
		causes = append(causes, inContainer(ctx, container, since)...)
	}
	if err == nil {
		causes = append(causes, ofServices(known, results)...)
	}
	return causes
}

// troubles are lines of a log that tell of spans which could not be sent, refused
// or dropped.
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

// inContainer looks at a container's state, then at its log.
func inContainer(ctx context.Context, name string, since time.Time) []Cause {
	logs := "docker logs --tail 100 " + name
	state, err := docker(ctx, "inspect", "--format", "{{.State.Status}}, exit code {{.State.ExitCode}}, restarted {{.RestartCount}} times", name)
	if err != nil {
		return []Cause{{"container " + name + " is gone", "docker ps --all"}}
	}
	state = strings.TrimSpace(state)
	if !strings.HasPrefix(state, "running,") {
		return []Cause{{fmt.Sprintf("container %s does not run: %s", name, state), logs}}
	}
	// Errors of the time before count, too, if nothing says since when.
	arguments := []string{"logs", "--tail", "5000"}
	if !since.IsZero() {
		arguments = append(arguments, "--since", since.Format(time.RFC3339))
	}
	var causes []Cause
	if log, err := docker(ctx, append(arguments, name)...); err == nil {
		if line := lastTrouble(log); line != "" {
			causes = append(causes, Cause{fmt.Sprintf("container %s could not hand spans on: %s", name, line), logs})
		}
	}
	// Only a node has it.
	if log, err := docker(ctx, "exec", name, "tail", "-n", "2000", ContainerdLog); err == nil {
		if line := lastTrouble(log); line != "" {
			causes = append(causes, Cause{
				fmt.Sprintf("containerd on %s could not hand spans on: %s", name, line),
				fmt.Sprintf("docker exec %s tail -n 100 %s", name, ContainerdLog),
			})
		}
	}
	return causes
}

// lastTrouble is the newest line that tells of trouble, shortened to what fits a
// terminal.
func lastTrouble(log string) string {
	found := ""
	for line := range strings.Lines(log) {
		if troubles.MatchString(line) {
			found = strings.TrimSpace(line)
		}
	}
	const longest = 300
	if len(found) > longest {
		found = found[:longest] + "…"
	}
	return found
}

// ofServices says what Jaeger knows of the services that are missing, with the
// hints of their expectations.
func ofServices(known []string, results []verify.Result) []Cause {
	has := map[string]bool{}
	for _, service := range known {
		// Jaeger traces itself.
		has[service] = service != "jaeger"
	}
	var causes []Cause
	told := map[string]bool{}
	for _, result := range results {
		if result.Met() {
			continue
		}
		for _, match := range result.Missing {
			if told[match.Service] {
				continue
			}
			told[match.Service] = true
			what := match.Service + " has never sent a span to this Jaeger"
			if has[match.Service] {
				what = match.Service + " has sent spans, but none of those that are expected"
			}
			causes = append(causes, Cause{what, result.Expectation.Hint})
		}
	}
	return causes
}

// docker gives what a docker command prints, on both of its outputs.
func docker(ctx context.Context, arguments ...string) (string, error) {
	output, err := exec.CommandContext(ctx, "docker", arguments...).CombinedOutput()
	return string(output), err
}
