// Package load sends numbered traces over OTLP, records which were acknowledged, and
// asks Jaeger which arrived.
package load
