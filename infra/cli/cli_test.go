package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/cli"
	"github.com/kubetracing/kubetracing/stacks"
)

// roleVariable makes the test binary play another program.
const roleVariable = "KUBETRACING_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "kubetracing":
		os.Exit(cli.Run(os.Args[1:], compose))
	case "kubectl":
		// Asks the cluster of its kubeconfig for what its argument names.
		config, err := os.ReadFile(os.Getenv("KUBECONFIG"))
		if err != nil {
			os.Exit(90)
		}
		server := regexp.MustCompile(`server: "(.*)"`).FindSubmatch(config)
		response, err := http.Get(string(server[1]) + os.Args[1]) //nolint:noctx // it ends with its test
		if err != nil {
			os.Exit(91)
		}
		_, _ = io.Copy(os.Stdout, response.Body)
		_ = response.Body.Close()
		os.Exit(0)
	case "interrupted pulumi":
		interrupts := make(chan os.Signal, 8)
		signal.Notify(interrupts, os.Interrupt)
		if err := os.WriteFile(os.Getenv("RUNNING"), nil, 0o600); err != nil {
			os.Exit(90)
		}
		count := 0
		for timeout := time.After(20 * time.Second); ; {
			select {
			case <-interrupts:
				count++
				timeout = time.After(200 * time.Millisecond)
			case <-timeout:
				os.Exit(count)
			}
		}
	case "pulumi that hears nothing of the terminal":
		interrupts := make(chan os.Signal, 8)
		signal.Notify(interrupts, os.Interrupt)
		if err := syscall.Setpgid(0, 0); err != nil {
			os.Exit(91)
		}
		if err := os.WriteFile(os.Getenv("RUNNING"), nil, 0o600); err != nil {
			os.Exit(90)
		}
		for _, err := os.Stat(os.Getenv("RUNNING") + ".pressed"); err != nil; _, err = os.Stat(os.Getenv("RUNNING") + ".pressed") {
			time.Sleep(10 * time.Millisecond)
		}
		// What is passed on is passed on at once.
		time.Sleep(500 * time.Millisecond)
		os.Exit(len(interrupts))
	default:
		os.Exit(m.Run())
	}
}

// compose is a program of one resource.
func compose(ctx *pulumi.Context, stack stacks.Stack) error {
	_, err := docker.NewNetwork(ctx, "network", &docker.NetworkArgs{Name: pulumi.String(stack.Names.Network())})
	return err
}

// fakePulumi notes its arguments, its folder and what it is told by the
// environment. A file exit-SUBCOMMAND has the exit code of a subcommand.
const fakePulumi = `
if [ "$*" = version ]; then echo v3.300.0; exit; fi
line=$(printf '<%s>' "$@"); printf '%s\n' "$line" >> "$MACHINE/calls"
pwd -P > "$MACHINE/directory"
env | grep -E '^(PULUMI_|GOGC=)' | sort > "$MACHINE/environment"
case "$1 $2" in
"stack ls") cat "$MACHINE/stacks.json"; subcommand=ls ;;
"stack export") if [ -f "$MACHINE/state.json" ]; then cat "$MACHINE/state.json"; else echo '{}'; fi; subcommand=export ;;
"stack output") cat "$MACHINE/outputs.json"; subcommand=output ;;
"stack import") cat > "$MACHINE/imported.json"; subcommand=import ;;
"stack select") subcommand=select ;;
*) subcommand=$1; echo "pulumi's output" ;;
esac
[ ! -f "$MACHINE/exit-$subcommand" ] || exit "$(cat "$MACHINE/exit-$subcommand")"
`

// machine is a project's folder and a PATH with fake commands.
type machine struct{ root, folder string }

func newMachine(t *testing.T) machine {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	m := machine{root, t.TempDir()}
	m.write(t, filepath.Join(root, "Pulumi.yaml"), "name: kubetracing\nruntime: go\nmain: infra\n")
	m.write(t, filepath.Join(root, "Pulumi.dev.yaml"), "config:\n  kubetracing:verify: {enabled: false}\n")
	m.write(t, filepath.Join(m.folder, "stacks.json"), "[]")
	m.write(t, filepath.Join(m.folder, "outputs.json"), "{}")
	m.tool(t, "docker", "exit 0")
	m.tool(t, "k3d", "echo 'k3d version v5.8.3'")
	m.tool(t, "kubectl", "exit 0")
	m.tool(t, "pulumi", fakePulumi)
	t.Setenv("PATH", filepath.Join(m.folder, "bin")+":/usr/bin:/bin")
	t.Setenv("OFFLINE", "1")
	// What the developer's own environment chooses must not be what is tested.
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PULUMI_") || name == "GOGC" {
			unset(t, name)
		}
	}
	return m
}

