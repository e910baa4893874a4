package main

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	_ "k8s.io/apiserver/pkg/features" // registers kube-apiserver's feature gates
	"k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/featuregate"
	tracingapi "k8s.io/component-base/tracing/api/v1"
)

const apiServerTracing featuregate.Feature = "APIServerTracing"

var errTracingGateOff = errors.New("APIServerTracing feature is not enabled, but tracing config file was provided")

// readAPIServerTracing follows kube-apiserver from its --feature-gates and
// --tracing-config-file to a validated configuration. Decoding is strict, as
// kube-apiserver's is from 1.33 on: what passes here passes in the lenient
// releases too.
//
// The steps are those of k8s.io/apiserver/pkg/server/options/tracing.go (ApplyTo,
// ReadTracingConfiguration), whose package would compile the whole API server.
func readAPIServerTracing(data []byte, gates string) (*tracingapi.TracingConfiguration, error) {
	if err := feature.DefaultMutableFeatureGate.Set(gates); err != nil {
		return nil, err
	}
	// Where the gate was removed, tracing cannot be disabled.
	if _, gated := feature.DefaultMutableFeatureGate.GetAll()[apiServerTracing]; gated &&
		!feature.DefaultFeatureGate.Enabled(apiServerTracing) {
		return nil, errTracingGateOff
	}

	scheme := runtime.NewScheme()
	install.Install(scheme)
	codecs := serializer.NewCodecFactory(scheme, serializer.EnableStrict)
	internal := &apiserver.TracingConfiguration{}
	if err := runtime.DecodeInto(codecs.UniversalDecoder(), data, internal); err != nil {
		return nil, fmt.Errorf("unable to decode tracing configuration data: %w", err)
	}
	config := &tracingapi.TracingConfiguration{
		Endpoint:               internal.Endpoint,
		SamplingRatePerMillion: internal.SamplingRatePerMillion,
	}
	errs := tracingapi.ValidateTracingConfiguration(config, feature.DefaultFeatureGate, nil)
	return config, errs.ToAggregate()
}
