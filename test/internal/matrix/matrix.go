// Package matrix records what the suites with Docker ran on, in one file, and renders
// it as the table of docs/matrix.md.
package matrix

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Variable names the file to which a suite adds its results. Without it nothing is
// recorded.
const Variable = "KUBETRACING_MATRIX"

// Run is the newest run of a test on one kind of cluster.
type Run struct {
	// Suite is the make target, Test the test in it.
	Suite string `json:"suite"`
	Test  string `json:"test"`
	// Kubernetes is the nodes' k3s release, as v1.37.1+k3s1; Runtime their container
	// runtime, as containerd 2.3.5; Nodes their number by role, as 1 server, 2 agents.
	// They are empty if the cluster never came up.
	Kubernetes string `json:"kubernetes,omitempty"`
	Runtime    string `json:"runtime,omitempty"`
	Nodes      string `json:"nodes,omitempty"`
	// K3d and Docker are the versions of both; Cgroup is 1 or 2.
	K3d    string `json:"k3d"`
	Docker string `json:"docker"`
	Cgroup string `json:"cgroup"`
	// Date is the day of the run, as 2006-01-02.
	Date string `json:"date"`
	// Passed reports whether the test did, and Seconds how long it took.
	Passed  bool `json:"passed"`
	Seconds int  `json:"seconds"`
}

// place orders runs, and is the same for two runs of which the newer replaces the older.
func (r Run) place() [5]string {
	return [5]string{r.Suite, r.Test, r.Kubernetes, r.Runtime, r.Nodes}
}

// Read returns the runs of a file; none if it does not exist.
func Read(path string) ([]Run, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	var runs []Run
	if err := json.Unmarshal(text, &runs); err != nil {
		return nil, fmt.Errorf("read runs: %s: %w", path, err)
	}
	return runs, nil
}

// Add adds a run to a file, in the place of an earlier one of the same test on the same
// kind of cluster.
func Add(path string, run Run) error {
	runs, err := Read(path)
	if err != nil {
		return err
	}
	runs = slices.DeleteFunc(runs, func(other Run) bool { return other.place() == run.place() })
	runs = append(runs, run)
	slices.SortFunc(runs, func(a, b Run) int {
		first, second := a.place(), b.place()
		return slices.Compare(first[:], second[:])
	})
	text, err := json.MarshalIndent(runs, "", "  ")
	if err != nil {
		return fmt.Errorf("write runs: %w", err)
	}
	// A suite that is killed meanwhile must not leave half of it.
	temporary := path + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o644); err != nil { //nolint:gosec // it is for everyone to read
		return fmt.Errorf("write runs: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write runs: %w", err)
	}
	return nil
}

// Render renders runs as a table in Markdown.
func Render(runs []Run) string {
	if len(runs) == 0 {
		return "\nNo run is recorded.\n\n"
	}
	var text strings.Builder
	text.WriteString("\n| suite | test | Kubernetes | runtime | nodes | k3d | Docker | cgroup | date | result |\n" +
		"|---|---|---|---|---|---|---|---|---|---|\n")
	for _, run := range runs {
		result := "failed"
		if run.Passed {
			result = "passed"
		}
		kubernetes := "-"
		if run.Kubernetes != "" {
			kubernetes = "`" + run.Kubernetes + "`"
		}
		fmt.Fprintf(&text, "| `%s` | %s | %s | %s | %s | %s | %s | v%s | %s | %s in %s |\n", run.Suite, run.Test, kubernetes,
			cmp.Or(run.Runtime, "-"), cmp.Or(run.Nodes, "-"), run.K3d, run.Docker, run.Cgroup, run.Date, result,
			time.Duration(run.Seconds)*time.Second)
	}
	return text.String() + "\n"
}

// destination returns the file that the variable names; empty if nothing is recorded. A
// relative path is one from the folder that the suite was started in, which is that of
// its package: it would surprise, and is refused.
func destination() (string, error) {
	path := os.Getenv(Variable)
	if path != "" && !filepath.IsAbs(path) {
		return "", fmt.Errorf("%s: %q: must be an absolute path", Variable, path)
	}
	return path, nil
}
