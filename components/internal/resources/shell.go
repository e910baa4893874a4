package resources

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// plainWord matches text that means itself in every POSIX shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@=-]+$`)

// Quote returns text as one word of a shell command.
func Quote(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// Script puts literal values in front of a shell script. A delete script runs
// long after the program that wrote it, in whatever environment, so what it acts on
// must be part of it: with an empty name, k3d cluster delete would delete the user's
// default cluster.
func Script(values map[string]string, body string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&text, "%s=%s\n", name, Quote(values[name]))
	}
	text.WriteString(body)
	return text.String()
}
