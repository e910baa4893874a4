package components_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// commandScripts gives the scripts of a recorded command, by name.
func commandScripts(t *testing.T, name string) map[string]string {
	t.Helper()
	command := newEverything(t).record(t).one(t, tokenCommand, name)
	scripts := map[string]string{}
	for _, key := range []string{"create", "update", "delete"} {
		if script, ok := command.input(key).(string); ok {
			scripts[key] = script
		}
	}
	return scripts
}

func TestEveryScriptIsValidInEveryShell(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("scripts/*.sh")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	onEveryShell(t, func(t *testing.T, m *machine) {
		for _, file := range files {
			check := append(append([]string{}, m.shell...), "-n", file)
			output, err := exec.CommandContext(t.Context(), check[0], check[1:]...).CombinedOutput()
			require.NoError(t, err, "%s: %s", file, output)
			assert.Empty(t, output, file)
		}
	})
}

const (
	ours    = "k3d-traced-server-0 traced server kubetracing/test\nk3d-traced-serverlb traced loadbalancer\n"
	foreign = "k3d-traced-server-0 traced server someone/else\nk3d-traced-serverlb traced loadbalancer\n"
	// unlabelled is a cluster that `k3d cluster create traced` made.
	unlabelled = "k3d-traced-server-0 traced server\nk3d-traced-serverlb traced loadbalancer\n"
	// another cluster must never be touched.
	another = "k3d-other-server-0 other server kubetracing/test\n"
)

// k3dConfiguration has what a shell could spoil: quotes, backslashes, percent
// signs and no line break at its end.
const k3dConfiguration = "kind: Simple\nname: \"it's\\n 100%s\""

// waitsSilently is a k3d that waits until it is ended, and says so.
const waitsSilently = `trap 'echo ended > "$MACHINE/k3d-ended"; exit 143' TERM
while :; do /bin/sleep 0.05; done
`

var nodeConfig = map[string]string{"NODE_CONFIG": "0123456789ab"}

