// Package cluster holds the components that make a traced k3d cluster: the image of
// its nodes, the files that they mount, the cluster itself and its RuntimeClasses.
package cluster
