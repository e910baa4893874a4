package stacks_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

// certificate is a valid certificate in PEM.
func certificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

// exporter is a configuration with one exporter.
func exporter(t *testing.T, values map[string]any) map[string]string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"exporters": []any{values}})
	require.NoError(t, err)
	return section("collector", string(text))
}

func TestStorageAndQueues_Mistakes(t *testing.T) {
	t.Parallel()

	const core = "mirror.test/otel/opentelemetry-collector:0.161.0"
	ruleContrib := "must be a contrib distribution: the core one has neither queues on disk nor tail sampling"
	tests := map[string]struct {
		config map[string]string
		want   []stacks.Problem
	}{
		"a retention of seconds": {
			config: section("jaeger", `{"storage": "badger", "retention": "30s"}`),
			want:   []stacks.Problem{{"kubetracing:jaeger.retention", "30s", "must be at least 10m0s"}},
		},
		"a retention in days, which Go does not know": {
			config: section("jaeger", `{"retention": "3d"}`),
			want:   []stacks.Problem{{"kubetracing:jaeger.retention", "3d", "must be a duration, such as 120s"}},
		},
		"no trace in memory": {
			config: section("jaeger", `{"maxTraces": 0}`),
			want:   []stacks.Problem{{"kubetracing:jaeger.maxTraces", "0", "must be from 1 to 10000000"}},
		},
		"more traces in memory than there is memory": {
			config: section("jaeger", `{"maxTraces": 10000001}`),
			want:   []stacks.Problem{{"kubetracing:jaeger.maxTraces", "10000001", "must be from 1 to 10000000"}},
		},
		"an unknown place for queues": {
			config: section("collector", `{"queue": "kafka"}`),
			want:   []stacks.Problem{{"kubetracing:collector.queue", "kafka", "must be one of: memory, disk"}},
		},
		"queues on disk with the core distribution": {
			config: section("collector", `{"queue": "disk", "image": "`+core+`"}`),
			want:   []stacks.Problem{{"kubetracing:collector.image", core, ruleContrib}},
		},
		"queues that follow Jaeger's storage with the core distribution": {
			config: merged(section("jaeger", `{"storage": "badger"}`), section("collector", `{"image": "`+core+`"}`)),
			want:   []stacks.Problem{{"kubetracing:collector.image", core, ruleContrib}},
		},
		"tail sampling with the core distribution": {
			config: section("collector", `{"tailSampling": {}, "image": "`+core+`"}`),
			want:   []stacks.Problem{{"kubetracing:collector.image", core, ruleContrib}},
		},
		"tail sampling behind another sampler": {
			config: merged(section("collector", `{"tailSampling": {}}`), section("sampling", `{"collector": 999999}`)),
			want: []stacks.Problem{{
				"kubetracing:sampling.collector", "999999", "must be 1000000 with collector.tailSampling, which chooses instead",
			}},
		},
		"tail sampling out of every range": {
			config: section("collector", `{"tailSampling": {"slowerThan": "1us", "ratePerMillion": 1000001, "wait": "6m"}}`),
			want: []stacks.Problem{
				{"kubetracing:collector.tailSampling.ratePerMillion", "1000001", ruleRate},
				{"kubetracing:collector.tailSampling.slowerThan", "1µs", "must be at least 1ms"},
				{"kubetracing:collector.tailSampling.wait", "6m0s", "must be from 1s to 5m0s"},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, problemsOf(t, test.config))
		})
	}
}

func TestExporter_TLSAndHeaders(t *testing.T) {
	t.Parallel()

	with := func(values map[string]any) map[string]string {
		all := map[string]any{"name": "tempo", "protocol": "grpc", "endpoint": "tempo:4317"}
		maps.Copy(all, values)
		return exporter(t, all)
	}
	key := "kubetracing:collector.exporters[0]."
	tests := map[string]struct {
		values map[string]any
		want   []stacks.Problem
	}{
		"a path instead of certificates": {
			values: map[string]any{"ca": "/etc/ssl/ca.pem"},
			want:   []stacks.Problem{{Field: key + "ca", Rule: "must be certificates in PEM: PEM block 1 is malformed"}},
		},
		"a private key instead of certificates": {
			values: map[string]any{"ca": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("key")}))},
			want:   []stacks.Problem{{Field: key + "ca", Rule: "must be certificates in PEM: PEM block 1 is a PRIVATE KEY"}},
		},
		"certificates without TLS": {
			values: map[string]any{"ca": certificate(t), "insecure": true},
			want:   []stacks.Problem{{Field: key + "ca", Rule: "is only valid with TLS, which is off"}},
		},
		"certificates for plain HTTP": {
			values: map[string]any{"ca": certificate(t), "protocol": "http", "endpoint": "http://tempo:4318"},
			want:   []stacks.Problem{{Field: key + "ca", Rule: "is only valid with TLS, which is off"}},
		},
		"an invalid header name": {
			values: map[string]any{"headers": map[string]any{"x tenant": "one"}},
			want:   []stacks.Problem{{Field: key + "headers.x tenant", Rule: "must have a name of letters, digits and '-'"}},
		},
		"one header in two cases": {
			values: map[string]any{"headers": map[string]any{"Authorization": "one", "authorization": "two"}},
			want:   []stacks.Problem{{Field: key + "headers.authorization", Rule: "is given twice: header names ignore case"}},
		},
		"an empty header": {
			values: map[string]any{"headers": map[string]any{"authorization": ""}},
			want:   []stacks.Problem{{Field: key + "headers.authorization", Rule: "must not be empty"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, problemsOf(t, with(test.values)))
		})
	}
	_, err := stacks.New("kubetracing", "dev", with(map[string]any{
		"ca": certificate(t), "headers": map[string]any{"authorization": "Bearer: {one}"},
	}))
	require.NoError(t, err)
}