// unset removes a variable until the test is over.
func unset(t *testing.T, variable string) {
	t.Helper()
	t.Setenv(variable, "")
	require.NoError(t, os.Unsetenv(variable))
}

func (m machine) write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func (m machine) tool(t *testing.T, name, body string) {
	t.Helper()
	path := filepath.Join(m.folder, "bin", name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	// A file that a concurrent fork holds open for writing cannot be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nMACHINE='"+m.folder+"'\n"+body+"\n"), 0o755))
}

func (m machine) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(m.folder, name))
	if os.IsNotExist(err) {
		return ""
	}
	require.NoError(t, err)
	return string(content)
}

// calls are the arguments of every call of Pulumi.
func (m machine) calls(t *testing.T) []string {
	t.Helper()
	var calls []string
	for line := range strings.Lines(m.read(t, "calls")) {
		calls = append(calls, strings.ReplaceAll(strings.Trim(line, "<>\n"), "><", " "))
	}
	return calls
}

// environment is what the last call of Pulumi was told.
func (m machine) environment(t *testing.T) map[string]string {
	t.Helper()
	told := map[string]string{}
	for line := range strings.Lines(m.read(t, "environment")) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		told[key] = value
	}
	return told
}

// withState gives the stack dev a state in the local backend.
func (m machine) withState(t *testing.T, state string) {
	t.Helper()
	m.write(t, filepath.Join(m.root, ".kubetracing", "state", ".pulumi", "stacks", "kubetracing", "dev.json"), state)
}

// withStack makes Pulumi list a stack.
func (m machine) withStack(t *testing.T, name string) {
	t.Helper()
	m.write(t, filepath.Join(m.folder, "stacks.json"), `[{"name":"`+name+`","current":false}]`)
}

type outcome struct {
	code           int
	stdout, stderr string
}

// run runs a command line with the process' standard files replaced.
func run(t *testing.T, stdin string, arguments ...string) outcome {
	t.Helper()
	in, out, err := os.Stdin, os.Stdout, os.Stderr
	defer func() { os.Stdin, os.Stdout, os.Stderr = in, out, err }()
	folder := t.TempDir()
	replaced := make([]*os.File, 3)
	for i, name := range []string{"in", "out", "err"} {
		file, err := os.OpenFile(filepath.Join(folder, name), os.O_CREATE|os.O_RDWR, 0o600)
		require.NoError(t, err)
		defer file.Close()
		replaced[i] = file
	}
	_, failed := replaced[0].WriteString(stdin)
	require.NoError(t, failed)
	_, failed = replaced[0].Seek(0, io.SeekStart)
	require.NoError(t, failed)
	os.Stdin, os.Stdout, os.Stderr = replaced[0], replaced[1], replaced[2]
	code := cli.Run(arguments, compose)
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		return string(content)
	}
	return outcome{code, read("out"), read("err")}
}

func (m machine) run(t *testing.T, arguments ...string) outcome {
	t.Helper()
	return run(t, "", append([]string{"--root", m.root}, arguments...)...)
}

func TestWhatTheCommandLineDoesNotKnow(t *testing.T) {
	tests := map[string]struct {
		arguments []string
		want      string
	}{
		"a command":                {[]string{"upp"}, `kubetracing: unknown command "upp" for "kubetracing"`},
		"a flag":                   {[]string{"--stak", "dev"}, "kubetracing: unknown flag: --stak"},
		"a flag of a command":      {[]string{"verify", "--jager", "x"}, "kubetracing: unknown flag: --jager"},
		"an argument":              {[]string{"plan", "dev"}, `kubetracing: unknown command "dev" for "kubetracing plan"`},
		"what to ask of Pulumi":    {[]string{"pulumi"}, "kubetracing: requires at least 1 arg(s)"},
		"a form of output":         {[]string{"verify", "--output", "xml", "--timeout", "1ms"}, `kubetracing: --output: "xml"`},
		"a value that has no unit": {[]string{"verify", "--timeout", "5"}, "kubetracing: invalid argument \"5\""},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			newMachine(t)
			t.Chdir(t.TempDir())
			got := run(t, "[]", test.arguments...)
			assert.Equal(t, 1, got.code)
			assert.Contains(t, got.stderr, test.want)
			assert.Empty(t, got.stdout)
		})
	}
}

