package tracing

// tracingConfiguration is kube-apiserver's --tracing-config-file. It has no
// other fields up to Kubernetes 1.37.
//
// Source: k8s.io/component-base@v0.37.2/tracing/api/v1/types.go.
type tracingConfiguration struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	tracingEndpoint
}

// tracingEndpoint are the two fields that kube-apiserver and kubelet share.
type tracingEndpoint struct {
	Endpoint string `json:"endpoint"`
	// SamplingRatePerMillion is always written: absent means "follow the
	// parent", which is not the same as a chosen 0 to a reader.
	SamplingRatePerMillion int `json:"samplingRatePerMillion"`
}

func apiServerTracing(rules Rules, receiver string, rate int) (string, error) {
	return encode("TracingConfiguration", tracingConfiguration{
		APIVersion:      rules.APIServerTracingVersion,
		Kind:            "TracingConfiguration",
		tracingEndpoint: tracingEndpoint{Endpoint: grpcTarget(receiver), SamplingRatePerMillion: rate},
	})
}