// Whatever is wrong with a secret, the report does not show it.
func TestHeaders_MistakesHideValues(t *testing.T) {
	t.Parallel()

	tests := map[string]any{
		"expanded": map[string]any{"authorization": "hunter2$"},
		"lines":    map[string]any{"authorization": "hunter2\nmore"},
		"a list":   map[string]any{"authorization": []any{"hunter2"}},
		"an object in its place": map[string]any{
			"authorization": map[string]any{"secret": "hunter2"},
		},
		"a text in place of the headers": "authorization: hunter2",
	}
	for name, headers := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := stacks.New("kubetracing", "dev", exporter(t, map[string]any{
				"name": "tempo", "protocol": "grpc", "endpoint": "tempo:4317", "headers": headers,
			}))
			require.ErrorContains(t, err, "headers")
			assert.NotContains(t, err.Error(), "hunter2", "the report shows the secret")
		})
	}
}

func TestSecret_Format(t *testing.T) {
	t.Parallel()
	secret := stacks.Secret("hunter2")
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q", "%x"} {
		assert.NotContains(t, fmt.Sprintf(verb, struct{ S stacks.Secret }{secret}), "hunter2", verb)
	}
}

func TestSettings_CollectorImage(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		config map[string]string
		disk   bool
		want   string
	}{
		"the default": {config: nil, want: stacks.CoreCollectorImage},
		"queues follow Jaeger's storage to the disk": {
			config: section("jaeger", `{"storage": "badger"}`), disk: true, want: stacks.ContribCollectorImage,
		},
		"queues in memory in spite of Jaeger's storage": {
			config: merged(section("jaeger", `{"storage": "badger"}`), section("collector", `{"queue": "memory"}`)),
			want:   stacks.CoreCollectorImage,
		},
		"queues on disk in spite of Jaeger's memory": {
			config: section("collector", `{"queue": "disk"}`), disk: true, want: stacks.ContribCollectorImage,
		},
		"tail sampling": {
			config: section("collector", `{"tailSampling": {}}`), want: stacks.ContribCollectorImage,
		},
		"a custom image": {
			config: section("collector", `{"queue": "disk", "image": "mirror.test/collector:1"}`), disk: true,
			want: "mirror.test/collector:1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := settingsOf(t, test.config)
			assert.Equal(t, test.want, settings.CollectorImage())
			assert.Equal(t, test.disk, settings.DiskQueue())
		})
	}
}

func TestTailSampling_Defaults(t *testing.T) {
	t.Parallel()

	stack, err := stacks.New("kubetracing", "dev", section("collector", `{"tailSampling": {"ratePerMillion": 0}}`))
	require.NoError(t, err)
	tail := stack.CollectorSpec().TailSampling
	require.NotNil(t, tail)
	assert.Equal(t, int64(500), tail.SlowMilliseconds)
	assert.Equal(t, "10s", tail.Wait)
	assert.Equal(t, 0, tail.Rate, "0 can be chosen")
	assert.Equal(t, 0, stack.Settings.CollectorRate())
}

func TestStack_CollectorSecrets(t *testing.T) {
	t.Parallel()

	stack, err := stacks.New("kubetracing", "dev", exporter(t, map[string]any{
		"name": "vendor", "protocol": "grpc", "endpoint": "otlp.test:4317",
		"headers": map[string]any{"authorization": "Bearer hunter2"},
	}))
	require.NoError(t, err)
	assert.Equal(t, []string{"authorization"}, stack.CollectorSpec().Exporters[0].Headers)
	assert.Equal(t, map[string]string{"OTLP_HEADER_VENDOR__AUTHORIZATION": "Bearer hunter2"}, stack.CollectorSecrets())
}