func TestWithoutACommandThereIsHelp(t *testing.T) {
	got := run(t, "")
	assert.Zero(t, got.code)
	for _, command := range []string{"plan", "up", "preview", "destroy", "verify"} {
		assert.Regexp(t, `(?m)^  `+command+` `, got.stdout)
	}
	assert.Empty(t, got.stderr)
}

func TestPlanPrintsTheStacksPlanOffline(t *testing.T) {
	m := newMachine(t)
	t.Setenv("PATH", "")
	want, err := cli.Plan(m.root, "dev", compose)
	require.NoError(t, err)
	assert.Contains(t, string(want), "stack: dev\n")
	assert.Contains(t, string(want), "name: kubetracing-dev\n")

	got := m.run(t, "plan")
	assert.Zero(t, got.code)
	assert.Equal(t, string(want), got.stdout)
	assert.Empty(t, got.stderr)
	assert.NoDirExists(t, filepath.Join(m.root, ".kubetracing"))
}

func TestPlanSaysWhatIsWrong(t *testing.T) {
	m := newMachine(t)
	got := m.run(t, "plan", "--stack", "other")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, `kubetracing: stack "other" has no file`)

	m.write(t, filepath.Join(m.root, "Pulumi.dev.yaml"), "config:\n  kubetracing:cluster: {servers: 0}\n")
	got = m.run(t, "plan")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "kubetracing:cluster.servers: 0: must be at least 1")
	assert.Empty(t, got.stdout)
}

const (
	jaegerAnswer = `{"result":{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"kubelet"}}]},` +
		`"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"syncPod"}]}]}]}}`
	expectKubelet = "- name: the kubelet\n  spans:\n  - service: kubelet\n"
	expectEtcd    = "- name: the store\n  spans:\n  - service: etcd\n    operation: Put\n  hint: look at the store\n"
)

// newJaeger knows a span of the kubelet. It notes since when it was asked.
func newJaeger(t *testing.T) (address string, since func() time.Time) {
	t.Helper()
	var mu sync.Mutex
	var earliest time.Time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/api/v3/services" {
			_, _ = io.WriteString(w, `{"services":["jaeger","kubelet"]}`)
			return
		}
		earliest, _ = time.Parse(time.RFC3339Nano, r.URL.Query().Get("query.start_time_min"))
		if r.URL.Query().Get("query.service_name") != "kubelet" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if _, err := io.WriteString(w, jaegerAnswer); err != nil {
			panic(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return earliest
	}
}

func TestVerifyPrintsWhatWasSeen(t *testing.T) {
	jaeger, since := newJaeger(t)
	const trace = "/trace/0af7651916cd43dd8448eb211c80319c"

	got := run(t, expectKubelet, "verify", "--expectations", "-", "--jaeger", jaeger, "--output", "json", "--since", "2026-01-01T10:00:07.25Z")
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, time.Date(2026, 1, 1, 10, 0, 7, 250_000_000, time.UTC), since())
	var outputs map[string]any
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &outputs))
	assert.Equal(t, map[string]any{
		"services": map[string]any{"kubelet": 1.0},
		"traces":   map[string]any{"the kubelet": jaeger + trace},
	}, outputs)
	assert.Empty(t, got.stderr)

	file := filepath.Join(t.TempDir(), "expectations.yaml")
	require.NoError(t, os.WriteFile(file, []byte(expectKubelet), 0o600))
	before := time.Now()
	got = run(t, "", "verify", "--jaeger", jaeger, "-e", file, "--lookback", "30m")
	require.Zero(t, got.code, got.stderr)
	assert.WithinRange(t, since(), before.Add(-30*time.Minute), time.Now().Add(-30*time.Minute))
	assert.Regexp(t, `(?m)^seen +the kubelet +1 +1 +0s +`+jaeger+trace+`$`, got.stdout)
}

