package stacks

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Environment reads the configuration that Pulumi hands to the running program:
// all of it, so that a key that nothing reads can be found. The SDK's own
// accessors only answer for keys that one knows.
func Environment() (map[string]string, error) {
	config := map[string]string{}
	text := os.Getenv(pulumi.EnvConfig)
	if text == "" {
		return config, nil
	}
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		return nil, fmt.Errorf("read %s: %w", pulumi.EnvConfig, err)
	}
	return config, nil
}
