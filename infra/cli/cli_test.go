package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/cli"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/infra/pulumi/pulumitest"
)

// machine is a project's folder on a machine that runs nothing.
type machine struct {
	root   string
	docker *dockertest.Runner
	world  *dockertest.World
	pulumi *pulumitest.Runner
	// environment is what the user has chosen.
	environment map[string]string
	// done records what happened besides runs of docker and pulumi.
	done []string
	// toolsErr and compileErr are the errors of these steps.
	toolsErr, compileErr error
}

// How the daemon is asked whether it answers, and for its clock.
var (
	dockerVersion = []string{"docker", "version", "--format", "{{json .}}"}
	dockerInfo    = []string{"docker", "info", "--format", "{{json .}}"}
)

func newMachine(t *testing.T) *machine {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	m := &machine{root: root, docker: dockertest.New(t), pulumi: &pulumitest.Runner{}, environment: map[string]string{}}
	m.world = dockertest.NewWorld(m.docker)
	m.docker.On(dockerVersion, dockertest.Print(`{"Client":{},"Server":{"Version":"28.2.2","Arch":"amd64"}}`))
	m.clock(0)
	m.docker.On(dockertest.Command("docker context inspect"), dockertest.Print(`[{"Name":"default","Endpoints":{"docker":{"Host":"unix:///var/run/docker.sock"}}}]`))
	m.pulumi.On("stack output", pulumitest.Answer{Stdout: "{}"})
	m.write(t, "Pulumi.yaml", "name: kubetracing\nruntime: go\nmain: infra\n")
	m.write(t, "Pulumi.dev.yaml", "config:\n  kubetracing:verify: {enabled: false}\n")
	t.Setenv("OFFLINE", "1")
	return m
}

// clock puts the daemon's clock ahead.
func (m *machine) clock(ahead time.Duration) {
	m.docker.OnFunc(dockerInfo, func(context.Context, dockertest.Call) dockertest.Answer {
		return dockertest.Print(fmt.Sprintf(`{"ID":"A","SystemTime":%q}`, time.Now().Add(ahead).Format(time.RFC3339Nano)))
	})
}