func TestVerifyWithoutExpectationsLooksForWhatTheStackExpects(t *testing.T) {
	jaeger, _ := newJaeger(t)
	port := jaeger[strings.LastIndex(jaeger, ":")+1:]
	m := newMachine(t)
	m.write(t, filepath.Join(m.root, "mine.yaml"), expectKubelet)
	m.write(t, filepath.Join(m.root, "Pulumi.dev.yaml"), "config:\n  kubetracing:verify: {expectations: mine.yaml}\n"+
		"  kubetracing:workloads: []\n  kubetracing:sampling: {apiserver: 0, etcd: 0, runtime: 0}\n  kubetracing:jaeger: {uiPort: "+port+"}\n")
	got := m.run(t, "verify", "--timeout", "10s")
	require.Zero(t, got.code, got.stderr)
	assert.Regexp(t, `(?m)^seen +kubelet .*`+jaeger+`/trace/`, got.stdout)
	assert.Regexp(t, `(?m)^seen +the kubelet .*`+jaeger+`/trace/`, got.stdout)

	m.write(t, filepath.Join(m.root, "mine.yaml"), "- spans: [{services: x}]\n")
	got = m.run(t, "verify")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "kubetracing:verify.expectations: mine.yaml: read expectations: [0].spans[0].services: unknown key; the nearest valid one is spans.service")
}

func TestVerifySaysWhatIsMissingAndWhy(t *testing.T) {
	jaeger, _ := newJaeger(t)
	m := newMachine(t)
	m.tool(t, "docker", `case "$*" in
"inspect "*collector) echo "exited, exit code 1, restarted 0 times" ;;
"inspect "*) echo "running, exit code 0, restarted 0 times" ;;
esac`)
	verify := []string{"verify", "-e", "-", "--jaeger", jaeger, "--timeout", "1s", "--container", "the-collector", "--container", "node"}

	got := run(t, expectKubelet+expectEtcd, append(verify, "--output", "json")...)
	assert.Equal(t, 2, got.code)
	assert.Empty(t, got.stdout, "a program that reads this finds nothing half true")
	assert.Contains(t, got.stderr, "kubetracing: seen 1 of 2, waiting for: the store\n")
	assert.Regexp(t, `(?m)^seen +the kubelet .*http`, got.stderr)
	assert.Regexp(t, `(?m)^MISSING +the store .*no trace has: etcd Put$`, got.stderr)
	assert.Contains(t, got.stderr, "likely cause: container the-collector does not run: exited, exit code 1, restarted 0 times\n"+
		"  look further: docker logs --tail 100 the-collector\n"+
		"likely cause: etcd has never sent a span to this Jaeger\n"+
		"  look further: look at the store\n")
	assert.True(t, strings.HasSuffix(got.stderr, "kubetracing: spans are missing: the store\n"), got.stderr)

	got = run(t, expectEtcd, verify...)
	assert.Equal(t, 2, got.code)
	assert.Regexp(t, `(?m)^MISSING +the store`, got.stdout)
}

func TestVerifySaysWhyItCannotLook(t *testing.T) {
	jaeger, _ := newJaeger(t)
	newMachine(t)
	got := run(t, "- name: x\n  span: []\n", "verify", "-e", "-", "--jaeger", jaeger)
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, `kubetracing: read expectations: [0].span: unknown key; the nearest valid one is spans`)

	got = run(t, "", "verify", "--jaeger", jaeger, "-e", filepath.Join(t.TempDir(), "none.yaml"))
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.stderr, "none.yaml: no such file")

	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	got = run(t, expectKubelet, "verify", "-e", "-", "--jaeger", gone.URL, "--timeout", "50ms")
	assert.Equal(t, 3, got.code)
	assert.Contains(t, got.stderr, "kubetracing: no answer from Jaeger: query Jaeger: ")
	assert.Contains(t, got.stdout, "likely cause: Jaeger cannot be asked: ")
}

