package backend_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/backend"
	"github.com/kubetracing/kubetracing/components/internal/enginetest"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

const (
	jaegerImage    = "jaegertracing/jaeger:2.20.0"
	collectorImage = "otel/opentelemetry-collector:0.161.0"
)

// program describes one of each component that receives spans.
type program struct {
	uiPort                     int
	jaeger                     tracing.JaegerSpec
	password                   string
	collector                  tracing.CollectorSpec
	secrets                    map[string]string
	otlpGRPCPort, otlpHTTPPort *int
}

func newProgram() program {
	return program{
		uiPort:    16686,
		jaeger:    tracing.JaegerSpec{Storage: tracing.StorageMemory, MaxTraces: 1000},
		collector: tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax},
	}
}

// compose creates the components; all names begin with prefix.
func (p program) compose(t *testing.T, ctx *pulumi.Context, prefix string) error {
	t.Helper()
	subnet := enginetest.Subnet(t)
	network, err := backend.NewNetwork(ctx, prefix+"network", backend.NetworkArgs{
		Name: "traced", Subnet: subnet, Owner: enginetest.Owner(),
	})
	if err != nil {
		return err
	}
	jaeger, err := backend.NewJaeger(ctx, prefix+"jaeger", backend.JaegerArgs{
		Program: enginetest.Program, ContainerName: "traced-jaeger", Image: jaegerImage, UIPort: p.uiPort,
		Spec: p.jaeger, Password: p.password, NetworkName: network.Name, Address: subnet.Jaeger(), Owner: enginetest.Owner(),
	})
	if err != nil {
		return err
	}
	_, err = backend.NewCollector(ctx, prefix+"collector", backend.CollectorArgs{
		Program: enginetest.Program, ContainerName: "traced-collector", Image: collectorImage,
		Pipeline: p.collector, Secrets: p.secrets, OTLPGRPCPort: p.otlpGRPCPort, OTLPHTTPPort: p.otlpHTTPPort,
		NetworkName: network.Name, Address: subnet.Collector(), JaegerContainer: "traced-jaeger", Jaeger: jaeger,
		Owner: enginetest.Owner(),
	})
	if err != nil {
		return err
	}
	server, err := backend.NewSearchServer(ctx, prefix+"server", searchServerArgs(tracing.StorageOpenSearch))
	if err != nil {
		return err
	}
	_, err = backend.NewIndexCleaner(ctx, prefix+"index-cleaner", indexCleanerArgs(searchedBy("admin", "http://opensearch:9200", ""), server.Healthy))
	return err
}

func (p program) record(t *testing.T) *enginetest.Recorder {
	t.Helper()
	return enginetest.Record(t, func(ctx *pulumi.Context) error { return p.compose(t, ctx, "") })
}

func TestComponents_TwoInstances(t *testing.T) {
	t.Parallel()
	recorded := enginetest.Record(t, func(ctx *pulumi.Context) error {
		return errors.Join(newProgram().compose(t, ctx, "one-"), newProgram().compose(t, ctx, "two-"))
	})
	recorded.AssertUnique(t)
	for _, kind := range []string{"Network", "Jaeger", "Collector", "SearchServer", "IndexCleaner"} {
		assert.Len(t, recorded.Names("kubetracing:components:"+kind), 2, kind)
	}
}

func TestComponents_Preview(t *testing.T) {
	t.Parallel()
	previewed := enginetest.Preview(t, func(ctx *pulumi.Context) error { return newProgram().compose(t, ctx, "") })
	assert.Equal(t, newProgram().record(t).URNs(), previewed.URNs(), "nothing is hidden by an unknown value")
	assert.Equal(t, "traced-jaeger", previewed.One(t, enginetest.Container, "jaeger-container").Input("name"))
}

