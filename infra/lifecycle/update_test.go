package lifecycle_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

// changed returns the command that says which processes of a node have to restart.
func changed(node string) string {
	return "docker exec " + node + " sh /etc/kubetracing/k3s.sh changed"
}

// restartK3s returns the command that restarts k3s in a node.
func restartK3s(node string) string {
	return "docker exec " + node + " sh /etc/kubetracing/k3s.sh restart"
}

// restartCRIO returns the command that restarts CRI-O in a node.
func restartCRIO(node string) string {
	return "docker exec " + node + " sh /etc/kubetracing/crio.sh restart"
}

// running is a host whose cluster of a server, an agent and helpers runs with other
// files than k3s was started with.
func running(h *host) {
	h.world.Set(append(ours(), another(), node("traced", "agent-0", "agent", labels(stack, state)), node("traced", "tools", "noRole", nil))...)
	h.healthy(agent)
	h.On(dockertest.Command(listNodes), dockertest.Print(nodeList(true, server, agent)))
	for _, node := range []string{server, agent} {
		h.On(dockertest.Command(changed(node)), dockertest.Print("k3s\n"))
	}
}

// restarts lists the commands that restart something in a node.
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
		return h.manager().UpdateCluster(t.Context(), document(agent), state)
	}

	inBubble(t, "restarts nothing when the nodes have the configuration", func(t *testing.T, h *host) {
		running(h)
		for _, node := range []string{server, agent} {
			h.On(dockertest.Command(changed(node)), dockertest.Answer{})
		}
		require.NoError(t, update(t, h))
		assert.Empty(t, restarts(h))
		assert.Empty(t, h.changes())
	})

	for name, answer := range map[string]dockertest.Answer{
		"whose files have changed": dockertest.Print("k3s\n"), "that cannot say": dockertest.Fail("No such file"),
	} {
		inBubble(t, "restarts k3s on every node "+name, func(t *testing.T, h *host) {
			running(h)
			h.On(dockertest.Command(changed(server)), answer)
			require.NoError(t, update(t, h))
			assert.ElementsMatch(t, []string{restartK3s(server), restartK3s(agent)}, restarts(h))
			assert.Empty(t, h.changes(), "no container is restarted")
			assert.Contains(t, h.stderr.String(), "kubetracing: restarting k3s on node k3d-traced-server-0 with its new configuration\n")
			assert.Contains(t, h.stderr.String(), "kubetracing: restarting k3s on node k3d-traced-agent-0 with its new configuration\n")
			assert.True(t, strings.HasSuffix(h.stderr.String(),
				"kubetracing: waiting for 2 nodes to be answering\nkubetracing: waiting for 2 nodes to be ready\n"), h.stderr.String())
		})
	}

	inBubble(t, "restarts CRI-O alone when only its files have changed", func(t *testing.T, h *host) {
		running(h)
		h.On(dockertest.Command(changed(server)), dockertest.Print("crio\n"))
		h.On(dockertest.Command(changed(agent)), dockertest.Answer{})
		h.On(dockertest.Command(restartCRIO(server)), dockertest.Answer{})
		require.NoError(t, update(t, h))
		assert.Equal(t, []string{restartCRIO(server)}, restarts(h))
	})

	inBubble(t, "restarts CRI-O before k3s", func(t *testing.T, h *host) {
		running(h)
		h.On(dockertest.Command(changed(server)), dockertest.Print("k3s\ncrio\n"))
		h.On(dockertest.Command(changed(agent)), dockertest.Answer{})
		h.On(dockertest.Command(restartCRIO(server)), dockertest.Answer{})
		require.NoError(t, update(t, h))
		assert.Equal(t, []string{restartCRIO(server), restartK3s(server)}, restarts(h))
	})

	inBubble(t, "restarts servers one after the other", func(t *testing.T, h *host) {
		const second = "k3d-traced-server-1"
		h.world.Set(append(ours(), node("traced", "server-1", "server", labels(stack, state)))...)
		h.healthy(second)
		h.On(dockertest.Command("docker exec "+second+" kubectl get --raw /api/v1/nodes/"+second+"/proxy/healthz"), dockertest.Print("ok"))
		h.On(dockertest.Command(listNodes), dockertest.Print(nodeList(true, server, second)))
		for _, node := range []string{server, second} {
			h.On(dockertest.Command(changed(node)), dockertest.Print("k3s\n"))
		}
		// The first is away for a moment.
		ready := "docker exec " + server + " kubectl get --raw /readyz"
		h.On(dockertest.Command(ready), dockertest.Fail(""), dockertest.Fail(""), dockertest.Print("ok"))
		servers := document()
		servers.Nodes = append(servers.Nodes, spec.Node{Container: second, Server: true, Address: "10.112.4.17"})
		require.NoError(t, h.manager().UpdateCluster(t.Context(), servers, state))
		var order []string
		for _, call := range h.Lines("docker", "exec") {
			if call == ready || strings.HasSuffix(call, " restart") {
				order = append(order, call)
			}
		}
		assert.Equal(t, []string{restartK3s(server), ready, ready, ready, restartK3s(second)}, order[:5])
	})

	inBubble(t, "leaves a server alone while the one before does not answer", func(t *testing.T, h *host) {
		const second = "k3d-traced-server-1"
		h.world.Set(append(ours(), node("traced", "server-1", "server", labels(stack, state)))...)
		for _, node := range []string{server, second} {
			h.On(dockertest.Command(changed(node)), dockertest.Print("k3s\n"))
		}
		h.On(dockertest.Command("docker exec "+server+" kubectl get --raw /readyz"), dockertest.Fail(""))
		servers := document()
		servers.Nodes = append(servers.Nodes, spec.Node{Container: second, Server: true, Address: "10.112.4.17"})
		err := h.manager().UpdateCluster(t.Context(), servers, state)
		require.EqualError(t, err, "update cluster traced: only 0 of 1 nodes are answering after 300s")
		assert.Equal(t, []string{restartK3s(server)}, restarts(h))
	})

	inBubble(t, "kills and starts a node whose k3s does not restart", func(t *testing.T, h *host) {
		running(h)
		h.On(dockertest.Command(restartK3s(server)), dockertest.Fail("no answer"))
		h.On(dockertest.Command("docker kill --signal KILL "+server), dockertest.Answer{})
		h.On(dockertest.Command("docker start "+server), dockertest.Answer{})
		require.NoError(t, update(t, h))
		assert.Equal(t, []string{"docker kill --signal KILL " + server, "docker start " + server}, h.changes(),
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
		inBubble(t, "fails with a node "+name, func(t *testing.T, h *host) {
			running(h)
			h.On(dockertest.Command(test.command), test.answer)
			require.ErrorContains(t, update(t, h), "update cluster traced: "+test.message)
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
		h.On(dockertest.Command("docker exec "+server+" kubectl get --raw /api/v1/nodes/"+agent+"/proxy/healthz"), dockertest.Fail("not found"))
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
