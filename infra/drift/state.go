// Package drift compares what Pulumi believes to be there with what Docker has,
// and knows what to do about the difference. Pulumi itself only does so for some
// resources, and only when it is asked to refresh.
package drift

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// State is what Pulumi believes to be there.
type State struct {
	Resources []Resource
	// Creating are resources that an update was creating when it was killed: they
	// may be there or not.
	Creating []Resource
	// Unsettled tells that there are notes of unfinished operations, even of some
	// that a later update has done: Pulumi keeps and repeats them.
	Unsettled bool
}

// Resource is a resource of a stack.
type Resource struct {
	URN          string         `json:"urn"`
	Type         string         `json:"type"`
	ID           string         `json:"id"`
	Inputs       map[string]any `json:"inputs"`
	Dependencies []string       `json:"dependencies"`
}

// Types of the resources that Docker knows of.
const (
	containerType = "docker:index/container:Container"
	networkType   = "docker:index/network:Network"
	volumeType    = "docker:index/volume:Volume"
	imageType     = "docker:index/image:Image"
	commandType   = "command:local:Command"
)

// Names of the resources that make a cluster and look for its spans.
const (
	clusterName      = "cluster-k3d"
	verificationName = "verification-services"
)

// Name is the resource's name in the program.
func (r Resource) Name() string { return r.URN[strings.LastIndex(r.URN, ":")+1:] }

// dockerName is the name that the resource has, or will have, in Docker. The id of an
// image is the name that it had first.
func (r Resource) dockerName() string {
	key := "name"
	if r.Type == imageType {
		key = "imageName"
	}
	return fmt.Sprint(r.Inputs[key])
}

// isCluster tells whether the resource is what makes the cluster.
func (r Resource) isCluster() bool { return r.Type == commandType && r.Name() == clusterName }

// HasCluster tells whether Pulumi knows of a cluster.
func (s State) HasCluster() bool { return slices.ContainsFunc(s.Resources, Resource.isCluster) }

// deployment is a snapshot of a stack.
//
// Source: pulumi/pulumi sdk/go/common/apitype/core.go (DeploymentV3, OperationV2).
type deployment struct {
	Resources []Resource `json:"resources"`
	Pending   []struct {
		Resource Resource `json:"resource"`
		Type     string   `json:"type"`
	} `json:"pending_operations"`
}

// ReadState reads a stack's state, as `pulumi stack export` prints it or as Pulumi
// keeps it in a file of its own: with the snapshot as deployment, or as the latest
// checkpoint. What has neither is the state of a stack without resources.
//
// Source: pulumi/pulumi sdk/go/common/apitype/core.go (UntypedDeployment,
// VersionedCheckpoint, CheckpointV3).
func ReadState(text []byte) (State, error) {
	var file struct {
		Deployment deployment `json:"deployment"`
		Checkpoint struct {
			Latest deployment `json:"latest"`
		} `json:"checkpoint"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return State{}, fmt.Errorf("read the stack's state: %w", err)
	}
	snapshot := file.Deployment
	if snapshot.Resources == nil && snapshot.Pending == nil {
		snapshot = file.Checkpoint.Latest
	}
	state := State{Resources: snapshot.Resources, Unsettled: len(snapshot.Pending) > 0}
	for _, operation := range snapshot.Pending {
		known := slices.ContainsFunc(state.Resources, func(r Resource) bool { return r.URN == operation.Resource.URN })
		if operation.Type == "creating" && !known {
			state.Creating = append(state.Creating, operation.Resource)
		}
	}
	return state, nil
}
