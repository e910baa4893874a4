package conformance

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// A trace that a caller has begun, sampled.
const (
	callersTrace   = "0af7651916cd43dd8448eb211c80319c"
	callersContext = "00-" + callersTrace + "-b7ad6b7169203331-01"
)

// Whose trace kube-apiserver continues decides whether a followed command is one.
func TestKubeAPIServer_Callers(t *testing.T) {
	for _, version := range []string{"1.32.13", "1.33.13", "1.37.1"} {
		t.Run(version, func(t *testing.T) {
			release, err := tracing.ResolveRelease(version)
			require.NoError(t, err)
			reader := newReader("callers", version)
			for group, honoured := range map[string]bool{"system:masters": true, "system:monitoring": true, "system:nodes": false} {
				output, err := reader.read(t, callersContext, group, "system:authenticated")
				require.NoError(t, err)
				var want []string
				if honoured && release.Rules.ContinuesTraces {
					want = []string{callersTrace}
				}
				assert.ElementsMatch(t, want, strings.Fields(string(output)), group)
			}
		})
	}
}
