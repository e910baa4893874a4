package stacks

import (
	"encoding/json"
	"fmt"
	"os"
)

// configVariable holds a running program's configuration.
//
// Source: github.com/pulumi/pulumi/sdk/v3 go/pulumi/run.go (EnvConfig).
const configVariable = "PULUMI_CONFIG"

// Environment reads the configuration that Pulumi passes to the running program:
// all of it, so that a key that nothing reads can be found. The SDK's own
// accessors only answer for keys that one knows.
func Environment() (map[string]string, error) {
	config := map[string]string{}
	text := os.Getenv(configVariable)
	if text == "" {
		return config, nil
	}
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		return nil, fmt.Errorf("read %s: %w", configVariable, err)
	}
	return config, nil
}
