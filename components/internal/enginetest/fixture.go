package enginetest

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/internal/resources"
	"github.com/kubetracing/kubetracing/components/tracing"
)

// Program is the kubetracing binary of tests.
const Program = resources.Program("../bin/kubetracing")

// State is the identity of the state in tests, and Stack its stack.
const (
	State = "STATE"
	Stack = "kubetracing/test"
)

// Labels are what everything in Docker must carry.
func Labels() []any {
	return []any{
		map[string]any{"label": "kubetracing.stack", "value": Stack},
		map[string]any{"label": "kubetracing.state", "value": State},
	}
}

// Owner returns an owner whose identity is known.
func Owner() resources.Owner {
	return resources.Owner{Stack: Stack, State: pulumi.String(State).ToStringOutput()}
}

// Subnet returns a subnet.
func Subnet(t *testing.T) tracing.Subnet {
	t.Helper()
	subnet, err := tracing.ParseSubnet("10.112.4.0/22")
	require.NoError(t, err)
	return subnet
}

// ClusterSpec returns a single node with a Kubernetes version and all rates at their
// maximum.
func ClusterSpec(t *testing.T, kubernetes string) tracing.ClusterSpec {
	t.Helper()
	release, err := tracing.ResolveRelease(kubernetes)
	require.NoError(t, err)
	return tracing.ClusterSpec{
		Name: "traced", Release: release, Runtime: tracing.Runtime{Name: tracing.RuntimeContainerd, Default: tracing.OCIRunc},
		NodeImage: "traced-node:0123456789ab", Servers: 1,
		Network: "traced", Subnet: Subnet(t), Receiver: tracing.CollectorAlias, ConfigVolume: "traced-tracing", APIPort: 6550,
		OwnerLabel: "kubetracing.stack=" + Stack,
		Sampling: tracing.Sampling{
			APIServer: tracing.SamplingRateMax, Etcd: tracing.SamplingRateMax,
			Kubelet: tracing.SamplingRateMax, Runtime: tracing.SamplingRateMax,
		},
	}
}
