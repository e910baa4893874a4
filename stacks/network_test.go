package stacks_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

func TestSubnet_Derived(t *testing.T) {
	t.Parallel()
	seen := map[netip.Prefix]string{}
	for _, name := range []string{"dev", "crio", "ci", "sampled", "e2e"} {
		stack, err := stacks.New("kubetracing", name, nil)
		require.NoError(t, err)
		assert.NotContains(t, seen, stack.Subnet.Prefix, "%s has that of another", name)
		seen[stack.Subnet.Prefix] = name
		again, err := stacks.New("kubetracing", name, nil)
		require.NoError(t, err)
		assert.Equal(t, stack.Subnet, again.Subnet, "a preview shows what an update does")
	}
}

func TestSubnet_DerivedRange(t *testing.T) {
	t.Parallel()
	for i := range 300 {
		stack, err := stacks.New("kubetracing", fmt.Sprintf("s%d", i), map[string]string{
			"kubetracing:cluster": `{"servers": 3, "agents": 253}`,
		})
		require.NoError(t, err)
		assert.True(t, netip.MustParsePrefix("10.112.0.0/12").Overlaps(stack.Subnet.Prefix))
		assert.GreaterOrEqual(t, stack.Subnet.Nodes(), 256)
	}
}