func TestClusterCreate(t *testing.T) {
	t.Parallel()
	create := commandScripts(t, "cluster-k3d")["create"]
	const created = "k3d cluster create --config -"

	t.Run("creates the cluster and notes its configuration when there is none", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "nodes", another)
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			require.Zero(t, got.code, got.stderr)
			assert.Empty(t, got.stdout, "nothing of k3d's is an output")
			assert.Equal(t, []string{created}, m.callsOf(t, "k3d"))
			assert.Equal(t, k3dConfiguration+"\n", m.read(t, "k3d-stdin"))
			assert.Equal(t, another+ours, m.read(t, "nodes"))
			assert.Contains(t, m.callsOf(t, "docker exec"),
				"docker exec k3d-traced-server-0 sh -c echo 0123456789ab > /kubetracing-config")
		})
	})

	t.Run("gives every node that runs the address that it keeps", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			// The node is not there at once, and Docker refuses the first time.
			m.file(t, "docker-inspect", `[ -e "$MACHINE/running" ] && echo true`)
			m.file(t, "docker-network", `
[ "$2" = connect ] || exit 0
echo "$*" >> "$MACHINE/connects"
[ "$(wc -l < "$MACHINE/connects")" -ge 2 ] || { echo 'Address already in use' >&2; exit 1; }
`)
			m.file(t, "k3d-create", `
sleep 0.2
: > "$MACHINE/running"
until [ "$(grep -c . "$MACHINE/connects" 2>/dev/null)" = 2 ]; do sleep 0.05; done
`)
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			require.Zero(t, got.code, got.stderr)
			const disconnect = "docker network disconnect traced k3d-traced-server-0"
			const connect = "docker network connect --ip 10.112.4.16 traced k3d-traced-server-0"
			assert.Equal(t, []string{disconnect, connect, disconnect, connect}, m.callsOf(t, "docker network"))
			assert.Contains(t, got.stderr, "Address already in use")
		})
	})

	t.Run("removes its own leftover first", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "nodes", another+ours)
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, []string{"k3d cluster delete traced", created}, m.callsOf(t, "k3d"))
			assert.Contains(t, got.stderr, "removing what an interrupted update left of cluster traced")
			assert.Equal(t, another+ours, m.read(t, "nodes"))
		})
	})

	for name, nodes := range map[string]string{
		"another stack's":  foreign,
		"nobody's":         unlabelled,
		"partly ours only": ours + "k3d-traced-server-1 traced server someone/else\n",
	} {
		t.Run("refuses a cluster that is "+name, func(t *testing.T) {
			t.Parallel()
			onEveryShell(t, func(t *testing.T, m *machine) {
				m.file(t, "nodes", nodes)
				got := m.run(t, create, k3dConfiguration, nodeConfig)
				assert.Equal(t, 1, got.code)
				assert.Empty(t, m.callsOf(t, "k3d"))
				assert.Equal(t, "kubetracing: a k3d cluster named traced exists and is not this stack's (kubetracing/test)."+
					" Rename the stack or delete that cluster.\n", got.stderr)
				assert.Equal(t, nodes, m.read(t, "nodes"))
			})
		})
	}

	t.Run("explains why the nodes did not come up and removes them", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "k3d-create", "echo 'FATA failed to start' >&2; exit 3")
			m.file(t, "docker-inspect", "echo 'exited, exit code 1, restarted 4 times'")
			m.file(t, "docker-logs", `[ "$4" = k3d-traced-server-0 ] || exit 0
echo 'level=info msg="all is well"'
echo 'level=fatal msg="unknown feature gate"' >&2
`)
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			assert.Equal(t, 1, got.code)
			assert.Equal(t, []string{created, "k3d cluster delete traced"}, m.callsOf(t, "k3d"))
			assert.Contains(t, got.stderr, "FATA failed to start")
			assert.Contains(t, got.stderr, "kubetracing: node k3d-traced-server-0: exited, exit code 1, restarted 4 times\n"+
				"    level=fatal msg=\"unknown feature gate\"\n")
			assert.NotContains(t, got.stderr, "all is well")
			assert.Empty(t, m.read(t, "nodes"))
		})
	})

	t.Run("gives up on a node that nobody hears of", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "docker-exec", "exit 1")
			m.file(t, "docker-inspect", "echo 'restarting, exit code 1, restarted 9 times'")
			m.file(t, "docker-logs", "echo 'level=fatal msg=\"no such flag\"'")
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			assert.Equal(t, 1, got.code)
			assert.Regexp(t, `only 0 of 1 node\(s\) are \w+ after 360s`, got.stderr)
			assert.Contains(t, got.stderr, "restarting, exit code 1, restarted 9 times\n    level=fatal msg=\"no such flag\"\n")
			assert.Equal(t, []string{created, "k3d cluster delete traced"}, m.callsOf(t, "k3d"))
		})
	})

	t.Run("ends k3d's silent wait when a node ends again and again", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "k3d-create", waitsSilently)
			m.file(t, "docker-inspect", `case "$3" in
{{.RestartCount}}) echo 3 ;;
{{.State.OOMKilled}}) echo false ;;
*) echo "restarting, exit code 1, restarted 3 times" ;;
esac`)
			m.file(t, "docker-logs", `echo 'unrecognized feature gate: KubeletTracing' >&2`)
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			assert.Equal(t, 1, got.code)
			assert.Equal(t, []string{created, "k3d cluster delete traced"}, m.callsOf(t, "k3d"))
			assert.Contains(t, got.stderr, "kubetracing: node k3d-traced-server-0: restarting, exit code 1, restarted 3 times\n"+
				"kubetracing: likely cause: this Kubernetes release does not know a feature gate that it is given\n")
			assert.Empty(t, m.read(t, "nodes"))
		})
	})

	t.Run("does not wait for a registered node that ends again and again", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "docker-exec", `case "$*" in *"kubectl get nodes"*) echo "k3d-traced-server-0 NotReady control-plane 1s v1"; return ;; esac`+readyNode)
			// It has ended three times more whenever it is looked at.
			m.file(t, "docker-inspect", `case "$3" in
{{.RestartCount}}) printf xxx >> "$MACHINE/restarts"; wc -c < "$MACHINE/restarts" ;;
*) echo "restarting" ;;
esac`)
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			assert.Equal(t, 1, got.code)
			assert.Contains(t, got.stderr, "kubetracing: a node ends again and again\n")
			assert.NotContains(t, got.stderr, "only 0 of 1")
		})
	})

	t.Run("takes k3d along when it is killed itself", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "k3d-create", `kill -KILL $PPID; `+waitsSilently)
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			assert.Equal(t, -1, got.code)
			assert.Eventually(t, func() bool { return m.read(t, "k3d-ended") == "ended\n" }, patience, 10*time.Millisecond)
			assert.Equal(t, []string{created}, m.callsOf(t, "k3d"))
		})
	})

	for words, cause := range map[string]string{
		"strict decoding error: unknown field \"tracing\"":    "this Kubernetes release does not accept a configuration file that it is given",
		"flag provided but not defined: -tracing":             "this k3s release does not know an argument that it is given",
		"write /var/lib/rancher: no space left on device":     "the disk of the Docker host is full",
		"failed to create watcher: too many open files":       "the Docker host allows too few inotify watches: raise fs.inotify.max_user_instances and max_user_watches",
		"exec /opt/kubetracing/containerd: exec format error": "the node image or its container runtime is built for another architecture",
		"failed to find memory cgroup (v2)":                   "the Docker host has no memory cgroup",
		"containerd: exit status 1":                           "containerd ends as soon as it starts: is runtime.bundle an upstream release for this architecture?",
		"listen tcp :6443: bind: address already in use":      "something else listens on a port that k3s needs",
	} {
		t.Run("knows the likely cause of "+words, func(t *testing.T) {
			t.Parallel()
			onEveryShell(t, func(t *testing.T, m *machine) {
				m.file(t, "k3d-create", "exit 3")
				m.file(t, "docker-logs", "[ $4 = k3d-traced-server-0 ] || exit 0; echo 'level=info msg=\"Starting k3s\"'; echo '"+words+"' >&2")
				got := m.run(t, create, k3dConfiguration, nodeConfig)
				assert.Equal(t, 1, got.code)
				assert.Contains(t, got.stderr, "kubetracing: likely cause: "+cause+"\n")
				assert.Equal(t, 1, strings.Count(got.stderr, "likely cause"))
			})
		})
	}

	t.Run("looks for the cause in containerd's own log", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "k3d-create", "exit 3")
			m.file(t, "docker-logs", "")
			m.file(t, "docker-cp", `[ "$2" = k3d-traced-server-0:/var/lib/rancher/k3s/agent/containerd/containerd.log ] || exit 0
echo 'level=error msg="mkdir: no space left on device"' > "$MACHINE/containerd.log"
tar -cf - -C "$MACHINE" containerd.log`)
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			assert.Equal(t, 1, got.code)
			assert.Contains(t, got.stderr, "    level=error msg=\"mkdir: no space left on device\"\n"+
				"kubetracing: likely cause: the disk of the Docker host is full\n")
		})
	})

	t.Run("says that a node had too little memory", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "k3d-create", "exit 3")
			m.file(t, "docker-inspect", `case "$3" in {{.State.OOMKilled}}) echo true ;; *) echo 0 ;; esac`)
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			assert.Contains(t, got.stderr, "kubetracing: likely cause: the Docker host has too little memory\n")
		})
	})

	for behaviour, test := range map[string]struct{ answers, says string }{
		"does not register": {
			`case "$*" in *"kubectl get nodes"*) return ;; esac`,
			"only 0 of 1 node(s) are registered after 360s",
		},
		"does not become ready": {
			`case "$*" in *"kubectl get nodes"*) echo "k3d-traced-server-0 NotReady control-plane 1s v1"; return ;; esac`,
			"only 0 of 1 node(s) are ready after 360s",
		},
		"is ready without a pod network": {
			`case "$*" in *"test -s /run/flannel/subnet.env") exit 1 ;; esac`,
			"only 0 of 1 node(s) are ready after 360s",
		},
	} {
		t.Run("gives up on a node that "+behaviour, func(t *testing.T) {
			t.Parallel()
			onEveryShell(t, func(t *testing.T, m *machine) {
				m.file(t, "docker-exec", test.answers+readyNode)
				m.file(t, "docker-inspect", "echo 'running, exit code 0, restarted 0 times'")
				m.file(t, "docker-logs", "echo 'E1121 12:00:00.000000 kubelet: no space left'")
				// Every look at the clock is two minutes later than the one before.
				got := m.run(t, create, k3dConfiguration, nodeConfig)
				assert.Equal(t, 1, got.code)
				assert.Contains(t, got.stderr, test.says)
				assert.Contains(t, got.stderr, "    E1121 12:00:00.000000 kubelet: no space left\n")
				assert.Equal(t, []string{created, "k3d cluster delete traced"}, m.callsOf(t, "k3d"))
			})
		})
	}

	for behaviour, test := range map[string]struct{ answers, says string }{
		"a containerd without the tracing plugin": {
			`case "$*" in *"ctr plugins ls"*) echo "io.containerd.snapshotter.v1 overlayfs linux/amd64 ok"; return ;; esac`,
			"kubetracing: containerd on k3d-traced-server-0 cannot trace: its tracing plugin is not compiled in.",
		},
		"a tracing plugin that does not run": {
			`case "$*" in *"ctr plugins ls"*) echo "io.containerd.tracing.processor.v1 otlp - error"; return ;; esac`,
			"kubetracing: containerd on k3d-traced-server-0 cannot trace: its tracing plugin is error.",
		},
		"a kubelet that did not read its file": {
			`case "$*" in *"/configz"*) echo '{"kubeletconfig":{}}'; return ;; esac`,
			"kubetracing: the kubelet on k3d-traced-server-0 has not taken its tracing configuration from kubelet.yaml",
		},
	} {
		t.Run("does not keep "+behaviour, func(t *testing.T) {
			t.Parallel()
			onEveryShell(t, func(t *testing.T, m *machine) {
				m.file(t, "docker-exec", test.answers+readyNode)
				got := m.run(t, create, k3dConfiguration, nodeConfig)
				assert.Equal(t, 1, got.code)
				assert.Contains(t, got.stderr, test.says)
				assert.Equal(t, 1, strings.Count(got.stderr, "k3d-traced-server-0"), "only what is wrong is told: %s", got.stderr)
				assert.Equal(t, []string{created, "k3d cluster delete traced"}, m.callsOf(t, "k3d"))
				assert.Empty(t, m.read(t, "nodes"))
			})
		})
	}

	t.Run("does not keep a kube-apiserver that does not know its file", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			// Only the last start counts.
			m.file(t, "docker-logs", tracedAPIServer+`echo 'level=info msg="Running kube-apiserver --secure-port=6444"' >&2`)
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			assert.Equal(t, 1, got.code)
			assert.Contains(t, got.stderr, "kubetracing: kube-apiserver on k3d-traced-server-0 runs without its tracing configuration: "+
				"k3s has not taken k3s-server.yaml\n")
			assert.Equal(t, []string{created, "k3d cluster delete traced"}, m.callsOf(t, "k3d"))
		})
	})

	t.Run("creates nothing when docker does not answer", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.tool(t, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			assert.NotZero(t, got.code)
			assert.Contains(t, got.stderr, "Cannot connect to the Docker daemon")
			assert.Empty(t, m.callsOf(t, "k3d"))
		})
	})
}

