package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRun_Arguments(t *testing.T) {
	t.Parallel()
	require.EqualError(t, run(nil), "name a benchmark: cost, follow, lifecycle, pipeline, scale, timeline")
	require.EqualError(t, run([]string{"speed"}), `there is no benchmark "speed": name one of cost, follow, lifecycle, pipeline, scale, timeline`)
	require.EqualError(t, run([]string{"scale", "more"}), `unexpected argument "more"`)
	require.EqualError(t, run([]string{"scale", "-more"}), "scale: flag provided but not defined: -more")
}

func TestRun_NothingToMeasure(t *testing.T) {
	t.Parallel()
	for benchmark, counts := range map[string][]string{
		"cost":      {"rounds", "requests", "pods"},
		"follow":    {"runs", "requests"},
		"lifecycle": {"runs"},
		"pipeline":  {"runs", "requests", "workers"},
		"scale":     {"runs"},
		"timeline":  {"runs", "traces"},
	} {
		for _, name := range counts {
			for _, value := range []string{"0", "-3", "1.5", "many"} {
				err := run([]string{benchmark, "-" + name, value})
				assert.EqualError(t, err, benchmark+`: invalid value "`+value+`" for flag -`+name+": must be a whole number, at least 1")
			}
		}
	}
}
