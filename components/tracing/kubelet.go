package tracing

// kubeletConfiguration is the part of KubeletConfiguration that this package
// sets. Everything else is left to k3s, whose own values a longer file would
// override.
//
// Source: k8s.io/kubelet/config/v1beta1/types.go.
type kubeletConfiguration struct {
	APIVersion   string          `json:"apiVersion"`
	Kind         string          `json:"kind"`
	FeatureGates map[string]bool `json:"featureGates,omitempty"`
	FailCgroupV1 *bool           `json:"failCgroupV1,omitempty"`
	Tracing      tracingEndpoint `json:"tracing"`
}

func kubeletConfig(rules Rules, receiver string, rate int) (string, error) {
	config := kubeletConfiguration{
		APIVersion: "kubelet.config.k8s.io/v1beta1",
		Kind:       "KubeletConfiguration",
		Tracing:    tracingEndpoint{Endpoint: grpcTarget(receiver), SamplingRatePerMillion: rate},
	}
	if rules.NeedsFeatureGates {
		config.FeatureGates = map[string]bool{"KubeletTracing": true}
	}
	if rules.RefusesCgroupV1 {
		allowed := false
		config.FailCgroupV1 = &allowed
	}
	return encode("KubeletConfiguration", config)
}