// crioAnswers is what a node says whose CRI-O has taken its configuration.
const crioAnswers = `case "$*" in *"crio status config"*) cat <<'EOF'
[crio.runtime.runtimes.crun]
[crio.runtime.runtimes.runc]
[crio.tracing]
tracing_endpoint = "otel-collector:4317"
EOF
return ;; esac
`

func TestClusterCreateAsksCRIO(t *testing.T) {
	t.Parallel()
	create := newCRIO(t, tracing.OCIRunc, tracing.OCICrun).record(t).one(t, tokenCommand, "cluster-k3d").text(t, "create")

	t.Run("and keeps a node that traces", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "docker-exec", crioAnswers+readyNode)
			got := m.run(t, create, k3dConfiguration, nodeConfig)
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, ours, m.read(t, "nodes"))
		})
	})
	for behaviour, test := range map[string]struct{ lost, says string }{
		"a CRI-O that exports elsewhere":     {"otel-collector", "kubetracing: CRI-O on k3d-traced-server-0 has not taken its tracing configuration from crio.conf\n"},
		"a CRI-O that has dropped a handler": {"runtimes.crun", "CRI-O on k3d-traced-server-0 has dropped the runtime handler crun; docker logs k3d-traced-server-0 says why\n"},
	} {
		t.Run("and does not keep "+behaviour, func(t *testing.T) {
			t.Parallel()
			onEveryShell(t, func(t *testing.T, m *machine) {
				m.file(t, "docker-exec", strings.ReplaceAll(crioAnswers, test.lost, "another")+readyNode)
				got := m.run(t, create, k3dConfiguration, nodeConfig)
				assert.Equal(t, 1, got.code)
				assert.Contains(t, got.stderr, test.says)
				assert.Empty(t, m.read(t, "nodes"))
			})
		})
	}
}

