// Package manifest describes Kubernetes objects as plain values, from which both
// Pulumi resources and documents for kubectl are made.
package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

type (
	// Map is an object among the fields of an object. Beside Map and List, a value is a
	// string, a bool or an int.
	Map = map[string]any
	// List is a list among the fields of an object.
	List = []any
)

// Object is a Kubernetes object.
type Object struct {
	// APIVersion and Kind are the object's type, as v1 and Pod. Required.
	APIVersion, Kind string
	// Name is its metadata.name. Required.
	Name string
	// Labels and Annotations are those of its metadata. Optional.
	Labels, Annotations map[string]string
	// Fields are its top-level fields beside apiVersion, kind and metadata, such as
	// spec. Optional.
	Fields Map
}

// ID returns the kind and the name in kubectl's notation, as Pod/echo.
func (o Object) ID() string { return o.Kind + "/" + o.Name }

// Token returns the type token of the object's Pulumi resource.
//
// Source: pulumi-kubernetes provider/pkg/gen/schema.go (the core group is named
// core, every other by its full name).
func (o Object) Token() string {
	version := o.APIVersion
	if !strings.Contains(version, "/") {
		version = "core/" + version
	}
	return fmt.Sprintf("kubernetes:%s:%s", version, o.Kind)
}

// MarshalJSON returns the object as kubectl reads it.
func (o Object) MarshalJSON() ([]byte, error) {
	metadata := Map{"name": o.Name}
	if len(o.Labels) > 0 {
		metadata["labels"] = o.Labels
	}
	if len(o.Annotations) > 0 {
		metadata["annotations"] = o.Annotations
	}
	object := Map{"apiVersion": o.APIVersion, "kind": o.Kind, "metadata": metadata}
	maps.Copy(object, o.Fields)
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", o.ID(), err)
	}
	return text, nil
}