func (m *machine) write(t *testing.T, path, content string) {
	t.Helper()
	path = filepath.Join(m.root, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// outcome is what a command line came to.
type outcome struct {
	code           int
	stdout, stderr string
}

// run runs a command line in the project.
func (m *machine) run(t *testing.T, arguments ...string) outcome {
	t.Helper()
	return m.runInput(t, "", append([]string{"--root", m.root}, arguments...)...)
}

// runInput runs a command line with a standard input.
func (m *machine) runInput(t *testing.T, stdin string, arguments ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	app := cli.App{
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr,
		LookupEnv: func(name string) (string, bool) { value, set := m.environment[name]; return value, set },
		Docker:    m.docker.Client(), Pulumi: m.pulumi,
		InstallTools: func(_ context.Context, folder string, _ io.Writer) error {
			assert.Equal(t, filepath.Join(m.root, ".kubetracing", "tools"), folder)
			return m.toolsErr
		},
		Compile: func(context.Context, io.Writer) error { return m.compileErr },
		Exec: func(_ context.Context, _ io.Writer, arguments ...string) error {
			m.done = append(m.done, "exec "+strings.Join(arguments, " "))
			return nil
		},
	}
	return outcome{app.Run(t.Context(), arguments), stdout.String(), stderr.String()}
}

// stateFile is where the local backend keeps the state of stack dev.
const stateFile = ".kubetracing/state/.pulumi/stacks/kubetracing/dev.json"

const (
	identity = "IDENTITY"
	node     = "k3d-kubetracing-dev-server-0"
)

// createStack gives stack dev a state with a container and a cluster of one node, and
// Docker its output.
func (m *machine) createStack(t *testing.T) {
	t.Helper()
	document, err := spec.Encode(spec.Cluster{
		Name: "kubetracing-dev", Stack: "kubetracing/dev", Network: "kubetracing-dev", K3d: []byte("{}"),
		Nodes: []spec.Node{{Container: node, Server: true, Address: "10.0.0.4"}},
	})
	require.NoError(t, err)
	m.writeState(t, apitype.DeploymentV3{Resources: []apitype.ResourceV3{
		{URN: "urn::traced-identity", Type: "command:local:Command", ID: "i", Outputs: map[string]any{"stdout": identity}},
		{URN: "urn::traced-jaeger-container", Type: "docker:index/container:Container", ID: "aaa", Inputs: map[string]any{"name": "kubetracing-dev-jaeger"}},
		{URN: "urn::traced-cluster-k3d", Type: "command:local:Command", ID: "c", Inputs: map[string]any{"stdin": document}},
	}})
	m.world.Set(jaegerOf(identity), nodeOf(identity))
}

// writeState writes the state of stack dev as the local backend does.
func (m *machine) writeState(t *testing.T, snapshot apitype.DeploymentV3) {
	t.Helper()
	text, err := spec.Encode(map[string]any{"version": 3, "checkpoint": apitype.CheckpointV3{Latest: &snapshot}})
	require.NoError(t, err)
	m.write(t, stateFile, text)
}

func jaegerOf(identity string) docker.Container {
	return docker.Container{ID: "aaa", Name: "kubetracing-dev-jaeger", State: docker.State{Status: "running"}, Labels: map[string]string{
		spec.StackLabel: "kubetracing/dev", spec.StateLabel: identity,
	}}
}

func nodeOf(identity string) docker.Container {
	return docker.Container{ID: "nnn", Name: node, State: docker.State{Status: "running"}, Labels: map[string]string{
		spec.StackLabel: "kubetracing/dev", spec.StateLabel: identity, "k3d.cluster": "kubetracing-dev", "k3d.role": "server",
	}}
}

func TestApp_Run_wrong_arguments(t *testing.T) {
	tests := map[string]struct {
		arguments []string
		want      string
	}{
		"unknown command":           {[]string{"upp"}, `kubetracing: unknown command "upp" for "kubetracing"`},
		"unknown flag":              {[]string{"--stak", "dev"}, "kubetracing: unknown flag: --stak"},
		"unknown flag of a command": {[]string{"verify", "--jager", "x"}, "kubetracing: unknown flag: --jager"},
		"unexpected argument":       {[]string{"plan", "dev"}, `kubetracing: unknown command "dev" for "kubetracing plan"`},
		"pulumi without a command":  {[]string{"pulumi"}, "kubetracing: requires at least 1 arg(s)"},
		"unknown form of output":    {[]string{"verify", "--output", "xml", "--timeout", "1ms"}, `kubetracing: --output: "xml"`},
		"duration without a unit":   {[]string{"verify", "--timeout", "5"}, "kubetracing: invalid argument \"5\""},
		"two earliest starts":       {[]string{"verify", "--since", "2026-01-01T10:00:07Z", "--lookback", "1h"}, "kubetracing: --since and --lookback exclude each other"},
		"negative lookback":         {[]string{"verify", "--lookback", "-1h"}, "kubetracing: --lookback: -1h0m0s: must not be negative"},
		"empty identity":            {[]string{"destroy", "--orphans", ""}, "kubetracing: --orphans: the identity is empty"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			got := m.runInput(t, "[]", test.arguments...)
			assert.Equal(t, 1, got.code)
			assert.Contains(t, got.stderr, test.want)
			assert.Empty(t, got.stdout)
		})
	}
}

func TestApp_Run_help(t *testing.T) {
	m := newMachine(t)
	for _, arguments := range [][]string{{}, {"help"}, {"--help"}} {
		got := m.runInput(t, "", arguments...)
		assert.Zero(t, got.code)
		var commands []string
		for line := range strings.Lines(got.stdout) {
			if fields := strings.Fields(line); strings.HasPrefix(line, "  ") && len(fields) > 2 && fields[0] != "kubetracing" && !strings.HasPrefix(fields[0], "-") {
				commands = append(commands, fields[0])
			}
		}
		assert.Equal(t, []string{"destroy", "env", "export", "follow", "help", "import", "matrix", "plan", "preview", "pulumi", "timeline", "up", "verify"}, commands,
			"commands for Pulumi are not for people")
		assert.Empty(t, got.stderr)
	}
	assert.Contains(t, m.runInput(t, "", "destroy", "--help").stdout, "--orphans")
	assert.Contains(t, m.runInput(t, "", "up", "--help").stdout, "--verbose")
}

func TestPlan(t *testing.T) {
	m := newMachine(t)
	got := m.run(t, "plan", "--stack", "dev")
	assert.Equal(t, outcome{}, got)
	assert.Equal(t, []string{"exec plan --root " + m.root + " --stack dev"}, m.done)
	assert.NoDirExists(t, filepath.Join(m.root, ".kubetracing"))
}

func TestPlan_mistakes_are_reported_without_compiling(t *testing.T) {
	m := newMachine(t)
	got := m.run(t, "plan", "--stack", "other")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, `kubetracing: stack "other" has no file`)

	m.write(t, "Pulumi.dev.yaml", "confg: {}\nconfig:\n  kubetracing:cluster: {servers: 0}\n")
	got = m.run(t, "plan")
	assert.Equal(t, outcome{1, "", "kubetracing: the stack configuration has 2 mistakes:\n" +
		"  - Pulumi.dev.yaml: confg: unknown top-level key; the nearest valid one is config\n" +
		"  - kubetracing:cluster.servers: 0: must be at least 1\n"}, got)
	assert.Empty(t, m.done)
}