func TestClusterUpdate(t *testing.T) {
	t.Parallel()
	update := commandScripts(t, "cluster-k3d")["update"]
	running := func(digest string) string {
		return readyNode + "\n" + `case "$*" in *"cat /kubetracing-config") echo ` + digest + ` ;; esac`
	}
	const nodes = another + ours + "k3d-traced-agent-0 traced agent kubetracing/test\nk3d-traced-tools traced noRole\n"

	t.Run("does nothing when the nodes have the configuration", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "nodes", nodes)
			m.file(t, "docker-exec", running("0123456789ab"))
			got := m.run(t, update, k3dConfiguration, nodeConfig)
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, []string{"docker exec k3d-traced-server-0 cat /kubetracing-config"}, m.calls(t))
			assert.Empty(t, got.stderr)
		})
	})

	for name, digest := range map[string]string{"another configuration": "another", "no note of one": "''"} {
		t.Run("restarts k3s on every node that has "+name, func(t *testing.T) {
			t.Parallel()
			onEveryShell(t, func(t *testing.T, m *machine) {
				m.file(t, "nodes", nodes)
				m.file(t, "docker-exec", running(digest))
				got := m.run(t, update, k3dConfiguration, nodeConfig)
				require.Zero(t, got.code, got.stderr)
				var restarted []string
				for _, call := range m.calls(t) {
					if node, ok := strings.CutSuffix(call, " sh /etc/kubetracing/k3s.sh restart"); ok {
						restarted = append(restarted, node)
					}
				}
				assert.Equal(t, []string{"docker exec k3d-traced-server-0", "docker exec k3d-traced-agent-0"}, restarted)
				assert.Empty(t, changes(t, m), "no container is restarted")
				assert.Contains(t, m.calls(t), "docker exec k3d-traced-server-0 sh -c echo 0123456789ab > /kubetracing-config")
			})
		})
	}

	const cannotRestart = `case "$*" in *"k3s.sh restart") exit 1 ;; esac` + "\n"
	t.Run("kills and starts a node whose k3s does not restart", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "nodes", nodes)
			m.file(t, "docker-exec", cannotRestart+running("another"))
			got := m.run(t, update, k3dConfiguration, nodeConfig)
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, []string{
				"docker kill --signal KILL k3d-traced-server-0", "docker kill --signal KILL k3d-traced-agent-0",
				"docker start k3d-traced-server-0", "docker start k3d-traced-agent-0",
			}, changes(t, m), "a node that is stopped would drain itself; load balancer and tools stay as they are")
		})
	})

	for behaviour, test := range map[string]struct{ answers, says string }{
		"whose kube-apiserver is not ready again": {
			`case "$*" in *"k3d-traced-server-0 kubectl get --raw /readyz") exit 1 ;; esac`, "only 0 of 1 node(s) are answering",
		},
		"whose kubelet does not answer": {
			`case "$*" in *"/proxy/healthz") exit 1 ;; esac`, "only 0 of 1 node(s) are answering",
		},
		"whose kubelet did not read its file": {
			`case "$*" in *"/configz"*) echo '{"kubeletconfig":{}}'; return ;; esac`, "has not taken its tracing configuration",
		},
	} {
		t.Run("fails with a node "+behaviour+", and notes nothing", func(t *testing.T) {
			t.Parallel()
			onEveryShell(t, func(t *testing.T, m *machine) {
				m.file(t, "nodes", ours)
				m.file(t, "docker-exec", test.answers+"\n"+running("another"))
				m.file(t, "docker-inspect", "echo 'running, exit code 0, restarted 0 times'")
				got := m.run(t, update, "", nodeConfig)
				assert.Equal(t, 1, got.code)
				assert.Contains(t, got.stderr, test.says)
				assert.NotContains(t, m.read(t, "calls"), "> /kubetracing-config")
			})
		})
	}

	t.Run("starts a node that was not running", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "nodes", ours)
			m.file(t, "docker-exec", cannotRestart+running("another"))
			m.file(t, "docker-kill", "echo 'is not running' >&2; exit 1")
			got := m.run(t, update, "", nodeConfig)
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, []string{"docker start k3d-traced-server-0"}, m.callsOf(t, "docker start"))
		})
	})

	t.Run("fails when a restarted node does not trace, and notes nothing", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "nodes", ours)
			m.file(t, "docker-exec", `case "$*" in *"/configz"*) echo '{"kubeletconfig":{}}'; return ;; esac`+running("another"))
			got := m.run(t, update, "", nodeConfig)
			assert.Equal(t, 1, got.code)
			assert.Contains(t, got.stderr, "the kubelet on k3d-traced-server-0 has not taken its tracing configuration")
			assert.NotContains(t, m.read(t, "calls"), "> /kubetracing-config")
		})
	})

	t.Run("fails when a node cannot be started, and notes nothing", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "nodes", ours)
			m.file(t, "docker-exec", cannotRestart+running("another"))
			m.file(t, "docker-start", "echo 'no such container' >&2; exit 1")
			got := m.run(t, update, "", nodeConfig)
			assert.NotZero(t, got.code)
			assert.Contains(t, got.stderr, "no such container")
			assert.NotContains(t, m.read(t, "calls"), "> /kubetracing-config")
		})
	})
}

