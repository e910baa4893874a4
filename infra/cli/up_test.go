package cli_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/infra/pulumi/pulumitest"
)

// Pulumi's commands.
const (
	create  = "stack select --create --stack dev --secrets-provider passphrase --non-interactive"
	preview = "preview --diff --suppress-progress --stack dev"
	up      = "up --yes --skip-preview --stack dev"
	destroy = "destroy --yes --skip-preview --remove --stack dev"
	output  = "stack output --json --show-secrets --stack dev --non-interactive"
	follow  = " --non-interactive --event-log LOG"
)

func TestUp_new_stack(t *testing.T) {
	m := newMachine(t)
	got := m.run(t, "up")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, []string{create, up + follow, output}, m.pulumi.Lines())
	assert.Equal(t, "kubetracing: done in 0s\n", got.stderr)
}

func TestUp_flags(t *testing.T) {
	m := newMachine(t)
	m.createStack(t)
	require.Zero(t, m.run(t, "up", "--", "--target", "a b").code)
	assert.Equal(t, []string{up + " --target a b" + follow, output}, m.pulumi.Lines())

	got := m.run(t, "up", "--verbose")
	require.Zero(t, got.code, got.stderr)
	call := m.pulumi.Calls()[2]
	assert.Equal(t, up, strings.Join(call.Args, " "))
	assert.True(t, call.Interactive)
	assert.Empty(t, got.stderr, "Pulumi prints everything")
}

func TestPreview(t *testing.T) {
	m := newMachine(t)
	require.Zero(t, m.run(t, "preview").code)
	m.createStack(t)
	got := m.run(t, "preview", "--", "--parallel", "2")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, []string{create, preview, preview + " --parallel 2"}, m.pulumi.Lines())
	assert.Empty(t, got.stderr+got.stdout)
}

func TestDrift(t *testing.T) {
	const (
		jaegerGone  = "kubetracing: container kubetracing-dev-jaeger is gone: an update creates it again\n"
		clusterGone = "kubetracing: cluster kubetracing-dev is gone: an update creates it again, with everything in it\n"
		replace     = " --replace urn::traced-cluster-k3d"
	)
	tests := map[string]struct {
		containers           []docker.Container
		messages             string
		preview, up, destroy string
	}{
		"none":           {[]docker.Container{jaegerOf(identity), nodeOf(identity)}, "", "", "", ""},
		"container gone": {[]docker.Container{nodeOf(identity)}, jaegerGone, " --refresh", " --refresh", " --refresh"},
		"cluster gone":   {[]docker.Container{jaegerOf(identity)}, clusterGone, replace, replace, ""},
		"both gone":      {nil, jaegerGone + clusterGone, " --refresh" + replace, " --refresh" + replace, " --refresh"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.createStack(t)
			m.world.Set(test.containers...)
			got := m.run(t, "preview")
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, test.messages, got.stderr)
			got = m.run(t, "up")
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, test.messages+"kubetracing: done in 0s\n", got.stderr)
			got = m.run(t, "destroy")
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, "kubetracing: removed in 0s\n", got.stderr, "destroy does not report what is missing")
			assert.Equal(t, []string{preview + test.preview, up + test.up + follow, output, destroy + test.destroy + follow}, m.pulumi.Lines(),
				"the local state is read without Pulumi")
		})
	}
}

func TestPaused_container(t *testing.T) {
	for _, command := range []string{"up", "destroy", "preview"} {
		t.Run(command, func(t *testing.T) {
			m := newMachine(t)
			m.createStack(t)
			m.world.Change("kubetracing-dev-jaeger", func(c *docker.Container) { c.State.Status = "paused" })
			m.docker.On(dockertest.Command("docker unpause kubetracing-dev-jaeger"), dockertest.Answer{})
			require.Zero(t, m.run(t, command).code)
			want := 1
			if command == "preview" {
				want = 0
			}
			assert.Len(t, m.docker.Lines("docker", "unpause"), want)
		})
	}
}

