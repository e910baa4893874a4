package conformance

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// collectorSpecs are the variants of a Collector's configuration.
var collectorSpecs = map[string]tracing.CollectorSpec{
	"everything passed on":   {SamplingRate: tracing.SamplingRateMax},
	"nothing passed on":      {SamplingRate: 0},
	"one trace in a million": {SamplingRate: 1},
	"debug exporter":         {SamplingRate: tracing.SamplingRateMax, Debug: true},
	"extra exporters": {SamplingRate: tracing.SamplingRateMax, Exporters: []tracing.OTLPExporter{
		{Name: "plain", Endpoint: "collector.example:4317", Protocol: "grpc", Insecure: true},
		{Name: "secured", Endpoint: "collector.example:4317", Protocol: "grpc"},
		{Name: "web", Endpoint: "https://collector.example:4318", Protocol: "http"},
		{Name: "headers", Endpoint: "collector.example:4317", Protocol: "grpc", Headers: []string{"authorization", "x-tenant"}},
	}},
	"conmon-rs":      {SamplingRate: tracing.SamplingRateMax, ConmonRs: true},
	"queues on disk": {SamplingRate: tracing.SamplingRateMax, DiskQueue: true},
	"tail sampling":  {TailSampling: &tracing.TailSampling{SlowMilliseconds: 500, Rate: 100_000, Wait: "10s"}},
	"tail sampling that keeps errors and slow traces only": {
		TailSampling: &tracing.TailSampling{SlowMilliseconds: 1, Rate: 0, Wait: "1s"},
	},
	"all features": {
		TailSampling: &tracing.TailSampling{SlowMilliseconds: 500, Rate: 1, Wait: "5m0s"}, DiskQueue: true, Debug: true,
		Exporters: []tracing.OTLPExporter{{Name: "web", Endpoint: "https://collector.example", Protocol: "http"}},
	},
}

func TestCollector_Accepts(t *testing.T) {
	results := newTable("Collector")
	defer func() { t.Log("\n" + results.String()) }()
	for _, name := range slices.Sorted(maps.Keys(collectorSpecs)) {
		results.check(t, name, "configuration", collectorReader, func(t *testing.T) {
			config, err := tracing.RenderCollector(collectorSpecs[name])
			require.NoError(t, err)
			_, err = collectorReader.read(t, config)
			require.NoError(t, err)
		})
	}
}