func TestComponents_Inputs(t *testing.T) {
	t.Parallel()
	recorded := newProgram().record(t)
	for name, want := range map[string]map[string]any{
		"Network/network":     {"name": "traced", "subnet": "10.112.4.0/22"},
		"Jaeger/jaeger":       {"image": jaegerImage, "uiPort": 16686.0, "storage": "memory"},
		"Collector/collector": {"image": collectorImage, "samplingRatePerMillion": 1000000.0, "queue": "memory", "debug": false},
		"SearchServer/server": {"image": "registry.test/search:3", "heapMiB": 768.0},
		"IndexCleaner/index-cleaner": {
			"image": "registry.test/cleaner:2", "retentionDays": 3.0, "server": "http://opensearch:9200",
		},
	} {
		kind, component := split(name)
		assert.Equal(t, want, recorded.Component(t, kind, component).Plain(), name)
	}
}

// split returns the parts of "kind/name".
func split(name string) (kind, component string) {
	for i, letter := range name {
		if letter == '/' {
			return name[:i], name[i+1:]
		}
	}
	return "", name
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	network := newProgram().record(t).One(t, enginetest.Network, "network-bridge")
	assert.Equal(t, map[string]any{
		"name": "traced", "driver": "bridge", "labels": enginetest.Labels(),
		// With a range of its own, containers can have fixed addresses.
		"ipamConfigs": []any{map[string]any{"subnet": "10.112.4.0/22", "gateway": "10.112.4.1", "ipRange": "10.112.6.0/23"}},
	}, network.Plain())
	network.AssertChildOf(t, "Network", "network")
	assert.True(t, network.RegisterRPC.GetDeleteBeforeReplace(), "its name is fixed")
}

func TestJaeger_Container(t *testing.T) {
	t.Parallel()
	p := newProgram()
	p.uiPort = 26686
	p.jaeger.Version = "2.21.0"
	recorded := p.record(t)
	container := recorded.One(t, enginetest.Container, "jaeger-container")
	files, err := tracing.RenderJaegerFiles(p.jaeger)
	require.NoError(t, err)
	var uploads []any
	for _, file := range files {
		uploads = append(uploads, map[string]any{"file": file.Path, "content": file.Content, "permissions": "0644"})
	}
	assert.Equal(t, map[string]any{
		"name":                "traced-jaeger",
		"image":               jaegerImage,
		"command":             []any{"--config", "/etc/jaeger/config.yaml"},
		"restart":             "unless-stopped",
		"destroyGraceSeconds": 10.0,
		"envs":                []any{"OTEL_TRACES_SAMPLER=always_off"},
		"labels":              enginetest.Labels(),
		"uploads":             uploads,
		"networkMode":         "bridge",
		"networksAdvanced":    []any{map[string]any{"name": "traced", "aliases": []any{"jaeger"}, "ipv4Address": "10.112.4.2"}},
		"ports": []any{map[string]any{
			"ip": "127.0.0.1", "external": 26686.0, "internal": 16686.0, "protocol": "tcp",
		}},
		"healthcheck": map[string]any{
			"tests":    []any{"CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:13133/status"},
			"interval": "1s", "timeout": "3s", "retries": 120.0,
		},
	}, container.Plain())
	container.AssertChildOf(t, "Jaeger", "jaeger")
}

func TestCollector_Container(t *testing.T) {
	t.Parallel()
	container := newProgram().record(t).One(t, enginetest.Container, "collector-container")
	config, err := tracing.RenderCollector(tracing.CollectorSpec{SamplingRate: tracing.SamplingRateMax})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{
		"name":                "traced-collector",
		"image":               collectorImage,
		"command":             []any{"--config", "/etc/otelcol/config.yaml"},
		"restart":             "unless-stopped",
		"destroyGraceSeconds": 10.0,
		"labels":              enginetest.Labels(),
		"envs":                []any{"GOMEMLIMIT=320MiB", "GOGC=400"},
		"uploads": []any{map[string]any{
			"file": "/etc/otelcol/config.yaml", "content": config, "permissions": "0644",
		}},
		"hosts":            []any{map[string]any{"host": "host.docker.internal", "ip": "host-gateway"}},
		"networkMode":      "bridge",
		"networksAdvanced": []any{map[string]any{"name": "traced", "aliases": []any{"otel-collector"}, "ipv4Address": "10.112.4.3"}},
		// OTLP stays on the Docker network unless asked.
		"ports": []any{},
	}, container.Plain())
	container.AssertChildOf(t, "Collector", "collector")
	assert.Contains(t, container.Dependencies(), "jaeger-healthy", "it sends what it still holds to Jaeger when it is destroyed")
}

