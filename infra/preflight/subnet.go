package preflight

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
)

// networkFormat is a line with a network's name and ranges.
const networkFormat = "{{.Name}}{{range .IPAM.Config}} {{.Subnet}}{{end}}"

// takenSubnet finds a Docker network that has a part of the stack's range.
func takenSubnet(ctx context.Context, needs Needs) []error {
	ids, err := exec.CommandContext(ctx, "docker", "network", "ls", "--quiet").Output()
	if err != nil {
		return []error{fmt.Errorf("list Docker's networks: %w", err)}
	}
	names := strings.Fields(string(ids))
	if len(names) == 0 {
		return nil
	}
	// A network that is removed meanwhile is an error of the command's, and no problem.
	lines, _ := exec.CommandContext(ctx, "docker", append([]string{"network", "inspect", "--format", networkFormat}, names...)...).Output()
	var problems []error
	for line := range strings.Lines(string(lines)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == needs.Network {
			continue
		}
		for _, text := range fields[1:] {
			if subnet, err := netip.ParsePrefix(text); err == nil && subnet.Overlaps(needs.Subnet) {
				problems = append(problems, fmt.Errorf("the range %s (%s) is taken: Docker's network %q has %s; choose another range",
					needs.Subnet, needs.SubnetKey, fields[0], subnet))
			}
		}
	}
	return problems
}
