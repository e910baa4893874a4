package spec

import "slices"

// LocalImages is what the Docker daemon has of the images that a node image is made
// from, and of those that were made. The zero value means that nothing is known.
type LocalImages struct {
	// Base is the id of the base image; empty if the daemon does not have it.
	Base string
	// Nodes are the stack's node images, newest first.
	Nodes []LocalNodeImage
}

// LocalNodeImage is a node image in the Docker daemon.
type LocalNodeImage struct {
	// Reference names it.
	Reference string
	// Base is the id of the image that it was built on; empty if that was not known.
	Base string
}

// Has reports whether the daemon has a node image.
func (l LocalImages) Has(reference string) bool {
	return slices.ContainsFunc(l.Nodes, func(node LocalNodeImage) bool { return node.Reference == reference })
}
