package processes

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Options define how a Collector or a Jaeger is run.
type Options struct {
	// Folder holds the process's configuration and log. Required; it must exist.
	Folder string
	// Config is the configuration, as rendered. Required.
	Config string
	// Overrides replace single values of the configuration: the key is the path to
	// the value with "::" between its parts, as exporters::debug::verbosity; the
	// value is YAML. The addresses that the process listens on are replaced anyway.
	// Optional.
	Overrides map[string]string
	// Environment are NAME=VALUE variables that the configuration refers to.
	// Optional.
	Environment []string
}

// configArguments writes the configuration to a file and returns the arguments that
// make an OpenTelemetry Collector, which Jaeger 2 is too, read it and then the
// overrides.
//
// Source: go.opentelemetry.io/collector/confmap README (merge order) and
// confmap/provider/yamlprovider ("::" in keys).
func (o Options) configArguments(name string, addresses map[string]string) ([]string, error) {
	path := filepath.Join(o.Folder, name+".yaml")
	if err := os.WriteFile(path, []byte(o.Config), 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration of %s: %w", name, err)
	}
	arguments := []string{"--config", "file:" + path}
	for _, overrides := range []map[string]string{addresses, o.Overrides} {
		for _, key := range slices.Sorted(maps.Keys(overrides)) {
			arguments = append(arguments, "--config", fmt.Sprintf("yaml:%s: %s", key, overrides[key]))
		}
	}
	return arguments, nil
}
