package tracing

// TailSampling selects whole traces after their end: all with an error, all slow ones
// and a share of the rest. It needs the contrib
// distribution.
type TailSampling struct {
	// SlowMilliseconds is the shortest duration of a slow trace.
	SlowMilliseconds int64
	// Rate is the share of the other traces that is kept, per million.
	Rate int
	// Wait is how long the Collector waits for a trace's spans before it decides, as
	// 10s. Until then they are in memory only.
	Wait string
}

// tailSamplingTraces bounds how many undecided traces are held at once.
const tailSamplingTraces = 50_000

// Source: opentelemetry-collector-contrib processor/tailsamplingprocessor README.
type tailSampling struct {
	DecisionWait string `json:"decision_wait"`
	NumTraces    int    `json:"num_traces"`
	Policies     []any  `json:"policies"`
}

// processor returns the policies; a trace is kept if any of them selects it.
func (t TailSampling) processor() tailSampling {
	return tailSampling{
		DecisionWait: t.Wait,
		NumTraces:    tailSamplingTraces,
		Policies: []any{
			map[string]any{
				"name": "errors", "type": "status_code", "status_code": map[string]any{"status_codes": []string{"ERROR"}},
			},
			map[string]any{
				"name": "slow", "type": "latency", "latency": map[string]any{"threshold_ms": t.SlowMilliseconds},
			},
			map[string]any{
				"name": "share", "type": "probabilistic",
				"probabilistic": map[string]any{"sampling_percentage": percentage(t.Rate)},
			},
		},
	}
}
