package tracing

import (
	"fmt"

	"sigs.k8s.io/yaml"
)

// encode renders a typed value as YAML with sorted keys, so that equal values
// give equal bytes.
func encode(what string, value any) (string, error) {
	out, err := yaml.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", what, err)
	}
	return string(out), nil
}