// changes are the calls that do something to a container.
func changes(t *testing.T, m *machine) []string {
	t.Helper()
	return append(m.callsOf(t, "docker kill"), m.callsOf(t, "docker start")...)
}

func TestClusterDelete(t *testing.T) {
	t.Parallel()
	remove := commandScripts(t, "cluster-k3d")["delete"]
	// Whoever destroys the stack may have any environment.
	elsewhere := map[string]string{"CLUSTER": "other", "OWNER": "someone/else", "OWNER_LABEL": "x", "NODE_CONFIG": ""}
	tests := map[string]struct {
		nodes, left string
		want        []string
		says        string
	}{
		"an absent cluster is no work":      {another, another, nil, ""},
		"its own cluster goes, by name":     {another + ours, another, []string{"k3d cluster delete traced"}, ""},
		"another stack's cluster is spared": {foreign, foreign, nil, "the k3d cluster traced is not this stack's (kubetracing/test) any more; leaving it alone"},
		"nobody's cluster is spared":        {unlabelled, unlabelled, nil, "leaving it alone"},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			onEveryShell(t, func(t *testing.T, m *machine) {
				m.file(t, "nodes", test.nodes)
				got := m.run(t, remove, "", elsewhere)
				require.Zero(t, got.code, got.stderr)
				assert.Equal(t, test.want, m.callsOf(t, "k3d"))
				assert.Equal(t, test.left, m.read(t, "nodes"))
				if test.says == "" {
					assert.Empty(t, got.stderr)
				}
				assert.Contains(t, got.stderr, test.says)
			})
		})
	}

	t.Run("a deletion that fails is a failure", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "nodes", ours)
			m.file(t, "k3d-delete", "exit 5")
			assert.Equal(t, 5, m.run(t, remove, "", nil).code)
		})
	})

	t.Run("a Docker daemon that does not answer is not an absent cluster", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.tool(t, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
			got := m.run(t, remove, "", nil)
			assert.NotZero(t, got.code, "or the stack would forget a cluster that still runs")
			assert.Contains(t, got.stderr, "Cannot connect to the Docker daemon")
		})
	})
}

