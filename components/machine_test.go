package components_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// machine is a computer with fake docker and k3d commands, on which scripts run.
type machine struct {
	folder string
	shell  []string
	// prelude is put in front of scripts: functions that replace commands which
	// some shells would not look up on PATH.
	prelude string
}

// patience is far more than any script needs here; a script that hangs fails.
const patience = time.Minute

// fakeDocker knows containers, one a line in the file nodes: name, cluster,
// role, owner. Other subcommands do what a file named after them says.
const fakeDocker = `
if [ "$1" = ps ]; then
  cluster= role= format=
  while [ $# -gt 0 ]; do
    case "$1" in
    --filter)
      case "$2" in
      label=k3d.cluster=*) cluster=${2#label=k3d.cluster=} ;;
      label=k3d.role=*) role=${2#label=k3d.role=} ;;
      label=k3d.role) ;;
      *) exit 64 ;;
      esac
      shift ;;
    --format) format=$2; shift ;;
    esac
    shift
  done
  while read -r name c r owner; do
    [ "$c" = "$cluster" ] || continue
    [ -z "$role" ] || [ "$r" = "$role" ] || continue
    case "$format" in
    '{{.ID}}' | '{{.Names}}') echo "$name" ;;
    *'{{.Label "kubetracing.stack"}}') echo "${format%%\{*}$owner" ;;
    *) exit 64 ;;
    esac
  done < "$MACHINE/nodes"
  exit 0
fi
subcommand=$1
[ "$subcommand" != inspect ] || [ -f "$MACHINE/docker-inspect" ] || case "$3" in {{.RestartCount}}) echo 0 ;; esac
[ ! -f "$MACHINE/docker-$subcommand" ] || . "$MACHINE/docker-$subcommand"
`

// fakeK3d creates and deletes clusters of one server and a load balancer.
const fakeK3d = `
case "$1 $2" in
"cluster create")
  cat > "$MACHINE/k3d-stdin"
  printf '%s\n' "k3d-traced-server-0 traced server kubetracing/test" "k3d-traced-serverlb traced loadbalancer" >> "$MACHINE/nodes"
  [ ! -f "$MACHINE/k3d-create" ] || . "$MACHINE/k3d-create" ;;
"cluster delete")
  [ ! -f "$MACHINE/k3d-delete" ] || . "$MACHINE/k3d-delete"
  grep -v " $3 " "$MACHINE/nodes" > "$MACHINE/nodes.new" || :
  mv "$MACHINE/nodes.new" "$MACHINE/nodes" ;;
esac
`

// readyNode answers for a node that is ready and traces.
const readyNode = `
case "$*" in
*"kubectl get nodes"*) echo "k3d-traced-server-0 Ready control-plane 1s v1.37.0" ;;
*"ctr plugins ls"*) echo "io.containerd.tracing.processor.v1 otlp - ok" ;;
*"nodes/k3d-traced-server-0/proxy/configz"*) echo '{"kubeletconfig":{"tracing":{"endpoint":"otel-collector:4317"}}}' ;;
esac
`

// tracedAPIServer is what k3s logs when it starts a kube-apiserver that traces.
const tracedAPIServer = `
echo 'level=info msg="Running kube-apiserver --secure-port=6444 --tracing-config-file=/etc/kubetracing/apiserver-tracing.yaml"' >&2
`

func newMachine(t *testing.T, shell []string) *machine {
	t.Helper()
	m := &machine{folder: t.TempDir(), shell: shell}
	// Nobody waits long for a test: every look at the clock is two minutes later than
	// the one before.
	clock := "'" + filepath.Join(m.folder, "clock") + "'"
	m.prelude = "sleep() { /bin/sleep 0.01; }\ndate() { printf x >> " + clock + "; echo $((120 * $(wc -c < " + clock + "))); }\n"
	m.tool(t, "docker", fakeDocker)
	m.tool(t, "k3d", fakeK3d)
	m.file(t, "nodes", "")
	m.file(t, "docker-exec", readyNode)
	m.file(t, "docker-logs", tracedAPIServer)
	return m
}

// tool puts a command first on PATH; it notes its arguments and runs body.
func (m *machine) tool(t *testing.T, name, body string) {
	t.Helper()
	text := "#!/bin/sh\nMACHINE='" + m.folder + "'\n" +
		`line=$(printf '<%s>' "` + name + `" "$@"); printf '%s\n' "$line" >> "$MACHINE/calls"` + "\n" + body
	// A file that a concurrent fork holds open for writing cannot be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.NoError(t, os.MkdirAll(filepath.Join(m.folder, "bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(m.folder, "bin", name), []byte(text), 0o755))
}

// file writes what a fake command reads.
func (m *machine) file(t *testing.T, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(m.folder, name), []byte(content), 0o644))
}

// read gives what a fake command wrote.
func (m *machine) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(m.folder, name))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	require.NoError(t, err)
	return string(content)
}

// calls lists what was called with which arguments, as "docker start NODE",
// but for looks at what is there.
func (m *machine) calls(t *testing.T) []string {
	t.Helper()
	var calls []string
	for line := range strings.Lines(m.read(t, "calls")) {
		call := strings.ReplaceAll(strings.Trim(line, "<>\n"), "><", " ")
		if !strings.HasPrefix(call, "docker ps ") && !strings.HasPrefix(call, "docker inspect --format {{.RestartCount}} ") {
			calls = append(calls, call)
		}
	}
	return calls
}

// callsOf lists the calls that begin with a prefix.
func (m *machine) callsOf(t *testing.T, prefix string) []string {
	t.Helper()
	var calls []string
	for _, call := range m.calls(t) {
		if strings.HasPrefix(call, prefix) {
			calls = append(calls, call)
		}
	}
	return calls
}

type outcome struct {
	code           int
	stdout, stderr string
}

// run runs a script as Pulumi's command provider does, in an environment that
// has nothing else.
func (m *machine) run(t *testing.T, script, stdin string, environment map[string]string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	arguments := append(append([]string{}, m.shell[1:]...), "-c", m.prelude+script)
	command := exec.CommandContext(ctx, m.shell[0], arguments...)
	// Its children go with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.Stdin = strings.NewReader(stdin)
	command.Env = []string{"PATH=" + filepath.Join(m.folder, "bin") + ":/usr/bin:/bin"}
	for key, value := range environment {
		command.Env = append(command.Env, key+"="+value)
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	require.NoError(t, ctx.Err(), "the script hangs; so far it said: %s", &stderr)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return outcome{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// onEveryShell runs a test with every POSIX shell that there is: /bin/sh is
// another program on every system.
func onEveryShell(t *testing.T, test func(t *testing.T, m *machine)) {
	t.Helper()
	shells := map[string][]string{"sh": {"/bin/sh"}}
	for name, extra := range map[string][]string{"dash": nil, "busybox": {"sh"}} {
		if path, err := exec.LookPath(name); err == nil {
			shells[name] = append([]string{path}, extra...)
		}
	}
	if path, err := exec.LookPath("bash"); err == nil {
		shells["bash"] = []string{path, "--posix"}
	}
	for name, shell := range shells {
		t.Run(fmt.Sprintf("in %s", name), func(t *testing.T) {
			t.Parallel()
			test(t, newMachine(t, shell))
		})
	}
}
