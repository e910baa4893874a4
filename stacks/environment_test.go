package stacks_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

// The environment belongs to the whole process, so these do not run in parallel.
func TestEnvironment(t *testing.T) {
	tests := map[string]struct {
		text string
		want map[string]string
	}{
		"every key, whatever its namespace": {
			text: `{"kubetracing:sampling": "{\"kubelet\": 0}", "pulumi:disable-default-providers": "[\"kubernetes\"]"}`,
			want: map[string]string{
				"kubetracing:sampling":             `{"kubelet": 0}`,
				"pulumi:disable-default-providers": `["kubernetes"]`,
			},
		},
		"nothing, outside a Pulumi update": {
			text: "",
			want: map[string]string{},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PULUMI_CONFIG", test.text)
			config, err := stacks.Environment()
			require.NoError(t, err)
			assert.Equal(t, test.want, config)
		})
	}
}

func TestEnvironment_Error(t *testing.T) {
	t.Setenv("PULUMI_CONFIG", "{")
	_, err := stacks.Environment()
	require.EqualError(t, err, "read PULUMI_CONFIG: unexpected end of JSON input")
}