func TestPulumisCommands(t *testing.T) {
	const list = "stack ls --json --non-interactive"
	const create = "stack select --create --stack dev --secrets-provider passphrase --non-interactive"
	const output = "stack output --json --show-secrets --stack dev --non-interactive"
	const export = "stack export --stack dev --non-interactive"
	tests := map[string]struct {
		stack     string
		arguments []string
		want      []string
	}{
		"up creates the stack if need be":    {"", []string{"up"}, []string{list, create, "up --yes --skip-preview --stack dev", output}},
		"what follows -- goes to Pulumi":     {"dev", []string{"up", "--", "--target", "a b"}, []string{list, export, "up --yes --skip-preview --stack dev --target a b", output}},
		"preview shows the difference":       {"dev", []string{"preview"}, []string{list, export, "preview --diff --suppress-progress --stack dev"}},
		"destroy removes the stack as well":  {"dev", []string{"destroy"}, []string{list, export, "destroy --yes --skip-preview --remove --stack dev"}},
		"another stack is not the stack":     {"dev2", []string{"destroy"}, []string{list}},
		"destroy of nothing creates nothing": {"", []string{"destroy"}, []string{list}},
		"any other command":                  {"dev", []string{"pulumi", "--", "stack", "output", "--json"}, []string{"stack output --json"}},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			m := newMachine(t)
			if test.stack != "" {
				m.withStack(t, test.stack)
			}
			got := m.run(t, test.arguments...)
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, test.want, m.calls(t))
			assert.Equal(t, filepath.Join(m.root, ".kubetracing", "workspace")+"\n", m.read(t, "directory"))
		})
	}
}

func TestASecretThatPulumiEncryptsStandsInTheProjectsFile(t *testing.T) {
	const (
		create = "stack select --create --stack dev --secrets-provider passphrase --non-interactive"
		set    = "config set --stack dev --secret --path kubetracing:jaeger.server.password"
		get    = "config get kubetracing:verify"
	)
	m := newMachine(t)
	original := filepath.Join(m.root, "Pulumi.dev.yaml")
	before, err := os.ReadFile(original)
	require.NoError(t, err)
	m.tool(t, "pulumi", fakePulumi+"[ \"$1 $2\" != 'config set' ] || echo 'encryptionsalt: v1:salt' >> Pulumi.dev.yaml")

	got := m.run(t, append([]string{"pulumi", "--"}, strings.Fields(get)...)...)
	require.Zero(t, got.code, got.stderr)
	after, err := os.ReadFile(original)
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after), "nothing was written")

	got = m.run(t, append([]string{"pulumi", "--"}, strings.Fields(set)...)...)
	require.Zero(t, got.code, got.stderr)
	assert.Equal(t, []string{create, get, create, set}, m.calls(t), "the first secret of a stack that is not there yet")
	after, err = os.ReadFile(original)
	require.NoError(t, err)
	assert.Contains(t, string(after), "encryptionsalt: v1:salt\n")

	m.write(t, filepath.Join(m.folder, "exit-config"), "255")
	m.write(t, original, string(before))
	assert.NotZero(t, m.run(t, append([]string{"pulumi", "--"}, strings.Fields(set)...)...).code)
	after, err = os.ReadFile(original)
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after), "Pulumi failed")
}

func TestPulumiIsToldToKeepEverythingBelowTheProject(t *testing.T) {
	m := newMachine(t)
	got := m.run(t, "up")
	require.Zero(t, got.code, got.stderr)
	assert.Contains(t, got.stdout, "pulumi's output")
	local := filepath.Join(m.root, ".kubetracing")
	assert.Equal(t, map[string]string{
		"PULUMI_BACKEND_URL":                            "file://" + local + "/state",
		"PULUMI_HOME":                                   local + "/pulumi",
		"PULUMI_SKIP_UPDATE_CHECK":                      "true",
		"PULUMI_CONFIG_PASSPHRASE":                      "kubetracing",
		"PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION":   "true",
		"GOGC": "400",
	}, m.environment(t))
}

func TestPulumisPluginsComeFromWhereTheToolsCome(t *testing.T) {
	m := newMachine(t)
	t.Setenv("OFFLINE", "")
	t.Setenv("KUBETRACING_MIRROR", "https://mirror.example/files/")
	got := m.run(t, "up")
	require.Zero(t, got.code, got.stderr)
	told := m.environment(t)
	assert.Equal(t, ".*=https://mirror.example/files/get.pulumi.com/releases/plugins", told["PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES"])
	assert.NotContains(t, told, "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION")

	t.Setenv("KUBETRACING_MIRROR", "")
	unset(t, "PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES")
	require.Zero(t, m.run(t, "up").code)
	assert.NotContains(t, m.environment(t), "PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES")
}

