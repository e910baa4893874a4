package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/util/feature"
	tracingapi "k8s.io/component-base/tracing/api/v1"
	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"
)

// readKubelet decodes a KubeletConfiguration strictly, as the kubelet does
// (k8s.io/kubernetes/pkg/kubelet/kubeletconfig/configfiles), and validates its
// tracing.
func readKubelet(data []byte) (*kubeletv1beta1.KubeletConfiguration, error) {
	scheme := runtime.NewScheme()
	if err := kubeletv1beta1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	codecs := serializer.NewCodecFactory(scheme, serializer.EnableStrict)
	object, _, err := codecs.UniversalDeserializer().Decode(data, nil, nil)
	if err != nil {
		return nil, err
	}
	config, ok := object.(*kubeletv1beta1.KubeletConfiguration)
	if !ok {
		return nil, fmt.Errorf("want a KubeletConfiguration, got %T", object)
	}
	errs := tracingapi.ValidateTracingConfiguration(config.Tracing, feature.DefaultFeatureGate, field.NewPath("tracing"))
	return config, errs.ToAggregate()
}
