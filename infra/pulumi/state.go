package pulumi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/kubetracing/kubetracing/components/spec"
)

// State is what Pulumi recorded of a stack.
type State struct {
	// Resources are those that exist.
	Resources []Resource
	// Creating are those that an update was creating when it was killed: they may
	// exist or not.
	Creating []Resource
	// Pending reports whether operations are recorded as unfinished, even if a later
	// update has finished them: Pulumi keeps and repeats the records.
	Pending bool
}

// Resource is a resource of a stack.
type Resource struct{ apitype.ResourceV3 }

// Types of the resources that exist in Docker.
const (
	containerType = "docker:index/container:Container"
	networkType   = "docker:index/network:Network"
	volumeType    = "docker:index/volume:Volume"
	imageType     = "docker:index/image:Image"
	commandType   = "command:local:Command"
)

// Names of resources.
const (
	clusterName      = "cluster-k3d"
	identityName     = "identity"
	verificationName = "verification-services"
)

// Name returns the resource's name in the program.
func (r Resource) Name() string { return string(r.URN[strings.LastIndex(string(r.URN), ":")+1:]) }

// dockerName returns the name that the resource has, or will have, in Docker. The id
// of an image is the name that it had first.
func (r Resource) dockerName() string {
	key := "name"
	if r.Type == imageType {
		key = "imageName"
	}
	return fmt.Sprint(r.Inputs[key])
}

// isCluster reports whether the resource is the cluster.
func (r Resource) isCluster() bool {
	return r.Type == commandType && strings.HasSuffix(r.Name(), clusterName)
}

// Cluster returns the document that the cluster was created from; false if the state
// has no cluster, or one that an earlier version created.
func (s State) Cluster() (spec.Cluster, bool) {
	var cluster spec.Cluster
	i := slices.IndexFunc(s.Resources, Resource.isCluster)
	if i < 0 {
		return cluster, false
	}
	text, _ := s.Resources[i].Inputs["stdin"].(string)
	return cluster, spec.Decode([]byte(text), &cluster) == nil
}

// HasCluster reports whether the state has a cluster.
func (s State) HasCluster() bool { return slices.ContainsFunc(s.Resources, Resource.isCluster) }

// Identity returns the identity of the state, which everything in Docker that it
// created carries as a label; empty if it has created nothing there yet.
func (s State) Identity() string {
	for _, r := range s.Resources {
		if r.Type == commandType && strings.HasSuffix(r.Name(), identityName) {
			identity, _ := r.Outputs["stdout"].(string)
			return strings.TrimSpace(identity)
		}
	}
	return ""
}

// errIncomplete means that a state's text ends too early or is not JSON at all.
var errIncomplete = errors.New("it is not complete JSON")

// Former reports whether a former version of this program created the state: it has
// objects in Docker and no identity, which the version that has one creates first. None
// of its resources has the name of one of today's.
func (s State) Former() bool {
	inDocker := func(r Resource) bool {
		switch r.Type {
		case containerType, networkType, volumeType, imageType:
			return true
		default:
			return r.isCluster()
		}
	}
	return s.Identity() == "" && slices.ContainsFunc(s.Resources, inDocker)
}

// ReadState reads a state as `pulumi stack export` prints it or as Pulumi keeps it in
// a file: with the snapshot as deployment, or as the latest checkpoint. What has
// neither is the state of a stack without resources.
func ReadState(text []byte) (State, error) {
	if !json.Valid(text) {
		return State{}, errIncomplete
	}
	var exported apitype.UntypedDeployment
	var kept struct {
		Checkpoint apitype.CheckpointV3 `json:"checkpoint"`
	}
	if err := errors.Join(json.Unmarshal(text, &exported), json.Unmarshal(text, &kept)); err != nil {
		return State{}, fmt.Errorf("decode the state: %w", err)
	}
	var snapshot apitype.DeploymentV3
	switch {
	case exported.Deployment != nil:
		if err := json.Unmarshal(exported.Deployment, &snapshot); err != nil {
			return State{}, fmt.Errorf("decode the deployment: %w", err)
		}
	case kept.Checkpoint.Latest != nil:
		snapshot = *kept.Checkpoint.Latest
	}
	state := State{Pending: len(snapshot.PendingOperations) > 0}
	for _, r := range snapshot.Resources {
		state.Resources = append(state.Resources, Resource{r})
	}
	for _, operation := range snapshot.PendingOperations {
		known := slices.ContainsFunc(state.Resources, func(r Resource) bool { return r.URN == operation.Resource.URN })
		if operation.Type == apitype.OperationTypeCreating && !known {
			state.Creating = append(state.Creating, Resource{operation.Resource})
		}
	}
	return state, nil
}

// withoutPending returns an exported state without its unfinished operations, of
// which Pulumi would go on to warn.
func withoutPending(exported []byte) ([]byte, error) {
	var file apitype.UntypedDeployment
	var snapshot map[string]json.RawMessage
	err := json.Unmarshal(exported, &file)
	if err == nil {
		err = json.Unmarshal(file.Deployment, &snapshot)
	}
	if err != nil {
		return nil, fmt.Errorf("read the exported state: %w", err)
	}
	delete(snapshot, "pending_operations")
	if file.Deployment, err = json.Marshal(snapshot); err == nil {
		exported, err = json.Marshal(file)
	}
	if err != nil {
		return nil, fmt.Errorf("write the state: %w", err)
	}
	return exported, nil
}