func TestUp_interrupted_before(t *testing.T) {
	m := newMachine(t)
	m.createStack(t)
	m.writeState(t, apitype.DeploymentV3{PendingOperations: []apitype.OperationV2{{
		Type:     apitype.OperationTypeCreating,
		Resource: apitype.ResourceV3{URN: "urn::traced-collector-container", Type: "docker:index/container:Container"},
	}}})
	m.world.Set()
	m.pulumi.On("stack export", pulumitest.Answer{Stdout: `{"version":3,"deployment":{"pending_operations":[{}]}}`})
	got := m.run(t, "preview")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, []string{preview}, m.pulumi.Lines())
	assert.Contains(t, got.stderr, "kubetracing: an update has not finished creating traced-collector-container")

	got = m.run(t, "up")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, []string{
		"stack export --stack dev --non-interactive", "stack import --stack dev --non-interactive", up + follow, output,
	}, m.pulumi.Lines()[1:])
}

func TestUp_locked(t *testing.T) {
	m := newMachine(t)
	m.createStack(t)
	m.write(t, ".kubetracing/state/.pulumi/locks/organization/kubetracing/dev/one.json",
		`{"pid":7,"username":"me","hostname":"elsewhere","timestamp":"2026-01-01T00:00:00Z"}`)
	for _, command := range []string{"up", "destroy"} {
		got := m.run(t, command)
		assert.Equal(t, 1, got.code)
		assert.Contains(t, got.stderr, "kubetracing: the stack is locked by me@elsewhere (process 7, ")
	}
	assert.Empty(t, m.pulumi.Lines())
}

func TestUp_strangers(t *testing.T) {
	m := newMachine(t)
	m.world.Set(jaegerOf("OTHER"), nodeOf("OTHER"))
	const stranger = `kubetracing: container "kubetracing-dev-jaeger", container "k3d-kubetracing-dev-server-0": ` +
		"created for a stack of this name by another state (OTHER): that of another checkout, or one that is lost. " +
		"If it is lost, remove what it created: ./kubetracing destroy --stack dev --orphans OTHER\n"
	assert.Equal(t, outcome{1, "", stranger}, m.run(t, "up"))
	assert.Empty(t, m.pulumi.Lines(), "nothing is created beside them")

	assert.Equal(t, outcome{0, "", stranger}, m.run(t, "preview"))
	assert.Equal(t, outcome{0, "", stranger + "kubetracing: there is no stack \"dev\" to destroy\n"}, m.run(t, "destroy"))
	assert.Equal(t, []string{create, preview}, m.pulumi.Lines())
	assert.Empty(t, m.docker.Lines("docker", "rm"))
	assert.Empty(t, m.docker.Lines("k3d"))
}

// A former version had neither an identity nor a component around all others, and its
// command for the cluster had no document.
func TestUp_former_version(t *testing.T) {
	m := newMachine(t)
	const component = "urn:pulumi:dev::kubetracing::kubetracing:components:"
	m.writeState(t, apitype.DeploymentV3{Resources: []apitype.ResourceV3{
		{URN: "urn:pulumi:dev::kubetracing::pulumi:pulumi:Stack::kubetracing-dev", Type: "pulumi:pulumi:Stack"},
		{URN: component + "Network::network", Type: "kubetracing:components:Network"},
		{
			URN: component + "Network$docker:index/network:Network::network-bridge", Type: "docker:index/network:Network", Custom: true, ID: "bbb",
			Inputs: map[string]any{"name": "kubetracing-dev"},
		},
		{
			URN: component + "Jaeger$docker:index/container:Container::jaeger-container", Type: "docker:index/container:Container", Custom: true, ID: "aaa",
			Inputs: map[string]any{"name": "kubetracing-dev-jaeger"},
		},
		{
			URN: component + "Cluster$command:local:Command::cluster-k3d", Type: "command:local:Command", Custom: true, ID: "c",
			Inputs: map[string]any{"create": "k3d cluster create", "delete": "k3d cluster delete kubetracing-dev"},
		},
	}})
	old := []docker.Container{jaegerOf(""), nodeOf("")}
	for _, c := range old {
		delete(c.Labels, spec.StateLabel)
	}
	m.world.Set(old...)
	m.world.SetNetworks(docker.Network{ID: "bbb", Name: "kubetracing-dev", Labels: map[string]string{spec.StackLabel: "kubetracing/dev"}})

	const refusal = "kubetracing: stack \"dev\" was created by a former version of kubetracing, whose stacks this one cannot update: " +
		"remove it with ./kubetracing destroy --stack dev, then create it again\n"
	assert.Equal(t, outcome{1, "", refusal}, m.run(t, "up"))
	assert.Equal(t, outcome{1, "", refusal}, m.run(t, "preview"))
	assert.Empty(t, m.pulumi.Lines(), "nothing is created or removed")
	got := m.run(t, "destroy")
	assert.Equal(t, outcome{0, "", "kubetracing: removed in 0s\n"}, got, "its own objects are no strangers")
	assert.Equal(t, []string{destroy + follow}, m.pulumi.Lines())
}