func TestProgram(t *testing.T) {
	m := newMachine(t)
	assert.Equal(t, outcome{}, m.run(t, "program", "--", "one", "--two"))
	assert.Equal(t, []string{"exec one --two"}, m.done)
}

func TestMatrix(t *testing.T) {
	got := newMachine(t).runInput(t, "", "matrix")
	require.Zero(t, got.code, got.stderr)
	assert.Regexp(t, `^\{"include":\[\{"kubernetes":"1\.25","runtime":"containerd","oci":"runc"\},\{"kubernetes":"1\.26",.*\]\}\n$`, got.stdout)
}

func TestProviderCommands(t *testing.T) {
	names, err := spec.Encode(spec.Names{Stack: "kubetracing/dev", Cluster: "kubetracing-dev", Containers: []string{"kubetracing-dev-jaeger"}})
	require.NoError(t, err)
	m := newMachine(t)
	got := m.runInput(t, names, "identity", "create")
	require.Zero(t, got.code, got.stderr)
	assert.Regexp(t, `^[A-Z2-7]{26}\n$`, got.stdout)

	m.environment["PULUMI_COMMAND_STDOUT"] = "EARLIER"
	assert.Equal(t, outcome{0, "EARLIER\n", ""}, m.runInput(t, names, "identity", "create"))

	m.world.Set(jaegerOf("OTHER"))
	got = m.runInput(t, names, "identity", "create")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, `kubetracing: container "kubetracing-dev-jaeger" exists already and does not belong to this state`)

	m.docker.On(dockertest.Command("k3d kubeconfig get kubetracing-dev"), dockertest.Print("a secret\n"))
	assert.Equal(t, outcome{0, "a secret\n", ""}, m.runInput(t, "", "cluster", "kubeconfig", "kubetracing-dev"))
	for _, command := range []string{"cluster create", "cluster update", "container wait", "volume chown"} {
		got := m.runInput(t, `{"unknown": 1}`, strings.Fields(command)...)
		assert.Equal(t, 1, got.code, command)
		assert.Contains(t, got.stderr, `unknown field "unknown"`, command)
	}
	got = m.runInput(t, "volume traced\nunknown 1\n", "nodes", "write")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, `line 2 is "unknown 1\n", not image and a name`)
	got = m.runInput(t, "", "image", "present", "node:1")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "node:1")
}

func TestPulumi(t *testing.T) {
	m := newMachine(t)
	got := m.run(t, "pulumi", "--", "stack", "output", "--json")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, []string{"stack output --json"}, m.pulumi.Lines())
	call := m.pulumi.Calls()[0]
	assert.True(t, call.Interactive)
	assert.Equal(t, filepath.Join(m.root, ".kubetracing", "workspace"), call.Dir)
	assert.Contains(t, call.Env, "PULUMI_BACKEND_URL=file://"+m.root+"/.kubetracing/state")

	m.pulumi.On("refresh", pulumitest.Answer{Code: 7})
	assert.Equal(t, outcome{code: 7}, m.run(t, "pulumi", "refresh"), "an interactive Pulumi has reported it")

	m.toolsErr = assert.AnError
	assert.Equal(t, outcome{code: 1, stderr: "kubetracing: " + assert.AnError.Error() + "\n"}, m.run(t, "pulumi", "refresh"))
}

