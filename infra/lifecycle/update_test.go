package lifecycle_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

// restartK3s returns the command that restarts k3s in a node.
func restartK3s(node string) string {
	return "docker exec " + node + " sh /etc/kubetracing/k3s.sh restart"
}

// running is a host whose cluster of a server, an agent and helpers runs with another
// configuration.
func running(h *host) {
	h.world.Set(append(ours(), another(), node("traced", "agent-0", "agent", labels(stack, state)), node("traced", "tools", "noRole", nil))...)
	h.healthy(agent)
	h.On(dockertest.Command(listNodes), dockertest.Print(nodeList(true, server, agent)))
	h.On(dockertest.Command(readConfig), dockertest.Print("another\n"))
}

// restarts lists the commands that restart k3s.
func restarts(h *host) []string {
	var lines []string
	for _, call := range h.Lines("docker", "exec") {
		if strings.HasSuffix(call, " restart") {
			lines = append(lines, call)
		}
	}
	return lines
}

func TestManager_UpdateCluster(t *testing.T) {
	update := func(t *testing.T, h *host) error {
		t.Helper()
		return h.manager().UpdateCluster(t.Context(), document(agent), state, digest)
	}

	inBubble(t, "does nothing when the nodes have the configuration", func(t *testing.T, h *host) {
		running(h)
		h.On(dockertest.Command(readConfig), dockertest.Print(digest+"\n"))
		require.NoError(t, update(t, h))
		assert.Empty(t, restarts(h))
		assert.Empty(t, h.changes())
		assert.Empty(t, h.stderr.String())
	})

	for name, recorded := range map[string]dockertest.Answer{
		"another configuration": dockertest.Print("another\n"), "no record of one": dockertest.Fail("No such file"),
	} {
		inBubble(t, "restarts k3s on every node with "+name, func(t *testing.T, h *host) {
			running(h)
			h.On(dockertest.Command(readConfig), recorded)
			require.NoError(t, update(t, h))
			assert.Equal(t, []string{restartK3s(server), restartK3s(agent)}, restarts(h))
			assert.Equal(t, []string{recordConfig}, h.changes(), "no container is restarted")
			assert.Equal(t, digest+"\n", h.Calls("docker", "exec", "--interactive")[0].Stdin)
			requireLines(t, []string{
				"kubetracing: restarting k3s on node k3d-traced-server-0 with its new configuration",
				"kubetracing: restarting k3s on node k3d-traced-agent-0 with its new configuration",
				"kubetracing: waiting for 2 nodes to be answering", "kubetracing: waiting for 2 nodes to be ready",
			}, h.stderr.String())
		})
	}

	inBubble(t, "kills and starts a node whose k3s does not restart", func(t *testing.T, h *host) {
		running(h)
		h.On(dockertest.Command(restartK3s(server)), dockertest.Fail("no answer"))
		h.On(dockertest.Command("docker kill --signal KILL "+server), dockertest.Answer{})
		h.On(dockertest.Command("docker start "+server), dockertest.Answer{})
		require.NoError(t, update(t, h))
		assert.Equal(t, []string{"docker kill --signal KILL " + server, "docker start " + server, recordConfig}, h.changes(),
			"a node that is stopped would drain itself")
		assert.Contains(t, h.stderr.String(), "kubetracing: k3s on node k3d-traced-server-0 does not restart; restarting the node: ")
		assert.Contains(t, h.stderr.String(), "no answer\n")
	})

	inBubble(t, "starts a node that did not run", func(t *testing.T, h *host) {
		running(h)
		h.On(dockertest.Command(restartK3s(agent)), dockertest.Fail("is not running"))
		h.On(dockertest.Command("docker kill --signal KILL "+agent), dockertest.Fail("is not running"))
		h.On(dockertest.Command("docker start "+agent), dockertest.Answer{})
		require.NoError(t, update(t, h))
		assert.Equal(t, []string{"docker start " + agent}, h.Lines("docker", "start"))
	})

	inBubble(t, "fails when a node cannot be started", func(t *testing.T, h *host) {
		running(h)
		h.On(dockertest.Command(restartK3s(server)), dockertest.Fail("no answer"))
		h.On(dockertest.Command("docker kill --signal KILL "+server), dockertest.Answer{})
		h.On(dockertest.Command("docker start "+server), dockertest.Fail("driver failed"))
		err := update(t, h)
		require.ErrorContains(t, err, "update cluster traced: restart node k3d-traced-server-0: ")
		require.ErrorContains(t, err, "driver failed")
		assert.NotContains(t, h.changes(), recordConfig)
	})

	proxy := func(node, path string) string {
		return "docker exec " + server + " kubectl get --raw /api/v1/nodes/" + node + "/proxy/" + path
	}
	for name, test := range map[string]struct {
		command string
		answer  dockertest.Answer
		message string
	}{
		"whose kube-apiserver is not ready again": {
			"docker exec " + server + " kubectl get --raw /readyz", dockertest.Fail(""), "only 1 of 2 nodes are answering after 300s",
		},
		"whose kubelet does not answer": {proxy(agent, "healthz"), dockertest.Fail(""), "only 1 of 2 nodes are answering after 300s"},
		"whose kubelet did not read its file": {
			proxy(agent, "configz"), dockertest.Print(`{"kubeletconfig":{}}`),
			"the kubelet on k3d-traced-agent-0 has not read its tracing configuration from kubelet.yaml",
		},
		"whose kubelet does not say": {proxy(agent, "configz"), dockertest.Fail("forbidden"), "check what the nodes trace: docker exec"},
	} {
		inBubble(t, "fails with a node "+name+" and records nothing", func(t *testing.T, h *host) {
			running(h)
			h.On(dockertest.Command(test.command), test.answer)
			require.ErrorContains(t, update(t, h), "update cluster traced: "+test.message)
			assert.NotContains(t, h.changes(), recordConfig)
			assert.Empty(t, h.Lines("k3d"), "an update removes nothing")
		})
	}

	inBubble(t, "refuses a cluster of another state", func(t *testing.T, h *host) {
		h.world.Set(node("traced", "server-0", "server", labels(stack, "STATE-B")))
		require.ErrorContains(t, update(t, h), "it seems to belong to stack kubetracing/test with another state (STATE-B)")
		assert.Empty(t, restarts(h))
	})

	inBubble(t, "fails at once without a cluster", func(t *testing.T, h *host) {
		require.EqualError(t, update(t, h), "update cluster traced: it does not exist")
	})
}

