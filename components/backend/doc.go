// Package backend holds the components that receive, store and show spans: the
// Docker network, Jaeger, the OpenTelemetry Collector, and an OpenSearch or
// Elasticsearch of the stack's own with its index cleaner.
//
// Every component reads the same way: an Args struct of plain values, with Outputs
// only where a value truly comes from another resource, and a New function that
// registers the component, creates its children and registers its outputs. No
// component reads configuration. A child's logical name begins with its component's,
// so two instances of a component never collide.
package backend
