package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stats is what a node shows, shortened: a second k3s is younger, a shim has a name
// that begins as that of its runtime.
const stats = `1 (docker-init) S 0 1 1 0 -1 4194560 710 0 0 0 0 0 0 0 20 0 1 0 2367968 1044480 131 0
911 (k3s) S 60 38 6 6 -1 4194304 93 330 4 0 7 2 0 0 20 0 10 0 2999999 13260439552 106394 0
60 (k3s) D 38 6 1 0 -1 4194560 93512 330 4 0 383 43 5 20 20 0 10 0 2368012 13260439552 106394 0
226 (containerd) S 60 6 1 0 -1 4194560 8098 1585 5 5 20 14 0 1 20 0 9 0 2368282 1396875264 14173 0
230 (containerd-shim) S 60 6 1 0 -1 4194560 8098 1585 5 5 9000 9000 0 1 20 0 9 0 2368283 1396875264 14173 0
231 (a) (k3s) S 60 6 1 0 -1 4194560 8098 1585 5 5 9000 9000 0 1 20 0 9 0 1 1396875264 14173 0
`

func TestReadProcesses(t *testing.T) {
	t.Parallel()
	found, err := readProcesses(stats, "k3s", "containerd")
	require.NoError(t, err)
	assert.Equal(t, map[string]process{
		"k3s":        {identity: "60/2368012", cpu: 4.26, started: 2368012},
		"containerd": {identity: "226/2368282", cpu: 0.34, started: 2368282},
	}, found)
}

func TestReadProcesses_Errors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, err string }{
		"another runtime":   {stats, `there is no process "crio"`},
		"nothing":           {"", `there is no process "crio"`},
		"a line cut short":  {"7 (crio) S 0 1 2\n", `"7 (crio) S 0 1 2\n" is no line of /proc/PID/stat`},
		"a field of no sum": {"7 (crio) S 0 1 1 0 -1 0 0 0 0 0 x 0 0 0 20 0 1 0 9 0", `is no line of /proc/PID/stat: strconv.ParseUint: parsing "x": invalid syntax`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readProcesses(test.text, "crio")
			assert.ErrorContains(t, err, test.err)
		})
	}
}

// served is what a Collector serves, shortened.
const served = `# HELP otelcol_process_cpu_seconds Total CPU user and system time in seconds [Alpha]
# TYPE otelcol_process_cpu_seconds counter
otelcol_process_cpu_seconds 0.07
# TYPE otelcol_process_memory_rss gauge
otelcol_process_memory_rss 4.786176e+07
# TYPE otelcol_receiver_accepted_spans counter
otelcol_receiver_accepted_spans{receiver="otlp",transport="grpc"} 2889
otelcol_receiver_accepted_spans{receiver="otlp",transport="http"} 21
# TYPE otelcol_receiver_refused_spans counter
otelcol_receiver_refused_spans{receiver="otlp",transport="grpc"} 3
# TYPE otelcol_exporter_enqueue_failed_spans counter
otelcol_exporter_enqueue_failed_spans{exporter="otlp_grpc/jaeger"} 4
# TYPE otelcol_exporter_send_failed_spans counter
otelcol_exporter_send_failed_spans{exporter="otlp_grpc/jaeger"} 5
`

func TestParseMetrics(t *testing.T) {
	t.Parallel()
	found, err := parseMetrics(served)
	require.NoError(t, err)
	assert.Equal(t, metrics{cpu: 0.07, memory: 47861760, spans: 2910, refused: 3, lost: 9}, found)

	found, err = parseMetrics("otelcol_process_cpu_seconds_total 2\notelcol_process_memory_rss_bytes 3\notelcol_receiver_accepted_spans_total{receiver=\"otlp\"} 4\n")
	require.NoError(t, err, "with suffixes, and without types")
	assert.Equal(t, metrics{cpu: 2, memory: 3, spans: 4}, found)

	_, err = parseMetrics("otelcol_process_cpu_seconds_total 2\n")
	require.EqualError(t, err, "read metrics: there is no otelcol_process_memory_rss")
	_, err = parseMetrics("<html>")
	require.ErrorContains(t, err, "read metrics: ")
}

func TestReading_Since(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	taken := func(seconds int, cpu float64, process string) reading {
		return reading{
			at: at.Add(time.Duration(seconds) * time.Second), cpu: map[string]float64{"k3s": cpu, "jaeger": cpu / 2},
			processes: map[string]string{"k3s in node": process}, spans: 100 * cpu, refused: cpu, lost: 2 * cpu,
		}
	}
	used, err := taken(10, 5, "60/1").since(taken(0, 1, "60/1"))
	require.NoError(t, err)
	assert.Equal(t, use{took: 10 * time.Second, cpu: map[string]float64{"k3s": 4, "jaeger": 2}, spans: 400, refused: 4, lost: 8}, used)

	_, err = taken(10, 5, "70/9").since(taken(0, 1, "60/1"))
	require.EqualError(t, err, "k3s in node was started again while it was measured")
	_, err = taken(10, 1, "60/1").since(taken(0, 2, "60/1"))
	require.EqualError(t, err, "jaeger was started again while it was measured")
}

func TestUse_Beyond(t *testing.T) {
	t.Parallel()
	rest := use{took: 10 * time.Second, cpu: map[string]float64{"k3s": 1, "jaeger": 0.5}, spans: 100}
	busy := use{took: 20 * time.Second, cpu: map[string]float64{"k3s": 4, "jaeger": 1}, spans: 1200, lost: 10}
	assert.Equal(t, use{took: 2 * time.Second, cpu: map[string]float64{"k3s": 0.2, "jaeger": 0}, spans: 100, lost: 1}, busy.beyond(rest, 10))
}

func TestNewMeter(t *testing.T) {
	t.Parallel()
	stack := openTestStack(t, map[string]string{"kubetracing:cluster": `{"servers": 1, "agents": 1}`})
	m, err := newMeter(stack)
	require.NoError(t, err)
	assert.Equal(t, []string{"k3d-kubetracing-bench-server-0", "k3d-kubetracing-bench-agent-0"}, m.nodes)
	assert.Equal(t, "containerd", m.runtime)
	assert.Equal(t, "kubetracing-bench-jaeger", m.jaeger)

	_, err = newMeter(openTestStack(t, map[string]string{"kubetracing:collector": `{"enabled": false}`}))
	require.ErrorContains(t, err, "it must have a Collector, which counts the spans")
}
