package components_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

var ownerLabels = []any{map[string]any{"label": testOwner.Label, "value": testOwner.Value}}

func TestTheNetworkIsABridgeOfOurs(t *testing.T) {
	t.Parallel()
	network := newEverything(t).record(t).one(t, tokenNetwork, "network-bridge")
	assert.Equal(t, "traced", network.input("name"))
	assert.Equal(t, "bridge", network.input("driver"))
	assert.Equal(t, ownerLabels, network.input("labels"))
	assert.Equal(t, []any{map[string]any{
		"subnet": "10.112.4.0/22", "gateway": "10.112.4.1", "ipRange": "10.112.6.0/23",
	}}, network.input("ipamConfigs"), "with a range of its own, containers can have fixed addresses")
	assertChildOf(t, network, "Network", "network")
	assert.True(t, network.RegisterRPC.GetDeleteBeforeReplace(), "its name is fixed")
}

func TestJaegersContainer(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	stack.uiPort = 26686
	container := stack.record(t).one(t, tokenContainer, "jaeger-container")
	config, err := tracing.RenderJaeger(stack.jaeger)
	require.NoError(t, err)

	assert.Equal(t, map[string]any{
		"name":                "traced-jaeger",
		"image":               testJaegerImage,
		"command":             []any{"--config", "/etc/jaeger/config.yaml"},
		"restart":             "unless-stopped",
		"destroyGraceSeconds": 10.0,
		"envs":                []any{"OTEL_TRACES_SAMPLER=always_off"},
		"labels":              ownerLabels,
		"uploads": []any{map[string]any{
			"file": "/etc/jaeger/config.yaml", "content": config, "permissions": "0644",
		}},
		"networkMode":      "bridge",
		"networksAdvanced": []any{map[string]any{"name": "traced", "aliases": []any{"jaeger"}, "ipv4Address": "10.112.4.2"}},
		"ports": []any{map[string]any{
			"ip": "127.0.0.1", "external": 26686.0, "internal": 16686.0, "protocol": "tcp",
		}},
		"healthcheck": map[string]any{
			"tests":    []any{"CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:13133/status"},
			"interval": "1s", "timeout": "3s", "retries": 120.0,
		},
	}, container.Inputs.MapRepl(nil, nil))
	assertChildOf(t, container, "Jaeger", "jaeger")
}

func TestTheCollectorsContainer(t *testing.T) {
	t.Parallel()
	container := newEverything(t).record(t).one(t, tokenContainer, "collector-container")
	config, err := tracing.RenderCollector(tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax})
	require.NoError(t, err)

	inputs := container.Inputs.MapRepl(nil, nil)
	assert.Empty(t, inputs["ports"], "OTLP stays on the Docker network unless asked")
	delete(inputs, "ports")
	assert.Equal(t, map[string]any{
		"name":                "traced-collector",
		"image":               testCollectorImage,
		"command":             []any{"--config", "/etc/otelcol/config.yaml"},
		"restart":             "unless-stopped",
		"destroyGraceSeconds": 10.0,
		"labels":              ownerLabels,
		"envs":                []any{"GOMEMLIMIT=320MiB", "GOGC=400"},
		"uploads": []any{map[string]any{
			"file": "/etc/otelcol/config.yaml", "content": config, "permissions": "0644",
		}},
		"networkMode":      "bridge",
		"networksAdvanced": []any{map[string]any{"name": "traced", "aliases": []any{"otel-collector"}, "ipv4Address": "10.112.4.3"}},
	}, inputs)
	assertChildOf(t, container, "Collector", "collector")
	assert.Contains(t, container.dependencies(), "jaeger-healthy", "what it has left goes to Jaeger when it is destroyed")
}

func TestTheCollectorPublishesOnlyWhatIsAskedForAndOnlyLocally(t *testing.T) {
	t.Parallel()
	grpc, http := 24317, 24318
	published := func(external, internal float64) any {
		return map[string]any{"ip": "127.0.0.1", "external": external, "internal": internal, "protocol": "tcp"}
	}
	tests := map[string]struct {
		grpc, http *int
		want       []any
	}{
		"OTLP over gRPC alone": {grpc: &grpc, want: []any{published(24317, 4317)}},
		"OTLP over HTTP alone": {http: &http, want: []any{published(24318, 4318)}},
		"both":                 {grpc: &grpc, http: &http, want: []any{published(24317, 4317), published(24318, 4318)}},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			stack := newEverything(t)
			stack.otlpGRPCPort, stack.otlpHTTPPort = test.grpc, test.http
			assert.Equal(t, test.want, stack.record(t).one(t, tokenContainer, "collector-container").input("ports"))
		})
	}
}

func TestAContainerIsReplacedInPlaceOfItself(t *testing.T) {
	t.Parallel()
	recorded := newEverything(t).record(t)
	for _, name := range []string{"jaeger", "collector"} {
		container := recorded.one(t, tokenContainer, name+"-container")
		assert.True(t, container.RegisterRPC.GetDeleteBeforeReplace(), "%s: name and ports are fixed", name)
		assert.Equal(t, []string{"healthcheck"}, container.RegisterRPC.GetReplaceOnChanges(), name)
		assert.Contains(t, container.dependencies(), name+"-image")
	}
}

func TestAContainersImageStaysWhenTheStackGoes(t *testing.T) {
	t.Parallel()
	recorded := newEverything(t).record(t)
	for name, reference := range map[string]string{"jaeger": testJaegerImage, "collector": testCollectorImage} {
		image := recorded.one(t, tokenRemoteImage, name+"-image")
		assert.Equal(t, map[string]any{"name": reference, "keepLocally": true}, image.Inputs.MapRepl(nil, nil))
		// The same text on both, so that a preview shows the container's replacement.
		assert.Equal(t, image.input("name"), recorded.one(t, tokenContainer, name+"-container").input("image"))
	}
}

