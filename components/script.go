package components

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// script puts literal values in front of a shell script. A delete script runs
// long after the program that wrote it, with whatever environment the destroyer
// has, so what it acts on must stand in it: an empty name would let
// `k3d cluster delete` take the user's default cluster.
func script(values map[string]string, body string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&text, "%s='%s'\n", name, strings.ReplaceAll(values[name], "'", `'\''`))
	}
	text.WriteString(body)
	return text.String()
}