func TestUp_failure(t *testing.T) {
	t.Run("of the update", func(t *testing.T) {
		m := newMachine(t)
		m.createStack(t)
		m.pulumi.On("up", pulumitest.Answer{Code: 255, Stderr: "error: the disk is full"})
		got := m.run(t, "up")
		assert.Equal(t, 255, got.code)
		assert.Equal(t, "kubetracing: the update failed after 0s (--verbose shows everything that Pulumi prints)\nerror: the disk is full\n", got.stderr)
		assert.Len(t, m.pulumi.Lines(), 1, "nothing runs after a failure")
	})
	t.Run("of a verbose update", func(t *testing.T) {
		m := newMachine(t)
		m.createStack(t)
		m.pulumi.On("up", pulumitest.Answer{Code: 7})
		assert.Equal(t, outcome{code: 7}, m.run(t, "up", "--verbose"), "an interactive Pulumi has reported it")
	})
	for _, test := range [][2]string{{"up", "stack select"}, {"preview", "stack select"}, {"up", "stack output"}} {
		command, fails := test[0], test[1]
		t.Run("of "+fails+" by "+command, func(t *testing.T) {
			m := newMachine(t)
			m.pulumi.On(fails, pulumitest.Answer{Code: 8, Stderr: "error: no"})
			got := m.run(t, strings.TrimSpace(command))
			assert.Equal(t, 8, got.code)
			assert.Contains(t, got.stderr, "kubetracing: pulumi stack: exit status 8: error: no\n", "every other Pulumi prints its reason")
		})
	}
	t.Run("of a preview", func(t *testing.T) {
		m := newMachine(t)
		m.createStack(t)
		m.pulumi.On("preview", pulumitest.Answer{Code: 255})
		assert.Equal(t, outcome{code: 255}, m.run(t, "preview"))
	})
}

func TestUp_machine_that_lacks_something(t *testing.T) {
	tests := map[string]struct {
		prepare  func(*testing.T, *machine)
		commands string
		want     string
	}{
		"Docker daemon": {func(_ *testing.T, m *machine) {
			m.docker.On(dockerVersion, dockertest.Fail("Cannot connect to the Docker daemon"))
		}, "up preview destroy", "kubetracing: the Docker daemon does not answer"},
		"docker list": {func(_ *testing.T, m *machine) {
			m.docker.On(dockertest.Command("docker network ls "+dockertest.Rest), dockertest.Fail("no networks today"))
		}, "up preview destroy", "no networks today"},
		"tools":   {func(_ *testing.T, m *machine) { m.toolsErr = assert.AnError }, "up preview destroy", assert.AnError.Error()},
		"program": {func(_ *testing.T, m *machine) { m.compileErr = assert.AnError }, "up preview", assert.AnError.Error()},
		"credential helper": {func(t *testing.T, m *machine) {
			t.Helper()
			t.Setenv("OFFLINE", "")
			m.write(t, "docker/config.json", `{"credsStore":"desktop.exe"}`)
			m.environment["DOCKER_CONFIG"] = filepath.Join(m.root, "docker")
			m.docker.On(dockertest.Command("docker-credential-desktop.exe list"), dockertest.Answer{Err: &exec.Error{Name: "x", Err: exec.ErrNotFound}})
		}, "up preview", `docker/config.json: credsStore "desktop.exe": docker-credential-desktop.exe is not on PATH, and without it Pulumi's Docker provider builds no image`},
		"image store": {func(_ *testing.T, m *machine) {
			m.docker.On(dockerVersion, dockertest.Print(`{"Client":{},"Server":{"Version":"27.3.1","Arch":"amd64"}}`))
			m.docker.On(dockerInfo, dockertest.Print(`{"DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]]}`))
		}, "up preview", "kubetracing: the node image cannot be built by Docker 27.3.1 with the containerd image store"},
		"stack's file": {func(t *testing.T, m *machine) {
			t.Helper()
			require.NoError(t, os.Remove(filepath.Join(m.root, "Pulumi.dev.yaml")))
		}, "up preview destroy", `kubetracing: stack "dev" has no file`},
	}
	for name, test := range tests {
		for command := range strings.FieldsSeq(test.commands) {
			t.Run(name+" for "+command, func(t *testing.T) {
				m := newMachine(t)
				test.prepare(t, m)
				got := m.run(t, command)
				assert.Equal(t, 1, got.code)
				assert.Contains(t, got.stderr, test.want)
				assert.Empty(t, m.pulumi.Lines())
				assert.Empty(t, m.docker.Lines("docker", "pull"))
			})
		}
	}
	t.Run("destroy builds nothing", func(t *testing.T) {
		m := newMachine(t)
		m.createStack(t)
		tests["credential helper"].prepare(t, m)
		tests["image store"].prepare(t, m)
		require.Zero(t, m.run(t, "destroy").code)
	})
}