func TestEveryNewContainerIsWaitedFor(t *testing.T) {
	t.Parallel()
	everything := newEverything(t).record(t)
	tests := map[string]struct {
		recorded    *recorder
		environment map[string]string
		component   string
	}{
		"jaeger": {everything, map[string]string{"CONTAINER": "traced-jaeger", "NAME": "Jaeger", "TIMEOUT_SECONDS": "120"}, "Jaeger"},
		"collector": {everything, map[string]string{
			"CONTAINER": "traced-collector", "NAME": "the Collector", "TIMEOUT_SECONDS": "120",
			"HEALTH_URL": "http://otel-collector:13133/", "PROBE": "traced-jaeger",
		}, "Collector"},
		"server": {recordSearchServer(t, tracing.StorageOpenSearch), map[string]string{
			"CONTAINER": "traced-server", "NAME": "OpenSearch", "TIMEOUT_SECONDS": "300",
		}, "SearchServer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			healthy := test.recorded.one(t, tokenCommand, name+"-healthy")
			test.environment["CONTAINER_ID"] = name + "-container-id"
			assert.Equal(t, test.environment, healthy.environment(t))
			assert.Equal(t, healthy.text(t, "create"), healthy.input("update"), "a changed environment is an update")
			assert.Nil(t, healthy.input("triggers"))
			assert.Equal(t, "stderr", healthy.input("logging"))
			assertChildOf(t, healthy, test.component, name)
		})
	}
	assert.Contains(t, everything.one(t, tokenCommand, "collector-healthy").dependencies(), "jaeger-healthy",
		"the probe runs in Jaeger's container")
}

func TestBadgerKeepsTracesOnAVolumeThatJaegersUserCanWrite(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	stack.jaeger = tracing.JaegerSpec{Storage: tracing.StorageBadger, Retention: "48h0m0s"}
	recorded := stack.record(t)
	assertDataVolume(t, recorded, "jaeger", "Jaeger", "/badger")
	inputs := recorded.one(t, componentPrefix+"Jaeger", "jaeger")
	assert.Equal(t, "badger", inputs.input("storage"), "what a preview shows")
	assert.Equal(t, "48h0m0s", inputs.input("retention"), "what a preview shows")
}

func TestAQueueOnDiskIsAVolumeThatTheCollectorsUserCanWrite(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	stack.collector.DiskQueue = true
	recorded := stack.record(t)
	assertDataVolume(t, recorded, "collector", "Collector", "/var/lib/otelcol")
	assert.Equal(t, "disk", recorded.one(t, componentPrefix+"Collector", "collector").input("queue"), "what a preview shows")
}

// assertDataVolume asserts that a component's container keeps its data on a volume
// of the stack.
func assertDataVolume(t *testing.T, recorded *recorder, name, component, path string) {
	t.Helper()
	assertDataVolumeOf(t, recorded, name, component, path, "10001")
}

func assertDataVolumeOf(t *testing.T, recorded *recorder, name, component, path, user string) {
	t.Helper()
	volume := recorded.one(t, tokenVolume, name+"-volume")
	assert.Equal(t, "traced-"+name, volume.input("name"))
	assert.Equal(t, ownerLabels, volume.input("labels"), "destroy finds it, and so does whoever looks for leftovers")
	assert.True(t, volume.RegisterRPC.GetDeleteBeforeReplace(), "its name is fixed")
	assertChildOf(t, volume, component, name)

	owner := recorded.one(t, tokenCommand, name+"-volume-owner")
	assert.Equal(t, map[string]string{"VOLUME": "traced-" + name, "IMAGE": "busybox:1.37.0", "OWNER": user}, owner.environment(t))
	assert.Equal(t, []any{name + "-volume-id"}, owner.input("triggers"), "a new volume has to be given away again")
	assertChildOf(t, owner, component, name)

	container := recorded.one(t, tokenContainer, name+"-container")
	assert.Equal(t, []any{map[string]any{"volumeName": "traced-" + name, "containerPath": path}}, container.input("volumes"))
	assert.Contains(t, container.dependencies(), name+"-volume-owner")
}

func TestWithoutDataThereIsNoVolume(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{"node-config-volume"}, newEverything(t).record(t).names(tokenVolume))
}

func TestHeadersReachTheCollectorAsSecretsOnly(t *testing.T) {
	t.Parallel()
	const secret = "Bearer hunter2"
	stack := newEverything(t)
	exporter := tracing.OTLPExporter{
		Name: "vendor", Endpoint: "otlp.test:4317", Protocol: "grpc", Headers: []string{"Authorization"},
	}
	stack.collector.Exporters = []tracing.OTLPExporter{exporter}
	stack.secrets = map[string]string{exporter.HeaderVariable("Authorization"): secret}
	recorded := stack.record(t)

	container := recorded.one(t, tokenContainer, "collector-container")
	environment := container.Inputs["envs"]
	assert.True(t, environment.ContainsSecrets())
	assert.Contains(t, fmt.Sprint(environment), "OTLP_HEADER_VENDOR__AUTHORIZATION="+secret)
	assert.Contains(t, fmt.Sprint(container.Inputs["uploads"]), "${env:OTLP_HEADER_VENDOR__AUTHORIZATION}")
	for _, args := range recorded.got {
		inputs := args.Inputs.Copy()
		delete(inputs, "envs")
		assert.NotContains(t, fmt.Sprint(inputs), "hunter2", args.Name)
	}
}
