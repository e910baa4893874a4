package tracing

import "strconv"

// SamplingRateMax is the samplingRatePerMillion that samples everything.
//
// Source: k8s.io/component-base/tracing/api/v1/config.go accepts 0..1000000.
const SamplingRateMax = 1_000_000

// Sampling holds head sampling rates in spans per million root spans, 0 to
// [SamplingRateMax]. A component that is called with a sampled parent follows
// it, whatever its own rate.
type Sampling struct {
	// APIServer is the rate for requests that reach kube-apiserver.
	APIServer int
	// Etcd is the rate for requests that etcd receives without a sampled parent;
	// above 0 it also asks for embedded etcd instead of kine.
	Etcd int
	// Kubelet is the rate for work that a kubelet starts.
	Kubelet int
	// Runtime is the rate for work that the container runtime starts. 0 turns
	// the runtime's spans off altogether.
	Runtime int
	// Collector is the share of traces that the Collector passes on. It
	// multiplies with the rates above.
	Collector int
}

// ratio returns a rate as the decimal fraction of OTEL_TRACES_SAMPLER_ARG, 0 to 1.
func ratio(perMillion int) string {
	return strconv.FormatFloat(float64(perMillion)/SamplingRateMax, 'f', -1, 64)
}

// percentage returns a rate as the Collector's sampling_percentage, 0 to 100.
func percentage(perMillion int) float64 {
	return float64(perMillion) / (SamplingRateMax / 100)
}