func TestManager_StartCluster(t *testing.T) {
	inBubble(t, "starts nodes before helpers and waits for the nodes", func(t *testing.T, h *host) {
		running(h)
		h.On(dockertest.Command("docker start "+dockertest.Rest), dockertest.Answer{})
		require.NoError(t, h.manager().StartCluster(t.Context(), document(agent), state))
		assert.Equal(t, []string{
			"docker start " + server, "docker start " + agent, "docker start k3d-traced-serverlb", "docker start k3d-traced-tools",
		}, h.changes())
	})
	inBubble(t, "explains why a node does not come back", func(t *testing.T, h *host) {
		running(h)
		h.On(dockertest.Command("docker start "+dockertest.Rest), dockertest.Answer{})
		h.On(dockertest.Command(listNodes), dockertest.Print(nodeList(true, server)))
		h.On(dockertest.Command("docker logs --tail 2000 "+agent), dockertest.Print("E1121 12:00:00.000000 kubelet: no space left\n"))
		err := h.manager().StartCluster(t.Context(), document(agent), state)
		require.EqualError(t, err, "start cluster traced: only 1 of 2 nodes are answering after 300s")
		assert.Contains(t, h.stderr.String(), "kubetracing: node k3d-traced-agent-0: running, restarted 0 times\n    E1121 12:00:00.000000 kubelet: no space left\n")
		assert.Empty(t, h.Lines("k3d"))
	})
	inBubble(t, "starts nothing of another state's", func(t *testing.T, h *host) {
		h.world.Set(node("traced", "server-0", "server", labels(stack, "STATE-B")))
		require.ErrorContains(t, h.manager().StartCluster(t.Context(), document(), state), "is not this stack's")
		assert.Empty(t, h.changes())
	})
}

func TestManager_DeleteCluster(t *testing.T) {
	remove := func(t *testing.T, h *host) error {
		t.Helper()
		return h.manager().DeleteCluster(t.Context(), "traced", "traced", docker.Owner{Stack: stack, State: state})
	}
	inBubble(t, "deletes its own cluster and no other", func(t *testing.T, h *host) {
		h.world.Set(append(ours(), another())...)
		require.NoError(t, remove(t, h))
		assert.Equal(t, []string{deleteCommand}, h.changes())
		assert.Equal(t, []string{"k3d-other-server-0"}, h.names())
	})
	inBubble(t, "does nothing without a cluster", func(t *testing.T, h *host) {
		h.world.Set(another())
		require.NoError(t, remove(t, h))
		assert.Empty(t, h.changes())
	})
	for name, owner := range map[string]map[string]string{"another state's": labels(stack, "STATE-B"), "nobody's": nil} {
		inBubble(t, "leaves a cluster alone that is "+name, func(t *testing.T, h *host) {
			h.world.Set(node("traced", "server-0", "server", owner))
			require.NoError(t, remove(t, h))
			assert.Empty(t, h.changes())
			requireLines(t, []string{"kubetracing: leaving the k3d cluster traced alone: it is not this stack's (kubetracing/test)"}, h.stderr.String())
		})
	}
	inBubble(t, "fails when k3d does", func(t *testing.T, h *host) {
		h.world.Set(ours()...)
		h.OnFunc(dockertest.Command(deleteCommand), func(context.Context, dockertest.Call) dockertest.Answer {
			return dockertest.Answer{Stderr: "ERRO[0000] no\nFATA[0001] still in use\n", Code: 5}
		})
		require.EqualError(t, remove(t, h), "k3d cluster delete traced: exit status 5: still in use")
	})
	inBubble(t, "does not take a daemon that does not answer for an absent cluster", func(t *testing.T, h *host) {
		h.On(dockertest.Command("docker ps "+dockertest.Rest), dockertest.Fail("Cannot connect to the Docker daemon"))
		require.ErrorIs(t, remove(t, h), docker.ErrUnavailable)
	})
}