func TestTheWaitForAHealthyContainer(t *testing.T) {
	t.Parallel()
	everything := newEverything(t).record(t)
	probed, checked := everything.one(t, tokenCommand, "collector-healthy"), everything.one(t, tokenCommand, "jaeger-healthy")
	// A look at the clock is two minutes later than the one before: there is time for three.
	const timeout = "300"

	t.Run("asks from another container where there is no health check", func(t *testing.T) {
		t.Parallel()
		const probe = "docker exec traced-jaeger wget -q -O /dev/null http://otel-collector:13133/"
		environment := probed.environment(t)
		environment["TIMEOUT_SECONDS"] = timeout
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "docker-exec", `printf x >> "$MACHINE/tries"; [ "$(wc -c < "$MACHINE/tries")" -ge 3 ]`)
			m.file(t, "docker-inspect", "echo 'false false'")
			got := m.run(t, probed.text(t, "create"), "", environment)
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, []string{probe, probe, probe}, m.callsOf(t, "docker exec"))
			assert.Empty(t, m.callsOf(t, "docker logs"))
			assert.Equal(t, "kubetracing: waiting for the Collector to be healthy, 120s\n"+
				"kubetracing: waiting for the Collector to be healthy, 240s\n", got.stderr)
		})
	})

	t.Run("does not wait for one that is gone", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "docker-inspect", "echo 'Error: No such object: traced-jaeger' >&2; exit 1")
			got := m.run(t, checked.text(t, "create"), "", checked.environment(t))
			assert.Equal(t, 1, got.code)
			assert.Contains(t, got.stderr, "Error: No such object: traced-jaeger\n")
			assert.NotContains(t, got.stderr, "waiting")
		})
	})

	// An error, its stack trace, and so many lines after it that it is none of the last.
	const words = `printf '%s\n' 'ERROR: wrong password' '	at org.elasticsearch.Node.start(Node.java:1)' '	... 12 more' 1 2 3 4 5`
	const shown = "ERROR: wrong password\n2\n3\n4\n5"
	tests := map[string]struct {
		// The container's state, as docker inspect would print it.
		health, restarting, killed, checks string
		code                               int
		says                               []string
	}{
		"ends at once for one that is healthy": {"healthy", "false", "false", "200 200 ", 0, nil},
		"shows errors and last words without stack traces when the time is over": {"starting", "false", "false", "000 503 401 401 401 ", 1, []string{
			"kubetracing: waiting for Jaeger to be healthy, 120s", "kubetracing: waiting for Jaeger to be healthy, 240s",
			"kubetracing: Jaeger (traced-jaeger) is not healthy after 360s. Its last words:", shown,
		}},
		"does not go on for one that ends again and again": {"starting", "true", "false", "", 1, []string{
			"kubetracing: Jaeger (traced-jaeger) ends again and again. Its last words:", shown,
		}},
		"does not go on for one that refuses the password": {"starting", "false", "false", "401 401 401 401 401 ", 1, []string{
			"kubetracing: waiting for Jaeger to be healthy, 120s",
			"kubetracing: Jaeger (traced-jaeger) refuses its password: its volume began with another one, see docs/storage.md. Its last words:",
			shown,
		}},
		"says that its memory did not do": {"starting", "true", "true", "", 1, []string{
			"kubetracing: Jaeger (traced-jaeger) was killed, as it needs more memory than it may use. Its last words:", shown,
		}},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			environment := checked.environment(t)
			environment["TIMEOUT_SECONDS"] = timeout
			onEveryShell(t, func(t *testing.T, m *machine) {
				m.file(t, "docker-inspect", fmt.Sprintf(
					"echo '%s %s %s %s'", test.killed, test.restarting, test.health, test.checks))
				m.file(t, "docker-logs", words)
				got := m.run(t, checked.text(t, "create"), "", environment)
				assert.Equal(t, test.code, got.code)
				assert.Equal(t, strings.Join(test.says, "\n"), strings.TrimSuffix(got.stderr, "\n"))
				assert.Empty(t, got.stdout)
			})
		})
	}
}

func TestNodeImageScripts(t *testing.T) {
	t.Parallel()
	scripts := commandScripts(t, "node-image-present")
	tag, err := newEverything(t).nodeImage().Tag()
	require.NoError(t, err)

	const listNameless = "docker image ls --quiet --filter dangling=true --filter label=kubetracing.stack=kubetracing/test"
	t.Run("fails when the build left no image", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "docker-image", "echo 'No such image' >&2; exit 1")
			got := m.run(t, scripts["create"], "", nil)
			assert.NotZero(t, got.code)
			assert.Contains(t, got.stderr, "No such image")
			assert.Equal(t, []string{"docker image inspect --format {{.Id}} " + tag}, m.calls(t))
		})
	})
	t.Run("removes the image, whatever the environment says", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			got := m.run(t, scripts["delete"], "", map[string]string{"IMAGE": "someone/elses:image"})
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, []string{"docker image rm " + tag, listNameless}, m.calls(t))
			assert.Empty(t, got.stdout)
		})
	})
	t.Run("removes what has lost its name, unless something runs from it", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "docker-image", `case "$2 $3" in "ls "*) echo used; echo unused ;; "rm used") echo 'image is in use' >&2; exit 1 ;; esac`)
			got := m.run(t, scripts["delete"], "", nil)
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, []string{"docker image rm " + tag, listNameless, "docker image rm used", "docker image rm unused"}, m.calls(t))
			assert.Empty(t, got.stderr)
		})
	})
	t.Run("an image that is gone is no work", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "docker-image", `[ "$2" = ls ] || { echo "Error: No such image: x" >&2; exit 1; }`)
			got := m.run(t, scripts["delete"], "", nil)
			require.Zero(t, got.code, got.stderr)
			assert.Empty(t, got.stderr)
		})
	})
	t.Run("an image that cannot be removed is a failure", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "docker-image", `[ "$2" = inspect ] || { echo 'image is in use' >&2; exit 1; }`)
			got := m.run(t, scripts["delete"], "", nil)
			assert.NotZero(t, got.code)
			assert.Contains(t, got.stderr, "image is in use")
		})
	})
}

