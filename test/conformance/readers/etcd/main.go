// Command etcd accepts k3s' etcd-arg values, loads them with the code of one etcd
// version (versions/*.mod choose which) and prints the values that ended up in
// its configuration as JSON, by argument name. It fails with etcd's own error,
// and where etcd ignores an argument, which etcd itself does silently.
//
//	etcd NAME=VALUE...
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"go.etcd.io/etcd/server/v3/embed"
	"sigs.k8s.io/yaml"
)

func main() {
	loaded, err := load(os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(loaded)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(args []string) (map[string]any, error) {
	settings := k3sConfigFile(args)
	config, err := loadConfig(settings)
	if err != nil {
		return nil, err
	}
	fields := fieldsByName(config)
	loaded := map[string]any{}
	var ignored []error
	for name := range settings {
		if value, known := fields[name]; known {
			loaded[name] = value
		} else {
			ignored = append(ignored, fmt.Errorf("etcd ignores %q", name))
		}
	}
	return loaded, errors.Join(ignored...)
}

func loadConfig(settings map[string]any) (*embed.Config, error) {
	text, err := yaml.Marshal(settings)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "etcd-config")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	return embed.ConfigFromFile(file)
}

// fieldsByName returns the values of a configuration by their names in its file.
func fieldsByName(config *embed.Config) map[string]any {
	fields := map[string]any{}
	value := reflect.ValueOf(config).Elem()
	for _, field := range reflect.VisibleFields(value.Type()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && field.IsExported() {
			fields[name] = value.FieldByIndex(field.Index).Interface()
		}
	}
	return fields
}
