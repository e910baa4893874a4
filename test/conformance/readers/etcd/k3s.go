package main

import (
	"strconv"
	"strings"
)

// k3sConfigFile returns the content of the configuration file that k3s writes for
// its embedded etcd from etcd-arg values of the form NAME=VALUE: numbers and
// booleans lose their quotes, everything else stays text. Durations and lists,
// which k3s converts too, do not occur in tracing arguments.
//
// Source: k3s pkg/daemons/executor/executor.go@0097157bb67c (ToConfigFile).
func k3sConfigFile(args []string) map[string]any {
	settings := map[string]any{}
	for _, arg := range args {
		name, text, assigned := strings.Cut(arg, "=")
		if !assigned {
			continue
		}
		name = strings.TrimLeft(name, "-")
		if number, err := strconv.Atoi(text); err == nil {
			settings[name] = number
			continue
		}
		switch strings.ToLower(text) {
		case "true":
			settings[name] = true
		case "false":
			settings[name] = false
		default:
			settings[name] = text
		}
	}
	return settings
}
