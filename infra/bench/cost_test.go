package main

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"
)

// measuredCosts are rounds in which the CPU time at 100 % is that at 0 % by factors.
func measuredCosts(t *testing.T, factors ...float64) *results {
	t.Helper()
	measured, err := openResults("", io.Discard)
	require.NoError(t, err)
	for _, quantity := range []string{"read", "write", "pod"} {
		for _, factor := range factors {
			require.NoError(t, measured.add(costName(quantity, 0), benchfmt.Value{Value: 0.5, Unit: "sec"},
				benchfmt.Value{Value: 2, Unit: "k3s-cpu-sec"}, benchfmt.Value{Value: 1, Unit: "jaeger-cpu-sec"}))
			require.NoError(t, measured.add(costName(quantity, 1_000_000), benchfmt.Value{Value: 0.5, Unit: "sec"},
				benchfmt.Value{Value: 2 * factor, Unit: "k3s-cpu-sec"}, benchfmt.Value{Value: 100 * factor, Unit: "jaeger-cpu-sec"}))
		}
	}
	return measured
}

func TestCost_Rounds(t *testing.T) {
	t.Parallel()
	precise := []float64{1.10, 1.11, 1.12, 1.13, 1.14, 1.15}
	imprecise := []float64{1.0, 1.11, 1.12, 1.13, 1.14, 1.3}
	c := costFlags{rounds: 6, maxRounds: 8}
	for name, test := range map[string]struct {
		factors []float64
		another bool
	}{
		"none yet":                      {nil, true},
		"too few, though precise":       {precise[:5], true},
		"enough":                        {precise, false},
		"enough, but not precise":       {imprecise, true},
		"not precise, but the most":     {append(imprecise, 1, 1.3), false},
		"more have become precise":      {append(precise, 1.12), false},
		"more than the most, from file": {append(imprecise, 1, 1.3, 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.another, c.another(measuredCosts(t, test.factors...), len(test.factors)))
		})
	}
}

func TestPrecisionReached(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "Every ratio at 100 % is known to within 5 %.", precisionReached(measuredCosts(t, 1.10, 1.11, 1.12, 1.13, 1.14, 1.15)))
	assert.Equal(t, "The ratios have no intervals: these take at least 6 rounds.", precisionReached(measuredCosts(t, 1.10, 1.11, 1.12, 1.13, 1.14)))
	assert.Equal(t, "Not known to within 5 % after 7 rounds, as the rounds differ by more than that: "+
		"Cost/quantity=pod/rate=1000000 k3s-cpu-sec (20 %), Cost/quantity=read/rate=1000000 k3s-cpu-sec (20 %), "+
		"Cost/quantity=write/rate=1000000 k3s-cpu-sec (20 %).", precisionReached(measuredCosts(t, 0.9, 0.9, 1.0, 1.0, 1.1, 1.2, 1.2)))
}

func TestMeter_Values(t *testing.T) {
	t.Parallel()
	m := &meter{runtime: "crio"}
	used := use{
		took: 2 * time.Second, spans: 10,
		cpu: map[string]float64{"k3s": 1, "crio": 2, "collector": 3, "jaeger": 4},
	}
	assert.Equal(t, []benchfmt.Value{
		{Value: 1, Unit: "k3s-cpu-sec"},
		{Value: 3, Unit: "collector-cpu-sec"},
		{Value: 4, Unit: "jaeger-cpu-sec"},
		{Value: 10, Unit: "spans"},
	}, m.each("write", used))
	assert.Equal(t, []benchfmt.Value{
		{Value: 1, Unit: "k3s-cpu-sec"},
		{Value: 2, Unit: "crio-cpu-sec"},
		{Value: 3, Unit: "collector-cpu-sec"},
		{Value: 4, Unit: "jaeger-cpu-sec"},
		{Value: 10, Unit: "spans"},
	}, m.each("pod", used))
	assert.Equal(t, []benchfmt.Value{
		{Value: 0.5, Unit: "k3s-cpus"},
		{Value: 1, Unit: "crio-cpus"},
		{Value: 1.5, Unit: "collector-cpus"},
		{Value: 2, Unit: "jaeger-cpus"},
		{Value: 5, Unit: "spans/sec"},
	}, m.perSecond(used))
}

func TestTimes(t *testing.T) {
	t.Parallel()
	var seen []int
	took, err := times(3, func(i int) error {
		seen = append(seen, i)
		return nil
	})
	require.NoError(t, err)
	assert.Len(t, took, 3)
	assert.Equal(t, []int{0, 1, 2}, seen)

	broken := errors.New("broken")
	_, err = times(3, func(int) error { return broken })
	require.ErrorIs(t, err, broken)
	assert.Equal(t, 2*time.Second, median([]time.Duration{9 * time.Second, time.Second, 2 * time.Second}))
}
