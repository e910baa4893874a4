package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"
)

func addPairs(t *testing.T, measured *results, manual, ours []time.Duration) {
	t.Helper()
	for i := range manual {
		require.NoError(t, measured.add("Lifecycle/step=up/way=manual", seconds(manual[i])))
		require.NoError(t, measured.add("Lifecycle/step=up/way=kubetracing", seconds(ours[i])))
	}
}

func reported(t *testing.T, measured *results) []string {
	t.Helper()
	var text strings.Builder
	require.NoError(t, measured.report(&text))
	return strings.Split(strings.TrimSpace(text.String()), "\n")
}

func TestResults_Report(t *testing.T) {
	t.Parallel()
	measured, err := openResults(filepath.Join(t.TempDir(), "results.txt"), io.Discard)
	require.NoError(t, err)
	// The ratios of the pairs are 0.5, 2 and 1; that of the medians is 1.5.
	addPairs(t, measured, []time.Duration{20 * time.Second, 10 * time.Second, 40 * time.Second},
		[]time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second})
	require.NoError(t, measured.add("Lifecycle/step=plan/way=kubetracing", seconds(200*time.Millisecond)))

	assert.Equal(t, []string{
		"medians; in brackets their 95 % intervals or, of fewer than 6 rounds, the lowest and the highest",
		"",
		"benchmark                            unit  rounds  median                   ratio              difference             same",
		"Lifecycle/step=up/way=manual         sec   3       20.00 [10.00, 40.00]",
		"Lifecycle/step=up/way=kubetracing    sec   3       20.00 [10.00, 40.00]     1.00 [0.50, 2.00]  0.000 [-10.00, 10.00]  p=1.000",
		"Lifecycle/step=plan/way=kubetracing  sec   1       200.0m [200.0m, 200.0m]",
	}, trimmed(reported(t, measured)))
}

func trimmed(lines []string) []string {
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return lines
}

func TestResults_Interval(t *testing.T) {
	t.Parallel()
	measured, err := openResults("", io.Discard)
	require.NoError(t, err)
	for _, value := range []float64{9, 1, 2, 3, 4, 5, 6, 7, 8} {
		require.NoError(t, measured.add("Scale/nodes=1", benchfmt.Value{Value: value, Unit: "files"}))
	}
	assert.Contains(t, strings.Join(reported(t, measured), "\n"), " 9       5.000 [2.000, 8.000]",
		"the interval leaves out the extremes")
}

func TestResults_EarlierRunsCount(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "results.txt")
	for range 2 {
		measured, err := openResults(path, io.Discard)
		require.NoError(t, err)
		addPairs(t, measured, []time.Duration{time.Second}, []time.Duration{2 * time.Second})
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(text), "\nBenchmarkLifecycle/step=up/way=kubetracing 1 2 sec\n")

	measured, err := openResults(path, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, 2, measured.count("Lifecycle/step=up/way=manual"))
	assert.Zero(t, measured.count("Lifecycle/step=down/way=manual"))
	assert.Contains(t, strings.Join(reported(t, measured), "\n"), "2.00 [2.00, 2.00]")
}

func TestResults_NoRatioToNothing(t *testing.T) {
	t.Parallel()
	for _, base := range []float64{0, -0.1} {
		measured, err := openResults("", io.Discard)
		require.NoError(t, err)
		require.NoError(t, measured.add("Pipeline/variant=article", benchfmt.Value{Value: base, Unit: "lost-traces"}))
		require.NoError(t, measured.add("Pipeline/variant=memory", benchfmt.Value{Value: 1, Unit: "lost-traces"}))
		memory := series{"Pipeline/variant=memory", "lost-traces"}
		assert.Empty(t, measured.ratios(memory))
		assert.Equal(t, []float64{1 - base}, measured.differences(memory))
		assert.Empty(t, measured.differences(series{"Pipeline/variant=article", "lost-traces"}), "the base is not compared with itself")
	}
}

func TestResults_Notes(t *testing.T) {
	t.Parallel()
	measured, err := openResults("", io.Discard)
	require.NoError(t, err)
	require.NoError(t, measured.add("Scale/nodes=1", benchfmt.Value{Value: 1, Unit: "files"}))
	measured.note("One file.")
	lines := reported(t, measured)
	assert.Equal(t, []string{"", "One file."}, lines[len(lines)-2:])
}
