// Package load sends numbered traces over OTLP, keeps account of which were
// acknowledged, and asks Jaeger which arrived.
package load
