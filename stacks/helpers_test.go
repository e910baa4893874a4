package stacks_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

// section is a configuration with one section, in the form that Pulumi hands to
// a program.
func section(name, value string) map[string]string {
	return map[string]string{"kubetracing:" + name: value}
}

// crio36 is a stack with CRI-O 1.36 and further settings of its runtime.
func crio36(runtime string) map[string]string {
	return merged(section("cluster", `{"kubernetes": "1.36"}`), section("runtime", `{"name": "crio", `+runtime+`}`))
}

// merged is one configuration made of several.
func merged(configs ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, config := range configs {
		maps.Copy(all, config)
	}
	return all
}

// problemsOf returns what New finds wrong with a configuration of the stack
// kubetracing/dev.
func problemsOf(t *testing.T, config map[string]string) []stacks.Problem {
	t.Helper()
	_, err := stacks.New("kubetracing", "dev", config)
	var problems stacks.Problems
	require.ErrorAs(t, err, &problems)
	return problems
}

// settingsOf returns the settings of a configuration that has nothing wrong.
func settingsOf(t *testing.T, config map[string]string) stacks.Settings {
	t.Helper()
	stack, err := stacks.New("kubetracing", "dev", config)
	require.NoError(t, err)
	return stack.Settings
}
