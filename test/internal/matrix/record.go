package matrix

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Recorder records one test.
type Recorder struct {
	t       testing.TB
	path    string
	started time.Time
	run     Run
}

// Record records a test of a suite in the file that Variable names, once it has ended
// and what it created is gone: call it before anything that registers a cleanup.
func Record(t testing.TB, suite string) *Recorder {
	t.Helper()
	path, err := destination()
	if err != nil {
		t.Fatal(err)
	}
	r := &Recorder{t: t, path: path, started: time.Now(), run: Run{Suite: suite, Test: t.Name()}}
	if path != "" {
		t.Cleanup(r.write)
	}
	return r
}

func (r *Recorder) write() {
	if r.t.Skipped() {
		return
	}
	r.run.Passed = !r.t.Failed()
	r.run.Seconds = int(time.Since(r.started).Round(time.Second) / time.Second)
	r.run.Date = r.started.UTC().Format(time.DateOnly)
	for value, command := range map[*string][]string{
		&r.run.Docker: {"docker", "version", "--format", "{{.Server.Version}}"},
		&r.run.Cgroup: {"docker", "info", "--format", "{{.CgroupVersion}}"},
		&r.run.K3d:    {"k3d", "version"},
	} {
		output, err := exec.Command(command[0], command[1:]...).Output()
		if err != nil {
			r.t.Errorf("record: %s: %v", strings.Join(command, " "), err)
		}
		// k3d prints a second line, about k3s.
		first, _, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
		*value = strings.TrimPrefix(first, "k3d version v")
	}
	if err := Add(r.path, r.run); err != nil {
		r.t.Errorf("record: %v", err)
	}
}

// Observe asks a server of a running cluster what the nodes are. Only the first answer
// counts: what a test changes later is the test's.
func (r *Recorder) Observe(server string) {
	r.t.Helper()
	if r.path == "" || r.run.Kubernetes != "" {
		return
	}
	output, err := exec.Command("docker", "exec", server, "kubectl", "get", "nodes", "--output", "json").Output()
	if err == nil {
		err = r.run.describe(output)
	}
	if err != nil {
		r.t.Errorf("record what the nodes of %s are: %v", server, err)
	}
}

// describe fills in what kubectl says about nodes.
func (r *Run) describe(nodes []byte) error {
	var list struct {
		Items []struct {
			Metadata struct{ Labels map[string]string }
			Status   struct {
				NodeInfo struct{ KubeletVersion, ContainerRuntimeVersion string }
			}
		}
	}
	if err := json.Unmarshal(nodes, &list); err != nil {
		return fmt.Errorf("read the nodes: %w", err)
	}
	if len(list.Items) == 0 {
		return fmt.Errorf("there are no nodes in %s", nodes)
	}
	servers := 0
	for _, node := range list.Items {
		// k3s' own label, which agents have not.
		if _, server := node.Metadata.Labels["node-role.kubernetes.io/control-plane"]; server {
			servers++
		}
	}
	info := list.Items[0].Status.NodeInfo
	r.Kubernetes = info.KubeletVersion
	// As containerd://2.3.5 or cri-o://1.36.3.
	name, version, _ := strings.Cut(info.ContainerRuntimeVersion, "://")
	r.Runtime = strings.TrimSpace(name + " " + strings.TrimPrefix(version, "v"))
	r.Nodes = count(servers, "server")
	if agents := len(list.Items) - servers; agents > 0 {
		r.Nodes += ", " + count(agents, "agent")
	}
	return nil
}

// count returns a number of things, as 1 server or 2 servers.
func count(number int, thing string) string {
	if number != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", number, thing)
}
