package diagnose

import (
	"context"
	"fmt"
	"strings"
)

// conditionsFormat is a line for each node: its name and the conditions that hold.
const conditionsFormat = `jsonpath={range .items[*]}{.metadata.name}{range .status.conditions[?(@.status=="True")]} {.type}{end}{"\n"}{end}`

// pressures are the conditions of a node on which Kubernetes starts no more pods, and
// what shows why.
//
// Source: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
// (Node conditions).
var pressures = map[string]string{
	"DiskPressure":   "docker system df",
	"MemoryPressure": "docker stats --no-stream",
	"PIDPressure":    "docker stats --no-stream",
}

// underPressure asks the first container that runs a server for the nodes on which
// no pod starts: a workload that nothing schedules has no spans.
func underPressure(ctx context.Context, containers []string) []Cause {
	for _, container := range containers {
		nodes, err := docker(ctx, "exec", container, "kubectl", "get", "nodes", "--output", conditionsFormat)
		if err != nil {
			continue
		}
		var causes []Cause
		for line := range strings.Lines(nodes) {
			node, conditions, _ := strings.Cut(strings.TrimSpace(line), " ")
			for condition := range strings.FieldsSeq(conditions) {
				if look, ok := pressures[condition]; ok {
					causes = append(causes, Cause{fmt.Sprintf("node %s is under %s: Kubernetes starts no pod on it", node, condition), look})
				}
			}
		}
		return causes
	}
	return nil
}
