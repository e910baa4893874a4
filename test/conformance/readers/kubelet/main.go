// Command kubelet reads a KubeletConfiguration on standard input with the
// kubelet of one Kubernetes minor (versions/*.mod choose which) and prints what
// it decoded as JSON. It fails with the kubelet's own error.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/util/feature"
	_ "k8s.io/kubernetes/pkg/features" // registers the kubelet's feature gates
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	kubeletscheme "k8s.io/kubernetes/pkg/kubelet/apis/config/scheme"
	"k8s.io/kubernetes/pkg/kubelet/apis/config/validation"
)

func main() {
	decoded, err := read(os.Stdin)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(decoded)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// read decodes, defaults and validates a configuration, feature gates included.
// Decoding is strict: a kubelet that only warns of an unknown field would hide a
// mistake of ours.
//
// The steps are those of k8s.io/kubernetes/cmd/kubelet/app/server.go
// (loadConfigFile, NewKubeletCommand).
func read(in io.Reader) (*kubeletconfig.KubeletConfiguration, error) {
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	_, codecs, err := kubeletscheme.NewSchemeAndCodecs(serializer.EnableStrict)
	if err != nil {
		return nil, err
	}
	object, _, err := codecs.UniversalDecoder().Decode(data, nil, nil)
	if err != nil {
		return nil, err
	}
	config, ok := object.(*kubeletconfig.KubeletConfiguration)
	if !ok {
		return nil, fmt.Errorf("want a KubeletConfiguration, got %T", object)
	}
	if err := feature.DefaultMutableFeatureGate.SetFromMap(config.FeatureGates); err != nil {
		return nil, err
	}
	return config, validation.ValidateKubeletConfiguration(config, feature.DefaultFeatureGate)
}
