package stacks_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/stacks"
)

func TestCombinations(t *testing.T) {
	t.Parallel()
	defaults := stacks.Defaults().Runtime
	combinations := stacks.Combinations()
	for _, minor := range []string{"1.25", "1.30", tracing.NewestMinor()} {
		assert.Contains(t, combinations, stacks.Combination{Kubernetes: minor, Runtime: defaults.Name, OCI: defaults.OCI})
	}
	seen := map[stacks.Combination]bool{}
	for _, c := range combinations {
		assert.False(t, seen[c], "%v is there twice", c)
		seen[c] = true
		_, err := stacks.New("kubetracing", "test", map[string]string{
			"kubetracing:cluster": fmt.Sprintf(`{"kubernetes":%q}`, c.Kubernetes),
			"kubetracing:runtime": fmt.Sprintf(`{"name":%q,"oci":%q}`, c.Runtime, c.OCI),
		})
		require.NoError(t, err, "%v", c)
	}
}