func TestWhatTheUserChoseIsHonoured(t *testing.T) {
	t.Run("every variable", func(t *testing.T) {
		m := newMachine(t)
		chosen := map[string]string{
			"PULUMI_BACKEND_URL": "s3://bucket", "PULUMI_HOME": "/home/me/.pulumi", "PULUMI_SKIP_UPDATE_CHECK": "false",
			"PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "false",
			"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION":   "false",
			"GOGC": "100",
			// An empty passphrase is a choice too.
			"PULUMI_CONFIG_PASSPHRASE": "",
		}
		for variable, value := range chosen {
			t.Setenv(variable, value)
		}
		got := m.run(t, "up")
		require.Zero(t, got.code, got.stderr)
		assert.Equal(t, chosen, m.environment(t))
	})
	t.Run("a passphrase in a file", func(t *testing.T) {
		m := newMachine(t)
		t.Setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/run/secrets/passphrase")
		got := m.run(t, "up")
		require.Zero(t, got.code, got.stderr)
		assert.Equal(t, "/run/secrets/passphrase", m.environment(t)["PULUMI_CONFIG_PASSPHRASE_FILE"])
		assert.NotContains(t, m.environment(t), "PULUMI_CONFIG_PASSPHRASE")
	})
}

func TestPulumisExitCodeIsPassedOn(t *testing.T) {
	tests := map[string]struct {
		fails     string
		arguments []string
		last      string
	}{
		"of up":           {"up", []string{"up"}, "up --yes --skip-preview --stack dev"},
		"of preview":      {"preview", []string{"preview"}, "preview --diff --suppress-progress --stack dev"},
		"of destroy":      {"destroy", []string{"destroy"}, "destroy --yes --skip-preview --remove --stack dev --refresh"},
		"of stack ls":     {"ls", []string{"destroy"}, "stack ls --json --non-interactive"},
		"of stack output": {"output", []string{"up"}, "stack output --json --show-secrets --stack dev --non-interactive"},
		"of any other":    {"refresh", []string{"pulumi", "refresh"}, "refresh"},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			m := newMachine(t)
			m.withStack(t, "dev")
			m.write(t, filepath.Join(m.folder, "exit-"+test.fails), "7")
			got := m.run(t, test.arguments...)
			assert.Equal(t, 7, got.code)
			calls := m.calls(t)
			require.NotEmpty(t, calls)
			assert.Equal(t, test.last, calls[len(calls)-1], "nothing runs after a failure")
		})
	}
	t.Run("of stack select", func(t *testing.T) {
		m := newMachine(t)
		m.write(t, filepath.Join(m.folder, "exit-select"), "8")
		assert.Equal(t, 8, m.run(t, "up").code)
		assert.Len(t, m.calls(t), 2)
	})
}

func TestDestroyForgetsOnlyTheLocalStateOfNoStack(t *testing.T) {
	tests := map[string]struct {
		prepare func(*testing.T, machine)
		gone    bool
		code    int
	}{
		"the last stack takes its folders along": {func(*testing.T, machine) {}, true, 0},
		"another stack keeps them": {func(t *testing.T, m machine) {
			m.write(t, filepath.Join(m.root, ".kubetracing/state/.pulumi/stacks/kubetracing/ci.json"), "{}")
		}, false, 0},
		"a backend of the user's own is not ours to forget": {func(t *testing.T, _ machine) {
			t.Setenv("PULUMI_BACKEND_URL", "s3://bucket")
		}, false, 0},
		"a destroy that failed keeps them": {func(t *testing.T, m machine) {
			m.write(t, filepath.Join(m.folder, "exit-destroy"), "255")
		}, false, 255},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			m := newMachine(t)
			m.withStack(t, "dev")
			test.prepare(t, m)
			assert.Equal(t, test.code, m.run(t, "destroy").code)
			state := filepath.Join(m.root, ".kubetracing", "state")
			if test.gone {
				assert.NoDirExists(t, state)
				return
			}
			assert.DirExists(t, state)
		})
	}
}