func TestCollector_Ports(t *testing.T) {
	t.Parallel()
	grpc, http := 24317, 24318
	published := func(external, internal float64) any {
		return map[string]any{"ip": "127.0.0.1", "external": external, "internal": internal, "protocol": "tcp"}
	}
	for name, test := range map[string]struct {
		grpc, http *int
		want       []any
	}{
		"gRPC": {grpc: &grpc, want: []any{published(24317, 4317)}},
		"HTTP": {http: &http, want: []any{published(24318, 4318)}},
		"both": {grpc: &grpc, http: &http, want: []any{published(24317, 4317), published(24318, 4318)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProgram()
			p.otlpGRPCPort, p.otlpHTTPPort = test.grpc, test.http
			assert.Equal(t, test.want, p.record(t).One(t, enginetest.Container, "collector-container").Input("ports"))
		})
	}
}

func TestCollector_Secrets(t *testing.T) {
	t.Parallel()
	const secret = "Bearer hunter2"
	p := newProgram()
	exporter := tracing.OTLPExporter{
		Name: "vendor", Endpoint: "otlp.test:4317", Protocol: "grpc", Headers: []string{"Authorization"},
	}
	p.collector.Exporters = []tracing.OTLPExporter{exporter}
	p.secrets = map[string]string{exporter.HeaderVariable("Authorization"): secret}
	recorded := p.record(t)
	container := recorded.One(t, enginetest.Container, "collector-container")
	environment := container.Inputs["envs"]
	assert.True(t, environment.ContainsSecrets())
	assert.Contains(t, fmt.Sprint(environment), "OTLP_HEADER_VENDOR__AUTHORIZATION="+secret)
	assert.Contains(t, fmt.Sprint(container.Inputs["uploads"]), "${env:OTLP_HEADER_VENDOR__AUTHORIZATION}")
	for _, registration := range recorded.All() {
		inputs := registration.Inputs.Copy()
		delete(inputs, "envs")
		assert.NotContains(t, fmt.Sprint(inputs), "hunter2", registration.Name)
	}
}

func TestContainers_Replacement(t *testing.T) {
	t.Parallel()
	recorded := newProgram().record(t)
	for _, name := range []string{"jaeger", "collector", "server", "index-cleaner"} {
		container := recorded.One(t, enginetest.Container, name+"-container")
		assert.True(t, container.RegisterRPC.GetDeleteBeforeReplace(), "%s: its name is fixed", name)
		assert.Equal(t, []string{"healthcheck"}, container.RegisterRPC.GetReplaceOnChanges(), name)
		assert.Contains(t, container.Dependencies(), name+"-image")
	}
}

func TestContainers_Images(t *testing.T) {
	t.Parallel()
	recorded := newProgram().record(t)
	for name, reference := range map[string]string{"jaeger": jaegerImage, "collector": collectorImage} {
		image := recorded.One(t, enginetest.RemoteImage, name+"-image")
		assert.Equal(t, map[string]any{"name": reference, "keepLocally": true}, image.Plain(), "it stays when the stack is destroyed")
		assert.Equal(t, image.Input("name"), recorded.One(t, enginetest.Container, name+"-container").Input("image"),
			"a preview shows the container's replacement")
	}
}