func TestChurnScript(t *testing.T) {
	t.Parallel()
	churn := newEverything(t).record(t).one(t, tokenCommand, "workloads-churn").text(t, "create")
	const kubectl = "docker exec -i k3d-traced-server-0 kubectl --namespace kubetracing "
	const wait = kubectl + "wait --for jsonpath={.status.phase}=Succeeded --timeout 120s pods --selector kubetracing=churn"

	t.Run("creates, waits and deletes", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "docker-exec", `case "$*" in *" create "*) cat > "$MACHINE/created" ;; *" delete "*) cat > "$MACHINE/deleted" ;; esac`)
			got := m.run(t, churn, "", nil)
			require.Zero(t, got.code, got.stderr)
			assert.Empty(t, got.stdout)
			assert.Equal(t, []string{
				kubectl + "delete --ignore-not-found --filename -", kubectl + "create --filename -", wait, kubectl + "delete --filename -",
			}, m.calls(t))
			created := m.read(t, "created")
			assert.Equal(t, 5, strings.Count(created, "kind: Pod"))
			assert.Equal(t, 20, strings.Count(created, "kind: ConfigMap"))
			assert.Equal(t, created, m.read(t, "deleted"))
			for document := range strings.SplitSeq(created, "---\n") {
				var object map[string]any
				require.NoError(t, yaml.Unmarshal([]byte(document), &object), document)
			}
		})
	})
	t.Run("shows pods that do not run to their end", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.file(t, "docker-exec", `case "$*" in *" wait "*) exit 1 ;; *" events "*) echo "Failed to pull image" ;; *) cat > /dev/null ;; esac`)
			got := m.run(t, churn, "", nil)
			assert.Equal(t, 1, got.code)
			assert.Contains(t, got.stderr, "kubetracing: the pods of churn did not run to their end:\nFailed to pull image\n")
		})
	})
}

func TestVerifyScript(t *testing.T) {
	t.Parallel()
	recorded := newEverything(t).record(t)
	environment := map[string]string{"JAEGER_URL": "http://127.0.0.1:16686"}
	// The program is named by a path, not found on PATH.
	script := func(name string, m *machine) string {
		return strings.Replace(recorded.one(t, tokenCommand, name).text(t, "create"),
			"'../bin/kubetracing'", "'"+filepath.Join(m.folder, "bin", "kubetracing")+"'", 1)
	}
	// withAfter is the environment of an update after a check that printed something.
	withAfter := func(after, printed string) map[string]string {
		return map[string]string{"JAEGER_URL": environment["JAEGER_URL"], "AFTER": after, "PULUMI_COMMAND_STDOUT": printed}
	}
	const arguments = "kubetracing verify --jaeger http://127.0.0.1:16686 --timeout 1m30s --expectations - --output json" +
		" --container traced-collector --container k3d-traced-server-0"

	t.Run("counts what is younger than the youngest container", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.tool(t, "kubetracing", "cat")
			m.file(t, "docker-inspect", "printf '%s\\n' 2026-01-01T10:00:02.5Z 2026-01-01T10:00:07.25Z 2026-01-01T10:00:01Z")
			got := m.run(t, script("verification-services", m), "- name: kubelet\n", environment)
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, "- name: kubelet\n", got.stdout, "the expectations reach the program")
			assert.Equal(t, []string{
				"docker inspect --format {{.State.StartedAt}} traced-collector k3d-traced-server-0",
				"docker exec traced-collector cat /run/kubetracing/k3s.started",
				"docker exec k3d-traced-server-0 cat /run/kubetracing/k3s.started",
				arguments + " --since 2026-01-01T10:00:07.25Z",
			}, m.calls(t))
		})
	})
	t.Run("counts what is younger than a k3s that has restarted since", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.tool(t, "kubetracing", "cat")
			m.file(t, "docker-inspect", "printf '%s\\n' 2026-01-01T10:00:02.5Z 2026-01-01T10:00:07.25Z")
			m.file(t, "docker-exec", `case "$*" in *"server-0 cat /run/kubetracing/k3s.started") echo 2026-01-01T10:03:00Z ;; *) exit 1 ;; esac`)
			got := m.run(t, script("verification-services", m), "- name: kubelet\n", environment)
			require.Zero(t, got.code, got.stderr)
			assert.Contains(t, m.calls(t), arguments+" --since 2026-01-01T10:03:00Z")
		})
	})
	t.Run("looks at everything that Jaeger has", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.tool(t, "kubetracing", "cat")
			got := m.run(t, script("verification-echo", m), "{}\n", withAfter("cluster echo", ""))
			require.Zero(t, got.code, got.stderr)
			assert.Equal(t, []string{arguments}, m.calls(t))
			assert.Equal(t, "{}\nafter cluster echo\n", got.stdout, "what was seen, and after what")
		})
	})
	const seen = `{"traces":{"echo":"http://127.0.0.1:26686/trace/1"}}` + "\nafter cluster echo"
	t.Run("does not look again for a workload that has not run again", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.tool(t, "kubetracing", "exit 2")
			got := m.run(t, script("verification-echo", m), "", withAfter("cluster echo", seen))
			require.Zero(t, got.code, got.stderr)
			assert.Empty(t, m.calls(t))
			assert.Equal(t, strings.Replace(seen, "26686", "16686", 1)+"\n", got.stdout, "links lead to where Jaeger is now")
		})
	})
	t.Run("looks again for one that has", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.tool(t, "kubetracing", "exit 2")
			got := m.run(t, script("verification-echo", m), "", withAfter("cluster-2 echo", seen))
			assert.Equal(t, 2, got.code)
			assert.Equal(t, []string{arguments}, m.calls(t))
		})
	})
	t.Run("looks for services again whatever was seen before", func(t *testing.T) {
		t.Parallel()
		onEveryShell(t, func(t *testing.T, m *machine) {
			m.tool(t, "kubetracing", "exit 2")
			m.file(t, "docker-inspect", "echo 2026-01-01T10:00:02.5Z")
			assert.Equal(t, 2, m.run(t, script("verification-services", m), "", withAfter("cluster echo", seen)).code)
		})
	})
}