// The docker provider cannot remove what is gone already.
func TestADestroyThatFailsIsTriedAgainWithWhatIsReallyThere(t *testing.T) {
	m := newMachine(t)
	m.withStack(t, "dev")
	m.tool(t, "pulumi", fakePulumi+`
case "$*" in *--refresh*) ;; destroy*) echo "No such container" >&2; exit 255 ;; esac`)
	got := m.run(t, "destroy", "--", "--parallel", "1")
	require.Zero(t, got.code, got.stderr)
	const destroy = "destroy --yes --skip-preview --remove --stack dev"
	assert.Equal(t, []string{destroy + " --parallel 1", destroy + " --refresh --parallel 1"}, m.calls(t)[2:])
	assert.Contains(t, got.stderr, "kubetracing: not everything could be removed; trying again with what is really there\n")
	assert.NoDirExists(t, filepath.Join(m.root, ".kubetracing", "state"))
}

func TestDestroyOfNoStackSaysSo(t *testing.T) {
	m := newMachine(t)
	got := m.run(t, "destroy")
	assert.Zero(t, got.code)
	assert.Equal(t, "kubetracing: there is no stack \"dev\" to destroy\n", got.stderr)
}

func TestNothingIsTouchedOnAMachineThatCannot(t *testing.T) {
	tests := map[string]struct {
		prepare func(*testing.T, machine)
		want    string
		touched bool
	}{
		"without a Docker daemon": {func(t *testing.T, m machine) {
			m.tool(t, "docker", "echo 'Cannot connect' >&2; exit 1")
		}, "kubetracing: the Docker daemon does not answer", false},
		"without tools and without a network": {func(t *testing.T, m machine) {
			require.NoError(t, os.Remove(filepath.Join(m.folder, "bin", "pulumi")))
			require.NoError(t, os.Remove(filepath.Join(m.folder, "bin", "k3d")))
			t.Setenv("PATH", filepath.Join(m.folder, "bin"))
		}, "kubetracing: pulumi is not on PATH and OFFLINE=1 forbids to download it", true},
		"without the stack's file": {func(t *testing.T, m machine) {
			require.NoError(t, os.Remove(filepath.Join(m.root, "Pulumi.dev.yaml")))
		}, `kubetracing: stack "dev" has no file`, false},
	}
	for behaviour, test := range tests {
		for _, command := range []string{"up", "preview", "destroy"} {
			t.Run(command+" "+behaviour, func(t *testing.T) {
				m := newMachine(t)
				test.prepare(t, m)
				got := m.run(t, command)
				assert.Equal(t, 1, got.code)
				assert.Contains(t, got.stderr, test.want)
				assert.Empty(t, m.calls(t))
				if !test.touched {
					assert.NoDirExists(t, filepath.Join(m.root, ".kubetracing"))
				}
			})
		}
	}
}

// self is this test binary.
func (m machine) self(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return self
}

// interruptible replaces Pulumi by a program of this binary that waits for
// interrupts and exits with their number. It gives the file that appears when
// the program runs.
func (m machine) interruptible(t *testing.T, role string) (running string) {
	t.Helper()
	m.withStack(t, "dev")
	running = filepath.Join(m.folder, "running")
	m.tool(t, "pulumi", `
[ "$*" != version ] || { echo v3.300.0; exit; }
[ "$1 $2" != "stack output" ] || { cat "$MACHINE/outputs.json"; exit; }
[ "$2" != export ] || { echo '{}'; exit; }
[ "$1" != stack ] || { cat "$MACHINE/stacks.json"; exit; }
`+roleVariable+`='`+role+`' RUNNING='`+running+`' exec '`+m.self(t)+`'`)
	return running
}

func TestPulumiMayWriteDownItsStateWhenTheProcessIsAskedToEnd(t *testing.T) {
	for _, asked := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(asked.String(), func(t *testing.T) {
			m := newMachine(t)
			running := m.interruptible(t, "interrupted pulumi")
			command := exec.CommandContext(t.Context(), m.self(t), "--root", m.root, "up")
			command.Env = append(os.Environ(), roleVariable+"=kubetracing")
			require.NoError(t, command.Start())
			require.Eventually(t, func() bool {
				_, err := os.Stat(running)
				return err == nil
			}, 20*time.Second, 10*time.Millisecond)
			require.NoError(t, command.Process.Signal(asked))
			var exit *exec.ExitError
			require.ErrorAs(t, command.Wait(), &exit)
			assert.Equal(t, 1, exit.ExitCode(), "interrupts that Pulumi got")
		})
	}
}