func TestUp_pulls_missing_images(t *testing.T) {
	m := newMachine(t)
	t.Setenv("OFFLINE", "")
	m.write(t, "Pulumi.dev.yaml", "config:\n  kubetracing:collector: {enabled: false}\n  kubetracing:jaeger: {image: \"jaeger:2\"}\n"+
		"  kubetracing:cluster: {image: \"k3s:1\"}\n")
	m.world.SetImages(docker.Image{ID: "sha256:1", Tags: []string{"busybox:1.37.0"}})
	t.Setenv("K3D_IMAGE_TOOLS", "mirror.example/k3d-tools:1")
	m.docker.On(dockertest.Command("docker pull --quiet jaeger:2"), dockertest.Answer{})
	m.docker.On(dockertest.Command("docker pull --quiet mirror.example/k3d-tools:1"), dockertest.Answer{})
	m.docker.On(dockertest.Command("docker pull --quiet k3s:1"), dockertest.Fail("no such host"))
	got := m.run(t, "up")
	require.Zero(t, got.code, "%s", got.stderr)
	assert.Contains(t, got.stderr, "kubetracing: pulling jaeger:2\n")
	assert.Contains(t, got.stderr, "kubetracing: pulled jaeger:2 in 0s\n")
	assert.Contains(t, got.stderr, "kubetracing: pull image k3s:1: docker pull --quiet k3s:1: exit status 1: no such host\n")
	assert.Len(t, m.docker.Lines("docker", "pull"), 3)

	require.Zero(t, m.run(t, "preview").code)
	assert.Len(t, m.docker.Lines("docker", "pull"), 3, "a preview needs none")
}

func TestUp_mistakes(t *testing.T) {
	m := newMachine(t)
	m.createStack(t)
	m.write(t, "Pulumi.dev.yaml", "config:\n  kubetracing:cluster: {servers: 0}\n")
	for _, command := range []string{"up", "preview"} {
		got := m.run(t, command)
		assert.Equal(t, 1, got.code)
		assert.Contains(t, got.stderr, "kubetracing:cluster.servers: 0: must be at least 1")
	}
	assert.Empty(t, m.docker.Lines())
	got := m.run(t, "destroy")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, []string{destroy + follow}, m.pulumi.Lines())
}

// collectorMetrics is how the Collector of stack dev is asked for its metrics.
var collectorMetrics = dockertest.Command("docker exec kubetracing-dev-jaeger wget -q -O - http://otel-collector:8888/metrics")

// vendorLost are the metrics of a Collector one of whose destinations refuses spans.
const vendorLost = `otelcol_exporter_send_failed_spans{exporter="otlp_http/vendor"} 12` + "\n"

// vendorLine is what is said about it.
const vendorLine = "kubetracing: destination vendor has lost 12 spans since the Collector started (12 that it did not accept): " +
	"docker logs --tail 100 kubetracing-dev-collector\n"

func TestUp_lost_spans(t *testing.T) {
	m := newMachine(t)
	m.traced(t)
	m.docker.On(collectorMetrics, dockertest.Print(vendorLost))
	got := m.run(t, "up", "--trace=false")
	require.Zero(t, got.code, "what an extra destination loses is not Jaeger's")
	assert.True(t, strings.HasSuffix(got.stderr, vendorLine), got.stderr)

	m.docker.On(collectorMetrics, dockertest.Fail("wget: server returned error: HTTP/1.1 404 Not Found"))
	got = m.run(t, "up", "--trace=false")
	require.Zero(t, got.code)
	assert.Contains(t, got.stderr, "kubetracing: whether destinations have lost spans is not known: metrics of container kubetracing-dev-collector: ")
	assert.Contains(t, got.stderr, "404 Not Found")

	m.write(t, "Pulumi.dev.yaml", "config:\n  kubetracing:collector: {enabled: false}\n")
	require.Zero(t, m.run(t, "up", "--trace=false").code)
	assert.Len(t, m.docker.Lines("docker", "exec"), 2, "there is no Collector to ask")
}