func TestPulumi_config(t *testing.T) {
	const (
		create = "stack select --create --stack dev --secrets-provider passphrase --non-interactive"
		set    = "config set --stack dev --secret --path kubetracing:jaeger.server.password"
	)
	m := newMachine(t)
	original := filepath.Join(m.root, "Pulumi.dev.yaml")
	before, err := os.ReadFile(original)
	require.NoError(t, err)
	run := func() (outcome, string) {
		got := m.run(t, append([]string{"pulumi", "--"}, strings.Fields(set)...)...)
		after, err := os.ReadFile(original)
		require.NoError(t, err)
		return got, string(after)
	}
	got, after := run()
	assert.Equal(t, outcome{}, got)
	assert.Equal(t, string(before), after, "nothing was written")

	salt := func(command pulumi.Command) {
		path := filepath.Join(command.Dir, "Pulumi.dev.yaml")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		// A file that has its salt keeps it.
		before, _, _ := strings.Cut(string(text), "encryptionsalt")
		require.NoError(t, os.WriteFile(path, []byte(before+"# written\nencryptionsalt: v1:salt\n"), 0o600))
	}
	m.pulumi.On("config", pulumitest.Answer{Do: salt, Code: 255})
	got, after = run()
	assert.Equal(t, outcome{code: 255}, got)
	assert.Equal(t, string(before), after, "Pulumi failed")

	m.pulumi.On("config", pulumitest.Answer{Do: salt})
	got, after = run()
	assert.Equal(t, outcome{}, got)
	assert.Contains(t, after, "encryptionsalt: v1:salt\n")
	assert.Equal(t, []string{create, set, create, set, create, set}, m.pulumi.Lines(), "the first secret of a stack that does not exist yet")
}

// TestDaemon runs every command that changes something with a context of Docker's: all
// that it runs must connect to that context's daemon.
func TestDaemon(t *testing.T) {
	daemon := []string{
		"DOCKER_CA_MATERIAL=", "DOCKER_CERT_MATERIAL=", "DOCKER_CERT_PATH=/c/tls/1/docker", "DOCKER_CONTEXT=", "DOCKER_HOST=tcp://build.example:2376",
		"DOCKER_KEY_MATERIAL=", "DOCKER_TLS=", "DOCKER_TLS_VERIFY=1",
	}
	for _, command := range [][]string{{"up"}, {"preview"}, {"destroy"}, {"pulumi", "--", "refresh"}, {"destroy", "--orphans", identity}} {
		t.Run(strings.Join(command, " "), func(t *testing.T) {
			m := newMachine(t)
			m.createStack(t)
			m.docker.On(dockertest.Command("docker context inspect"), dockertest.Print(`[{"Name":"build","Endpoints":{"docker":{"Host":"tcp://build.example:2376"}},`+
				`"TLSMaterial":{"docker":["ca.pem","cert.pem","key.pem"]},"Storage":{"TLSPath":"/c/tls/1"}}]`))
			for _, change := range []string{"docker rm", "k3d cluster delete"} {
				m.docker.On(dockertest.Command(change+" "+dockertest.Rest), dockertest.Answer{})
			}
			m.run(t, command...)
			for _, call := range m.pulumi.Calls() {
				assert.Subset(t, call.Env, daemon, call.Args)
			}
			assert.Equal(t, len(command) == 3 && command[0] == "destroy", len(m.pulumi.Calls()) == 0)
			for _, call := range m.docker.Calls() {
				if call.String() != "docker context inspect" && call.Argv[1] != "version" {
					assert.Equal(t, daemon, call.Env, call.Argv)
				}
			}
			assert.Len(t, m.docker.Calls("docker", "context"), 1)
		})
	}
}

func TestDaemon_unusable_context(t *testing.T) {
	const gone = `context "gone": context not found: open /home/me/.docker/contexts/meta/2/meta.json: no such file or directory`
	for _, command := range []string{"up", "preview", "destroy"} {
		t.Run(command, func(t *testing.T) {
			m := newMachine(t)
			m.createStack(t)
			m.docker.On(dockerVersion, dockertest.Fail("Failed to initialize: unable to resolve docker endpoint: "+gone))
			m.docker.On(dockertest.Command("docker context inspect"), dockertest.Fail(gone))
			got := m.run(t, command)
			assert.Equal(t, outcome{1, "", "kubetracing: the Docker context \"gone\" does not exist: " +
				"choose another one with `docker context use` or DOCKER_CONTEXT; `docker context ls` lists them\n"}, got)
			assert.Empty(t, m.pulumi.Calls())
		})
	}
	t.Run("pulumi needs no daemon", func(t *testing.T) {
		m := newMachine(t)
		m.docker.On(dockertest.Command("docker context inspect"), dockertest.Fail(gone))
		require.Zero(t, m.run(t, "pulumi", "--", "stack", "ls").code)
		assert.Equal(t, []string{"stack ls"}, m.pulumi.Lines())
	})
}
