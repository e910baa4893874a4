package stacks_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

func TestNames(t *testing.T) {
	t.Parallel()

	names := stacks.NewNames("kubetracing", "dev")
	assert.Equal(t, "kubetracing-dev", names.Cluster)
	assert.Equal(t, "kubetracing/dev", names.Owner)
	assert.Equal(t, "kubetracing-dev", names.Network())
	assert.Equal(t, "kubetracing-dev-tracing", names.Volume())
	assert.Equal(t, "kubetracing-dev-jaeger", names.Jaeger())
	assert.Equal(t, "kubetracing-dev-collector", names.Collector())
	assert.Equal(t, "kubetracing-dev-node", names.NodeImage())
}

func TestNames_Validation(t *testing.T) {
	t.Parallel()

	label := "together they name the cluster, so they must be an RFC 1123 label: " +
		"lower case letters, digits and '-', beginning and ending with a letter or digit"
	long := func(characters int) string {
		return fmt.Sprintf("together they name the cluster, so they must have at most 32 characters; these have %d", characters)
	}
	tests := map[string]struct {
		stack string
		rules []string
	}{
		"a name of 32 characters is the longest": {
			stack: strings.Repeat("a", 20),
		},
		"digits and hyphens are fine inside": {
			stack: "pr-17-b",
		},
		"33 characters are too long": {
			stack: strings.Repeat("a", 21),
			rules: []string{long(33)},
		},
		"upper case is refused": {
			stack: "Dev",
			rules: []string{label},
		},
		"an underscore is refused": {
			stack: "my_stack",
			rules: []string{label},
		},
		"a hyphen at the end is refused": {
			stack: "dev-",
			rules: []string{label},
		},
		"both mistakes are reported": {
			stack: strings.Repeat("A", 30),
			rules: []string{label, long(42)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stack, err := stacks.New("kubetracing", test.stack, nil)
			if test.rules == nil {
				require.NoError(t, err)
				assert.Equal(t, "kubetracing-"+test.stack, stack.Names.Cluster)
				return
			}
			var want stacks.Problems
			for _, rule := range test.rules {
				want = append(want, stacks.Problem{Field: "project and stack name", Value: "kubetracing-" + test.stack, Rule: rule})
			}
			assert.Equal(t, want, err)
		})
	}
}

func TestSettings_Ports(t *testing.T) {
	t.Parallel()

	grpc, http := 4317, 4318
	settings := stacks.Defaults()
	assert.Equal(t, []stacks.Port{{"cluster.apiPort", 6550}, {"jaeger.uiPort", 16686}}, settings.Ports())

	settings.Collector.OTLPHTTPPort = &http
	assert.Equal(t, []stacks.Port{
		{"cluster.apiPort", 6550}, {"jaeger.uiPort", 16686}, {"collector.otlpHttpPort", 4318},
	}, settings.Ports())

	settings.Collector.OTLPGRPCPort = &grpc
	assert.Equal(t, []stacks.Port{
		{"cluster.apiPort", 6550},
		{"jaeger.uiPort", 16686},
		{"collector.otlpGrpcPort", 4317},
		{"collector.otlpHttpPort", 4318},
	}, settings.Ports())
}