const tracedOutputs = `{"clusterName": "kubetracing-dev", "jaegerUrl": "JAEGER", "kubeconfig": "client-key-data: hunter2\n",
  "services": {"apiserver": 46}, "traces": {"echo": "JAEGER/trace/0af7", "churn": "JAEGER/trace/1bf7"}}`

// traced sets the outputs of the stack, with a Jaeger that has lost one of two traces.
func (m *machine) traced(t *testing.T) (jaeger *httptest.Server) {
	t.Helper()
	jaeger = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v3/traces/0af7" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(jaeger.Close)
	m.docker.On(collectorMetrics, dockertest.Print(""))
	m.pulumi.On("stack output", pulumitest.Answer{Stdout: strings.ReplaceAll(tracedOutputs, "JAEGER", jaeger.URL)})
	return jaeger
}

func TestUp_prints_access(t *testing.T) {
	m := newMachine(t)
	jaeger := m.traced(t)
	got := m.run(t, "up", "--trace=false")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, `
Jaeger    JAEGER
trace     no longer in Jaeger  (churn)
trace     JAEGER/trace/0af7  (echo)
kubectl   eval "$(make --silent env)" && kubectl get pods --all-namespaces
`, strings.ReplaceAll(got.stdout, jaeger.URL, "JAEGER"))
	assert.NotContains(t, got.stdout+got.stderr, "hunter2")
	kubeconfig, err := os.ReadFile(filepath.Join(m.root, ".kubetracing", "kubeconfig", "dev.yaml"))
	require.NoError(t, err)
	assert.Equal(t, "client-key-data: hunter2\n", string(kubeconfig))

	m.write(t, "Pulumi.ci.yaml", "config:\n  kubetracing:collector: {enabled: false}\n")
	assert.Contains(t, m.run(t, "up", "--trace=false", "--stack", "ci").stdout, `eval "$(make --silent env STACK=ci)"`)

	jaeger.Close()
	assert.Contains(t, m.run(t, "up", "--trace=false").stdout, "/trace/1bf7  (churn)\n", "a link that cannot be checked is shown")

	m.pulumi.On("stack output", pulumitest.Answer{Stdout: `{"kubeconfig": "hunter2`})
	got = m.run(t, "up")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "kubetracing: read the stack's outputs: pulumi stack output did not print JSON\n")
	assert.NotContains(t, got.stderr, "hunter2")
}

// pulumiSpans makes the fake Pulumi send a span where its environment says, and returns
// that environment once it has run.
func (m *machine) pulumiSpans(t *testing.T) *map[string]string {
	t.Helper()
	var environment map[string]string
	m.pulumi.On("up", pulumitest.Answer{Do: func(command pulumi.Command) {
		environment = map[string]string{}
		for _, variable := range command.Env {
			name, value, _ := strings.Cut(variable, "=")
			environment[name] = value
		}
		to := environment["PULUMI_OPTION_OTEL_TRACES"]
		if to == "" {
			return
		}
		parts := strings.Split(environment["TRACEPARENT"], "-")
		require.Len(t, parts, 4)
		traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(`{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"pulumi-cli"}}]},"scopeSpans":[{"spans":[{"traceId":"` +
			parts[1] + `","spanId":"0102030405060708","parentSpanId":"` + parts[2] + `","name":"pulumi","attributes":[{"key":"git.author","value":{"stringValue":"hunter2"}}]}]}]}]}`))
		require.NoError(t, err)
		body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
		require.NoError(t, err)
		response, err := http.Post(to, "application/x-protobuf", bytes.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}})
	return &environment
}

