package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRun_Arguments(t *testing.T) {
	t.Parallel()
	require.EqualError(t, run(nil), "name a benchmark: churn, cost, follow, lifecycle, pipeline, scale, timeline")
	require.EqualError(t, run([]string{"speed"}), `there is no benchmark "speed": name one of churn, cost, follow, lifecycle, pipeline, scale, timeline`)
	require.EqualError(t, run([]string{"scale", "more"}), `unexpected argument "more"`)
	require.EqualError(t, run([]string{"scale", "-more"}), "scale: flag provided but not defined: -more")
}

func TestRun_Rates(t *testing.T) {
	t.Parallel()
	for value, rule := range map[string]string{
		"":               "must be different rates from 0 to 1000000, separated by commas",
		"0,half":         "must be different rates from 0 to 1000000, separated by commas",
		"0,1000001":      "must be different rates from 0 to 1000000, separated by commas",
		"-1,1000000":     "must be different rates from 0 to 1000000, separated by commas",
		"0,1000000,0":    "must be different rates from 0 to 1000000, separated by commas",
		"10000,1000000":  "must have 0, with which the others are compared, and 1000000",
		"0,10000,100000": "must have 0, with which the others are compared, and 1000000",
	} {
		require.EqualError(t, run([]string{"cost", "-rates", value}), `cost: invalid value "`+value+`" for flag -rates: `+rule)
	}
	var rates ratesOf
	require.NoError(t, rates.Set("1000000,0"))
	assert.Equal(t, ratesOf{1_000_000, 0}, rates)
	assert.Equal(t, "1000000,0", rates.String())
}

func TestRun_NothingToMeasure(t *testing.T) {
	t.Parallel()
	for benchmark, counts := range map[string][]string{
		"churn":     {"runs", "pods", "at-once"},
		"cost":      {"rounds", "max-rounds", "requests", "pods"},
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