func TestNodeConfigWritesTheFiles(t *testing.T) {
	t.Parallel()
	command := newEverything(t).record(t).one(t, tokenCommand, "node-config-files")
	environment := command.environment(t)
	// What a shell could spoil.
	environment["FILE_a_b__txt"] = "it's \"$HOME\" `id` $(id) \\n 100%s\n-n\n\nlast line without a break"

	onEveryShell(t, func(t *testing.T, m *machine) {
		volume := filepath.Join(m.folder, "volume")
		require.NoError(t, os.Mkdir(volume, 0o755))
		m.file(t, "volume/left-over.yaml", "of an earlier configuration")
		// The fake container has the variables that it is given and no others, and
		// the volume in the place of /config.
		m.file(t, "docker-run", `
unset kept
while [ "$1" != -c ]; do
  case "$1" in FILE_*) kept="${kept-} \"$1=\$$1\"" ;; esac
  shift
done
script=$(printf '%s' "$2" | sed "s#/config#$MACHINE/volume#g")
eval "env -i PATH=/usr/bin:/bin ${kept-} /bin/sh -c \"\$script\""
`)
		got := m.run(t, command.text(t, "create"), "", environment)
		require.Zero(t, got.code, got.stderr)
		assert.Empty(t, got.stdout)

		calls := m.read(t, "calls")
		before, _, _ := strings.Cut(calls, "<--entrypoint>")
		arguments := strings.Split(strings.Trim(before, "<>"), "><")
		require.Greater(t, len(arguments), 7)
		assert.Equal(t, []string{"docker", "run", "--rm", "--network", "none", "--volume", "traced-tracing:/config"}, arguments[:7])
		var passed []string
		for i := 7; i < len(arguments); i += 2 {
			assert.Equal(t, "--env", arguments[i])
			passed = append(passed, arguments[i+1])
		}
		assert.ElementsMatch(t, []string{
			"FILE_a_b__txt", "FILE_apiserver_tracing__yaml", "FILE_containerd__env", "FILE_containerd__sh", "FILE_k3s__sh",
			"FILE_k3s_server__yaml", "FILE_kubelet__yaml",
		}, passed, "by name, so that no file stands in a process list")
		assert.Contains(t, calls, "<--entrypoint></bin/sh><busybox:1.37.0><-c>")

		files, err := os.ReadDir(volume)
		require.NoError(t, err)
		written := map[string]string{}
		for _, file := range files {
			written[file.Name()] = m.read(t, "volume/"+file.Name())
		}
		assert.Equal(t, map[string]string{
			"a-b.txt":                environment["FILE_a_b__txt"],
			"apiserver-tracing.yaml": environment["FILE_apiserver_tracing__yaml"],
			"containerd.env":         environment["FILE_containerd__env"],
			"k3s.sh":                 environment["FILE_k3s__sh"],
			"containerd.sh":          environment["FILE_containerd__sh"],
			"k3s-server.yaml":        environment["FILE_k3s_server__yaml"],
			"kubelet.yaml":           environment["FILE_kubelet__yaml"],
		}, written)
	})
}

func TestNodeConfigFailsWhenDockerDoes(t *testing.T) {
	t.Parallel()
	command := newEverything(t).record(t).one(t, tokenCommand, "node-config-files")
	onEveryShell(t, func(t *testing.T, m *machine) {
		m.file(t, "docker-run", "exit 125")
		assert.Equal(t, 125, m.run(t, command.text(t, "create"), "", command.environment(t)).code)
	})
}

func TestLiteralValuesSurviveTheShell(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	// All that a shell could act on but '$', which k3d's configuration refuses.
	stack.spec.Name = "it's \"one\" `touch pwned` ; exit 3 # \\ ''name'"
	kubeconfig := stack.record(t).one(t, tokenCommand, "cluster-kubeconfig").text(t, "create")
	onEveryShell(t, func(t *testing.T, m *machine) {
		got := m.run(t, kubeconfig, "", map[string]string{"CLUSTER": "other"})
		require.Zero(t, got.code, got.stderr)
		assert.Equal(t, []string{"k3d kubeconfig get " + stack.spec.Name}, m.calls(t))
	})
}
