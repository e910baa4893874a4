package drift

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/stacks"
)

// removal is how to find and remove things of a type.
type removal struct {
	resource     string
	find, remove []string
	// by is the filter that takes a thing's name.
	by string
}

// removals are in the order in which things let go of one another.
var removals = []removal{
	{containerType, []string{"ps", "--all", "--quiet"}, []string{"rm", "--force", "--volumes"}, "name=^%s$"},
	{networkType, []string{"network", "ls", "--quiet"}, []string{"network", "rm"}, "name=^%s$"},
	{volumeType, []string{"volume", "ls", "--quiet"}, []string{"volume", "rm"}, "name=^%s$"},
	{imageType, []string{"image", "ls", "--quiet"}, []string{"image", "rm", "--force"}, "reference=%s"},
}

// Reclaim removes what a killed update left of the Docker objects that it was
// creating: Pulumi does not know them, and could neither create nor remove them.
// Only what carries the stack's label is touched.
func Reclaim(ctx context.Context, state State, names stacks.Names) error {
	var problems []error
	for _, removal := range removals {
		for _, r := range state.Creating {
			if r.Type != removal.resource {
				continue
			}
			found, err := docker(ctx, append(slices.Clone(removal.find),
				"--filter", "label="+stacks.OwnerLabel+"="+names.Owner,
				"--filter", fmt.Sprintf(removal.by, r.dockerName()))...)
			if err == nil && len(found) > 0 {
				_, err = docker(ctx, append(slices.Clone(removal.remove), found...)...)
			}
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// RemoveCluster removes the nodes of a cluster that Pulumi does not know: an update
// ended while it created them. Another update would do so itself. w is told how it
// goes.
func RemoveCluster(ctx context.Context, state State, world World, names stacks.Names, w io.Writer) error {
	ofCluster := func(c Container) bool { return c.Cluster == names.Cluster }
	if state.HasCluster() || !slices.ContainsFunc(world.Containers, ofCluster) {
		return nil
	}
	owner := components.Owner{Label: stacks.OwnerLabel, Value: names.Owner}
	if err := runScript(ctx, components.ClusterDeleteScript(names.Cluster, owner), w); err != nil {
		return fmt.Errorf("remove what an interrupted update left of cluster %s: %w", names.Cluster, err)
	}
	return nil
}

// Settled gives what `pulumi stack export` printed without its unfinished
// operations, which Pulumi would go on to warn of.
func Settled(exported []byte) ([]byte, error) {
	var file map[string]json.RawMessage
	var snapshot map[string]json.RawMessage
	err := json.Unmarshal(exported, &file)
	if err == nil {
		err = json.Unmarshal(file["deployment"], &snapshot)
	}
	if err != nil {
		return nil, fmt.Errorf("read the stack's state: %w", err)
	}
	delete(snapshot, "pending_operations")
	if file["deployment"], err = json.Marshal(snapshot); err != nil {
		return nil, fmt.Errorf("write the stack's state: %w", err)
	}
	return json.Marshal(file)
}
