// Package components holds the Pulumi component resources of a traced cluster.
//
// Every component reads the same way: an Args struct of plain values (and
// Outputs only where a value truly comes from another resource), a New function
// that registers the component with its inputs, creates its children and
// registers its outputs. No component reads configuration.
//
// A child's logical name begins with its component's, so that two instances of
// a component never collide.
package components
