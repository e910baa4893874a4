package gather

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// kind is a kind of objects that have timelines.
type kind struct {
	name string
	// object is the kind as the API writes it.
	object string
	// aliases are further names, as kubectl accepts them.
	aliases []string
	// group is the path of the API group.
	group string
}

// kinds are those that have pods, and pods. An alias or the beginning of a name names
// one.
var kinds = []kind{
	{"pod", "Pod", []string{"po", "pods"}, "/api/v1"},
	{"deployment", "Deployment", []string{"deploy", "deployments"}, "/apis/apps/v1"},
	{"replicaset", "ReplicaSet", []string{"rs", "replicasets"}, "/apis/apps/v1"},
	{"daemonset", "DaemonSet", []string{"ds", "daemonsets"}, "/apis/apps/v1"},
	{"statefulset", "StatefulSet", []string{"sts", "statefulsets"}, "/apis/apps/v1"},
	{"job", "Job", []string{"jobs"}, "/apis/batch/v1"},
}

func (k kind) path(namespace, name string) string {
	path := k.group + "/namespaces/" + namespace + "/" + k.name + "s"
	if name != "" {
		path += "/" + name
	}
	return path
}

// Target names the object of a timeline.
type Target struct {
	// Kind is empty if only a name was given.
	Kind            string
	Namespace, Name string
	// UID chooses among pods of one name; empty stands for the newest.
	UID string
}

// ParseTarget reads KIND/NAME, or NAME alone.
func ParseTarget(argument, namespace string) (Target, error) {
	before, name, has := strings.Cut(argument, "/")
	if !has {
		name, before = before, ""
	}
	if name == "" || strings.Contains(name, "/") {
		return Target{}, fmt.Errorf("%q: must be KIND/NAME, as pod/web", argument)
	}
	target := Target{Namespace: namespace, Name: name}
	if !has {
		return target, nil
	}
	found, err := findKind(strings.ToLower(before))
	target.Kind = found.name
	return target, err
}

// findKind returns the kind of a name.
func findKind(name string) (kind, error) {
	// kubectl also accepts a group, as deployment.apps.
	name, _, _ = strings.Cut(name, ".")
	var matches []kind
	for _, k := range kinds {
		if name == k.name || slices.Contains(k.aliases, name) {
			return k, nil
		}
		if name != "" && strings.HasPrefix(k.name, name) {
			matches = append(matches, k)
		}
	}
	names := kindNames(kinds)
	switch {
	case len(matches) == 1:
		return matches[0], nil
	case len(matches) > 1:
		return kind{}, fmt.Errorf("kind %q is ambiguous: %s", name, strings.Join(kindNames(matches), " or "))
	case name == "":
		return kind{}, errors.New("the kind is empty: must be " + strings.Join(names, ", "))
	default:
		return kind{}, fmt.Errorf("kind %q has no timeline: must be %s; the nearest is %s", name, strings.Join(names, ", "), nearest(name, names, 1)[0])
	}
}

func kindNames(list []kind) []string {
	var names []string
	for _, k := range list {
		names = append(names, k.name)
	}
	return names
}

func kindOf(name string) kind {
	return kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })]
}

// nearest returns the names that take the fewest edits, at most count of them.
func nearest(name string, names []string, count int) []string {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	slices.SortStableFunc(sorted, func(a, b string) int {
		return levenshtein.ComputeDistance(name, a) - levenshtein.ComputeDistance(name, b)
	})
	return sorted[:min(count, len(sorted))]
}