func TestContainers_Wait(t *testing.T) {
	t.Parallel()
	recorded := newProgram().record(t)
	for name, test := range map[string]struct {
		kind string
		wait spec.Container
	}{
		"jaeger": {"Jaeger", spec.Container{Container: "traced-jaeger", Title: "Jaeger", Timeout: verify.Duration(2 * time.Minute)}},
		"collector": {"Collector", spec.Container{
			Container: "traced-collector", Title: "the Collector", Timeout: verify.Duration(2 * time.Minute),
			HealthURL: "http://otel-collector:13133/", Probe: "traced-jaeger",
		}},
		"server": {"SearchServer", spec.Container{
			Container: "traced-server", Title: "OpenSearch", Timeout: verify.Duration(5 * time.Minute),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wait := recorded.One(t, enginetest.Command, name+"-healthy")
			assert.Equal(t, test.wait, enginetest.Document[spec.Container](t, wait))
			assert.Equal(t, map[string]string{"CONTAINER_ID": name + "-container-id"}, wait.Environment(t))
			assert.Equal(t, "../bin/kubetracing container wait", wait.Input("create"))
			assert.Equal(t, wait.Input("create"), wait.Input("update"), "a new container is waited for again")
			assert.Nil(t, wait.Input("delete"))
			assert.Nil(t, wait.Input("triggers"))
			assert.Equal(t, "stderr", wait.Input("logging"))
			wait.AssertChildOf(t, test.kind, name)
		})
	}
	assert.Contains(t, recorded.One(t, enginetest.Command, "collector-healthy").Dependencies(), "jaeger-healthy",
		"the probe runs in Jaeger's container")
}

func TestDataVolumes(t *testing.T) {
	t.Parallel()
	p := newProgram()
	assert.Equal(t, []string{"server-volume"}, p.record(t).Names(enginetest.Volume), "memory needs none")
	p.jaeger = tracing.JaegerSpec{Storage: tracing.StorageBadger, Retention: "48h0m0s"}
	p.collector.DiskQueue = true
	recorded := p.record(t)
	for name, test := range map[string]struct {
		kind, path string
		user       spec.Volume
	}{
		"jaeger":    {"Jaeger", "/badger", spec.Volume{UserOf: jaegerImage}},
		"collector": {"Collector", "/var/lib/otelcol", spec.Volume{UserOf: collectorImage}},
		"server":    {"SearchServer", "/usr/share/opensearch/data", spec.Volume{User: "1000"}},
	} {
		assertDataVolume(t, recorded, name, test.kind, test.path, test.user)
		dependencies := recorded.One(t, enginetest.Command, name+"-volume-owner").Dependencies()
		assert.Equal(t, test.user.UserOf != "", slices.Contains(dependencies, name+"-image"), "%s: an image says whose it is once it is there: %v", name, dependencies)
	}
	assert.Equal(t, map[string]any{"image": jaegerImage, "uiPort": 16686.0, "storage": "badger", "retention": "48h0m0s"},
		recorded.Component(t, "Jaeger", "jaeger").Plain())
	assert.Equal(t, "disk", recorded.Component(t, "Collector", "collector").Input("queue"))
}

// assertDataVolume asserts that a component's container keeps its data on a volume
// that its user can write to.
func assertDataVolume(t *testing.T, recorded *enginetest.Recorder, name, kind, path string, user spec.Volume) {
	t.Helper()
	volume := recorded.One(t, enginetest.Volume, name+"-volume")
	assert.Equal(t, map[string]any{"name": "traced-" + name, "labels": enginetest.Labels()}, volume.Plain())
	assert.True(t, volume.RegisterRPC.GetDeleteBeforeReplace(), "its name is fixed")
	volume.AssertChildOf(t, kind, name)

	owner := recorded.One(t, enginetest.Command, name+"-volume-owner")
	assert.Equal(t, "../bin/kubetracing volume chown", owner.Input("create"))
	user.Volume, user.Image = "traced-"+name, "busybox:1.37.0"
	assert.Equal(t, user, enginetest.Document[spec.Volume](t, owner))
	assert.Equal(t, map[string]string{spec.StateVariable: enginetest.State}, owner.Environment(t))
	assert.Equal(t, []any{name + "-volume-id"}, owner.Input("triggers"), "a new volume is root's again")
	owner.AssertChildOf(t, kind, name)

	container := recorded.One(t, enginetest.Container, name+"-container")
	assert.Equal(t, []any{map[string]any{"volumeName": "traced-" + name, "containerPath": path}}, container.Input("volumes"))
	assert.Contains(t, container.Dependencies(), name+"-volume-owner")
}