func TestUp_trace(t *testing.T) {
	send := []string{"docker", "exec", "--interactive", node, "sh", "-c", dockertest.Rest}

	t.Run("is sent to the stack's own Jaeger", func(t *testing.T) {
		m := newMachine(t)
		jaeger := m.traced(t)
		environment := m.pulumiSpans(t)
		m.docker.On(send, dockertest.Print(`{"partialSuccess":{}}`))
		got := m.run(t, "up")
		require.Zero(t, got.code, got.stderr)
		trace := strings.Split((*environment)["TRACEPARENT"], "-")[1]
		assert.Contains(t, got.stdout, "trace     "+jaeger.URL+"/trace/"+trace+"  (this update)\n")
		calls := m.docker.Calls(send[:6]...)
		require.Len(t, calls, 1)
		assert.Equal(t, "http://otel-collector:4318/v1/traces", calls[0].Argv[len(calls[0].Argv)-1])
		for _, name := range []string{"up", "compile the program", "install tools", "pull images", "pulumi up", "pulumi"} {
			assert.Contains(t, calls[0].Stdin, `"name":"`+name+`"`)
		}
		assert.Equal(t, 6, strings.Count(calls[0].Stdin, trace))
		assert.NotContains(t, calls[0].Stdin, "hunter2")
		assert.NoFileExists(t, (*environment)["KUBETRACING_STEPS"])
	})

	t.Run("that Jaeger does not get changes nothing", func(t *testing.T) {
		m := newMachine(t)
		m.traced(t)
		m.docker.On(send, dockertest.Fail("wget: connection refused"))
		got := m.run(t, "up")
		require.Zero(t, got.code, got.stderr)
		assert.Contains(t, got.stderr, "kubetracing: the trace of this update is not in Jaeger: ")
		assert.Contains(t, got.stderr, "wget: connection refused")
		assert.NotContains(t, got.stdout, "this update")
		assert.Contains(t, got.stdout, "Jaeger    ")
	})

	t.Run("of a failed update is not sent", func(t *testing.T) {
		m := newMachine(t)
		m.traced(t)
		m.pulumi.On("up", pulumitest.Answer{Code: 255})
		assert.Equal(t, 255, m.run(t, "up").code)
		assert.Empty(t, m.docker.Calls(send[:6]...))
	})

	t.Run("can be turned off", func(t *testing.T) {
		m := newMachine(t)
		m.traced(t)
		environment := m.pulumiSpans(t)
		got := m.run(t, "up", "--trace=false")
		require.Zero(t, got.code, got.stderr)
		for _, name := range []string{"PULUMI_OPTION_OTEL_TRACES", "TRACEPARENT", "KUBETRACING_STEPS"} {
			assert.NotContains(t, *environment, name)
		}
		assert.NotContains(t, got.stdout, "this update")
	})

	t.Run("leaves Pulumi's spans to another destination", func(t *testing.T) {
		m := newMachine(t)
		m.traced(t)
		m.environment["PULUMI_OPTION_OTEL_TRACES"] = "grpc://example.com:4317"
		environment := m.pulumiSpans(t)
		m.docker.On(send, dockertest.Answer{})
		require.Zero(t, m.run(t, "up").code)
		assert.NotContains(t, *environment, "PULUMI_OPTION_OTEL_TRACES")
		assert.Contains(t, m.docker.Calls(send[:6]...)[0].Stdin, `"name":"pulumi up"`)
	})
}

// evaluated returns what a shell prints after it has evaluated what env prints.
func evaluated(t *testing.T, printed, expression string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "/bin/sh", "-c", `eval "$1"; eval "$2"`, "sh", printed, expression)
	output, err := command.Output()
	require.NoError(t, err)
	return string(output)
}

func TestEnv(t *testing.T) {
	m := newMachine(t)
	odd := filepath.Join(t.TempDir(), "it's a folder")
	require.NoError(t, os.Rename(m.root, odd))
	m.root = odd
	got := m.run(t, "env")
	assert.Equal(t, outcome{1, "", "kubetracing: stack \"dev\" has no kubeconfig yet: run `make up` first\n"}, got, "nothing to evaluate by mistake")

	m.traced(t)
	require.Zero(t, m.run(t, "up", "--trace=false").code)
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "kubectl"), []byte("#!/bin/sh\n"), 0o755))
	t.Setenv("PATH", folder+":/usr/bin:/bin")
	got = m.run(t, "env")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, filepath.Join(m.root, ".kubetracing", "kubeconfig", "dev.yaml"), evaluated(t, got.stdout, `printf %s "$KUBECONFIG"`))
	assert.NotContains(t, got.stdout, "PATH=", "there is a kubectl on PATH")

	t.Setenv("PATH", t.TempDir())
	got = m.run(t, "env")
	require.Zero(t, got.code, got.stderr)
	t.Setenv("PATH", "/usr/bin:/bin")
	assert.Regexp(t, `^`+m.root+`/\.kubetracing/tools/kubectl-[0-9.]+:.+`, evaluated(t, got.stdout, `printf %s "$PATH"`))
}
