package lifecycle_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

const (
	disconnectServer = "docker network disconnect traced " + server
	connectServer    = "docker network connect --ip 10.112.4.16 traced " + server
)

// create creates the cluster of document().
func create(t *testing.T, h *host) error {
	t.Helper()
	return h.manager().CreateCluster(t.Context(), document(), state)
}

func TestManager_CreateCluster(t *testing.T) {
	inBubble(t, "creates a cluster that does not exist", func(t *testing.T, h *host) {
		h.world.Set(another())
		require.NoError(t, create(t, h))
		// The first time that its addresses are looked at, k3d has created the node.
		assert.ElementsMatch(t, []string{createCommand, disconnectServer, connectServer}, h.changes())
		assert.Equal(t, []string{"k3d-other-server-0", server, "k3d-traced-serverlb"}, h.names())
		requireLines(t, []string{
			"kubetracing: creating cluster traced",
			"Creating node 'k3d-traced-server-0'",
			"kubetracing: waiting for 1 node to be registered",
			"kubetracing: waiting for 1 node to be ready",
		}, h.stderr.String())
	})

	inBubble(t, "labels every node with stack and state", func(t *testing.T, h *host) {
		require.NoError(t, create(t, h))
		var config map[string]any
		require.NoError(t, json.Unmarshal([]byte(h.Calls("k3d")[0].Stdin), &config))
		assert.Equal(t, map[string]any{
			"kind": "Simple", "metadata": map[string]any{"name": "traced"},
			"options": map[string]any{"runtime": map[string]any{"labels": []any{
				map[string]any{"label": "kubetracing.stack=kubetracing/test", "nodeFilters": []any{"server:*"}},
				map[string]any{"label": "kubetracing.state=STATE-A", "nodeFilters": []any{"server:*"}},
			}}},
		}, config)
	})

	inBubble(t, "labels agents, too, and waits for them", func(t *testing.T, h *host) {
		h.OnFunc(dockertest.Command(createCommand), func(context.Context, dockertest.Call) dockertest.Answer {
			h.world.Add(append(ours(), node("traced", "agent-0", "agent", labels(stack, state)))...)
			return dockertest.Answer{}
		})
		h.healthy(agent)
		h.On(dockertest.Command(listNodes),
			dockertest.Fail("connection refused"), dockertest.Print(nodeList(true, server)), dockertest.Print(nodeList(true, server, agent)))
		require.NoError(t, h.manager().CreateCluster(t.Context(), document(agent), state))
		assert.Contains(t, h.Calls("k3d")[0].Stdin, `"nodeFilters":["server:*","agent:*"]`)
		assert.Contains(t, h.changes(), "docker network connect --ip 10.112.4.32 traced "+agent)
		assert.Contains(t, h.stderr.String(), "kubetracing: waiting for 2 nodes to be registered\nkubetracing: 1 of 2 nodes are registered\n")
	})

	inBubble(t, "gives a node its address as soon as it runs and tries again", func(t *testing.T, h *host) {
		h.On(dockertest.Command(connectServer), dockertest.Fail("Address already in use"), dockertest.Answer{})
		h.OnFunc(dockertest.Command(createCommand), func(_ context.Context, _ dockertest.Call) dockertest.Answer {
			time.Sleep(300 * time.Millisecond)
			created := ours()
			created[0].State.Status = "created"
			h.world.Add(created...)
			time.Sleep(300 * time.Millisecond)
			assert.Empty(t, h.Calls("docker", "network", "disconnect"), "it does not run")
			h.world.Change(server, func(c *docker.Container) { c.State.Status = "running" })
			time.Sleep(time.Second)
			return dockertest.Answer{}
		})
		require.NoError(t, create(t, h))
		assert.Equal(t, []string{disconnectServer, connectServer, connectServer}, h.Lines("docker", "network")[:3])
		assert.Equal(t, 1, strings.Count(h.stderr.String(), "Address already in use; trying again\n"))
	})

	inBubble(t, "never gives an address to a node of another state", func(t *testing.T, h *host) {
		h.OnFunc(dockertest.Command(createCommand), func(context.Context, dockertest.Call) dockertest.Answer {
			h.world.Add(node("traced", "server-0", "server", labels(stack, "STATE-B")))
			time.Sleep(5 * time.Second)
			return dockertest.Fail("FATA[0001] Failed to create cluster: a node with that name exists already\n")
		})
		err := create(t, h)
		require.EqualError(t, err, "create cluster traced: k3d cluster create --config -: exit status 1: "+
			"Failed to create cluster: a node with that name exists already")
		assert.Equal(t, []string{createCommand}, h.changes(), "nothing of the other state's is removed")
		assert.Contains(t, h.stderr.String(), "kubetracing: leaving cluster traced alone")
	})

	inBubble(t, "removes its own leftover first", func(t *testing.T, h *host) {
		h.world.Set(append(ours(), another())...)
		require.NoError(t, create(t, h))
		assert.Equal(t, []string{deleteCommand, createCommand}, h.Lines("k3d"))
		assert.Contains(t, h.stderr.String(), "kubetracing: removing what an interrupted update left of cluster traced\n")
	})

	tools := func(network string) docker.Container {
		c := node("traced", "tools", "noRole", nil)
		c.Networks = map[string]string{network: "10.112.4.9"}
		return c
	}
	inBubble(t, "removes a helper of k3d that is alone on the stack's own network", func(t *testing.T, h *host) {
		h.world.Set(tools("traced"))
		h.OnFunc(dockertest.Command("docker rm --force --volumes k3d-traced-tools"), func(context.Context, dockertest.Call) dockertest.Answer {
			h.world.Set()
			return dockertest.Answer{}
		})
		require.NoError(t, create(t, h))
		assert.Equal(t, "docker rm --force --volumes k3d-traced-tools", h.changes()[0])
	})

	for name, found := range map[string][]docker.Container{
		"another stack":      {node("traced", "server-0", "server", labels("someone/else", "STATE-B"))},
		"another state":      {node("traced", "server-0", "server", labels(stack, "STATE-B"))},
		"an earlier release": {node("traced", "server-0", "server", map[string]string{spec.StackLabel: stack})},
		"nobody":             {node("traced", "server-0", "server", nil)},
		"it only in part":    append(ours(), node("traced", "server-1", "server", labels(stack, "STATE-B"))),
		"it except an agent": append(ours(), node("traced", "agent-0", "agent", nil)),
		"unknown helpers":    {tools("bridge")},
	} {
		inBubble(t, "refuses a cluster of "+name, func(t *testing.T, h *host) {
			h.world.Set(found...)
			err := create(t, h)
			require.ErrorContains(t, err, "a k3d cluster named traced exists and is not this stack's (kubetracing/test): it seems to belong to ")
			require.ErrorContains(t, err, "Rename the stack, or delete that cluster where it was created or with `k3d cluster delete traced`")
			assert.Empty(t, h.changes())
		})
	}

	inBubble(t, "refuses helpers on a network of another state", func(t *testing.T, h *host) {
		h.world.Set(tools("traced"))
		h.world.SetNetworks(docker.Network{Name: "traced", Labels: labels(stack, "STATE-B")})
		require.ErrorContains(t, create(t, h), "is not this stack's")
		assert.Empty(t, h.changes())
	})

	inBubble(t, "explains why k3d failed and removes the cluster", func(t *testing.T, h *host) {
		h.OnFunc(dockertest.Command(createCommand), func(context.Context, dockertest.Call) dockertest.Answer {
			created := ours()
			created[0].State = docker.State{Status: "exited", ExitCode: 1}
			created[0].Restarts = 2
			h.world.Add(created...)
			return dockertest.Answer{Stderr: "\x1b[31mFATA\x1b[0m[0000] failed to start\n", Code: 3}
		})
		h.On(dockertest.Command("docker logs --tail 2000 "+server),
			dockertest.Answer{Stdout: "level=info msg=\"all is well\"\n", Stderr: "level=fatal msg=\"unknown feature\"\n"})
		h.On(dockertest.Command("docker logs --tail 2000 k3d-traced-serverlb"), dockertest.Answer{})
		err := create(t, h)
		require.EqualError(t, err, "create cluster traced: k3d cluster create --config -: exit status 3: failed to start")
		assert.Equal(t, []string{createCommand, deleteCommand}, h.Lines("k3d"))
		requireLines(t, []string{
			"kubetracing: creating cluster traced",
			"FATA[0000] failed to start",
			"kubetracing: node k3d-traced-server-0: exited, exit code 1, restarted 2 times",
			`    level=fatal msg="unknown feature"`,
			"kubetracing: node k3d-traced-serverlb: running, restarted 0 times",
			"kubetracing: removing cluster traced, which did not come up",
		}, h.stderr.String())
		assert.Empty(t, h.names())
	})

	inBubble(t, "ends k3d's silent wait when a node keeps restarting", func(t *testing.T, h *host) {
		start := time.Now()
		h.OnFunc(dockertest.Command(createCommand), func(context.Context, dockertest.Call) dockertest.Answer {
			created := ours()
			created[0].State = docker.State{Status: "restarting", ExitCode: 1}
			created[0].Restarts = 3
			h.world.Add(created...)
			return dockertest.Answer{Hang: true}
		})
		h.On(dockertest.Command("docker logs --tail 2000 "+dockertest.Rest), dockertest.Print("unrecognized feature gate: KubeletTracing\n"))
		err := create(t, h)
		require.EqualError(t, err, "create cluster traced: node k3d-traced-server-0 keeps restarting")
		assert.Less(t, time.Since(start), 5*time.Second)
		assert.Equal(t, []string{createCommand, deleteCommand}, h.Lines("k3d"))
		assert.Contains(t, h.stderr.String(), "kubetracing: node k3d-traced-server-0: restarting, exit code 1, restarted 3 times\n"+
			"    unrecognized feature gate: KubeletTracing\n"+
			"kubetracing: likely cause: this Kubernetes release does not know a feature gate that it is given\n")
		assert.Empty(t, h.names())
	})

	inBubble(t, "does not wait for a registered node that keeps restarting", func(t *testing.T, h *host) {
		start := time.Now()
		h.OnFunc(dockertest.Command(listNodes), func(context.Context, dockertest.Call) dockertest.Answer {
			h.world.Change(server, func(c *docker.Container) { c.Restarts++ })
			return dockertest.Print(nodeList(false, server))
		})
		err := create(t, h)
		require.EqualError(t, err, "create cluster traced: node k3d-traced-server-0 keeps restarting")
		assert.Less(t, time.Since(start), 10*time.Second)
	})

	inBubble(t, "does not wait for a node that is gone", func(t *testing.T, h *host) {
		h.OnFunc(dockertest.Command(listNodes), func(context.Context, dockertest.Call) dockertest.Answer {
			h.world.Set()
			return dockertest.Fail("No such container: " + server)
		})
		require.ErrorIs(t, create(t, h), docker.ErrNotFound)
		assert.Equal(t, []string{createCommand}, h.Lines("k3d"))
	})

	inBubble(t, "leaves a cluster alone that another update has created since", func(t *testing.T, h *host) {
		h.OnFunc(dockertest.Command(listNodes), func(context.Context, dockertest.Call) dockertest.Answer {
			h.world.Change(server, func(c *docker.Container) { c.ID = "another" })
			return dockertest.Fail("connection refused")
		})
		err := create(t, h)
		require.ErrorContains(t, err, "node k3d-traced-server-0 was replaced by another container")
		assert.Equal(t, []string{createCommand}, h.Lines("k3d"))
		assert.Contains(t, h.stderr.String(), "kubetracing: leaving cluster traced alone: it is not the one that this update created\n")
	})

	inBubble(t, "removes what it has created when it is interrupted", func(t *testing.T, h *host) {
		ctx, cancel := context.WithCancelCause(t.Context())
		interrupted := errors.New("interrupted")
		h.OnFunc(dockertest.Command(createCommand), func(context.Context, dockertest.Call) dockertest.Answer {
			h.world.Add(ours()...)
			cancel(interrupted)
			return dockertest.Answer{Hang: true}
		})
		err := h.manager().CreateCluster(ctx, document(), state)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, []string{createCommand, deleteCommand}, h.Lines("k3d"))
		assert.NotContains(t, h.stderr.String(), "node k3d-traced-server-0:", "nothing is wrong with it")
		assert.Empty(t, h.names())
	})

	for name, test := range map[string]struct {
		command string
		answer  dockertest.Answer
		message string
	}{
		"is not registered":              {listNodes, dockertest.Print(nodeList(true)), "only 0 of 1 nodes are registered after 300s"},
		"does not become ready":          {listNodes, dockertest.Print(nodeList(false, server)), "only 0 of 1 nodes are ready after 300s"},
		"does not answer":                {listNodes, dockertest.Fail("connection refused"), "only 0 of 1 nodes are registered after 300s"},
		"is ready without a pod network": {"docker exec " + server + " test -s /run/flannel/subnet.env", dockertest.Fail(""), "only 0 of 1 nodes are ready after 300s"},
		"answers with something else":    {listNodes, dockertest.Print("error"), "only 0 of 1 nodes are registered after 300s"},
		"does not answer docker exec":    {listNodes, dockertest.Answer{Hang: true}, "only 0 of 1 nodes are registered after 300s"},
		"has no condition with a reason": {listNodes, dockertest.Print(`{"items":[{"metadata":{"name":"` + server + `"}}]}`), "only 0 of 1 nodes are ready after 300s"},
	} {
		inBubble(t, "gives up on a node that "+name, func(t *testing.T, h *host) {
			h.On(dockertest.Command(test.command), test.answer)
			h.On(dockertest.Command("docker logs --tail 2000 "+dockertest.Rest), dockertest.Print("E1121 12:00:00.000000 kubelet: no space left\n"))
			require.EqualError(t, create(t, h), "create cluster traced: "+test.message)
			assert.Contains(t, h.stderr.String(), "    E1121 12:00:00.000000 kubelet: no space left\n")
			assert.Equal(t, []string{createCommand, deleteCommand}, h.Lines("k3d"))
		})
	}

	inBubble(t, "finds the cause in containerd's own log", func(t *testing.T, h *host) {
		h.OnFunc(dockertest.Command(createCommand), func(context.Context, dockertest.Call) dockertest.Answer {
			h.world.Add(ours()...)
			return dockertest.Fail("FATA[0000] failed\n")
		})
		h.On(dockertest.Command("docker logs --tail 2000 "+dockertest.Rest), dockertest.Answer{})
		h.On(dockertest.Command("docker cp --follow-link "+server+":/var/lib/rancher/k3s/agent/containerd/containerd.log -"),
			dockertest.Print(tarOf(t, "containerd.log", `level=error msg="mkdir: no space left on device"`+"\n")))
		require.Error(t, create(t, h))
		assert.Contains(t, h.stderr.String(), "    level=error msg=\"mkdir: no space left on device\"\n"+
			"kubetracing: likely cause: the disk of the Docker host is full\n")
	})

	inBubble(t, "names a lack of memory", func(t *testing.T, h *host) {
		h.OnFunc(dockertest.Command(createCommand), func(context.Context, dockertest.Call) dockertest.Answer {
			created := ours()
			created[0].State = docker.State{Status: "exited", ExitCode: 137, OOMKilled: true}
			h.world.Add(created...)
			return dockertest.Fail("FATA[0000] failed\n")
		})
		require.Error(t, create(t, h))
		assert.Contains(t, h.stderr.String(), "kubetracing: likely cause: the Docker host has too little memory\n")
	})

	for name, test := range map[string]struct {
		command string
		answer  dockertest.Answer
		message string
	}{
		"a containerd without the tracing plugin": {
			"docker exec " + server + " ctr plugins ls", dockertest.Print("io.containerd.snapshotter.v1 overlayfs linux/amd64 ok\n"),
			"containerd on k3d-traced-server-0 cannot trace: its tracing plugin is not compiled in. Is runtime.bundle an upstream release?",
		},
		"a tracing plugin that does not run": {
			"docker exec " + server + " ctr plugins ls", dockertest.Print("io.containerd.tracing.processor.v1 otlp - error\n"),
			"containerd on k3d-traced-server-0 cannot trace: its tracing plugin is error. Is runtime.bundle an upstream release?",
		},
		"a kubelet that did not read its file": {
			"docker exec " + server + " kubectl get --raw /api/v1/nodes/" + server + "/proxy/configz", dockertest.Print(`{"kubeletconfig":{}}`),
			"the kubelet on k3d-traced-server-0 has not read its tracing configuration from kubelet.yaml",
		},
		"a kube-apiserver that did not get its file, at its last start": {
			"docker logs --since " + dockertest.Rest, dockertest.Print(apiServerLog + `level=info msg="Running kube-apiserver --secure-port=6444"` + "\n"),
			"kube-apiserver on k3d-traced-server-0 runs without its tracing configuration: k3s has not read k3s-server.yaml",
		},
	} {
		inBubble(t, "does not keep "+name, func(t *testing.T, h *host) {
			start := time.Now()
			h.OnFunc(dockertest.Command(createCommand), func(context.Context, dockertest.Call) dockertest.Answer {
				created := ours()
				created[0].State.StartedAt = time.Date(2026, 1, 1, 10, 0, 0, 500, time.UTC)
				h.world.Add(created...)
				return dockertest.Answer{}
			})
			h.On(dockertest.Command(test.command), test.answer)
			err := create(t, h)
			require.EqualError(t, err, "create cluster traced: "+test.message)
			assert.GreaterOrEqual(t, time.Since(start), 30*time.Second, "it may not be reachable for a moment")
			assert.NotContains(t, h.stderr.String(), "kubetracing: node ", "the reason is known")
			assert.Equal(t, []string{createCommand, deleteCommand}, h.Lines("k3d"))
		})
	}

	inBubble(t, "keeps a node that is reachable a moment later", func(t *testing.T, h *host) {
		h.On(dockertest.Command("docker exec "+server+" ctr plugins ls"), dockertest.Fail("connection refused"), dockertest.Print(tracingPlugin))
		require.NoError(t, create(t, h))
	})

	inBubble(t, "checks the runtime handlers of containerd", func(t *testing.T, h *host) {
		document := document()
		document.Runtime.Handlers = []string{"crun", "youki"}
		h.On(dockertest.Command("docker exec "+server+" crictl info"), dockertest.Print(`{"config":{"containerd":{"runtimes":{"crun":{}}}}}`))
		err := h.manager().CreateCluster(t.Context(), document, state)
		require.EqualError(t, err, "create cluster traced: containerd on k3d-traced-server-0 has no runtime handler youki")
	})

	inBubble(t, "creates nothing when Docker does not answer", func(t *testing.T, h *host) {
		h.On(dockertest.Command("docker ps "+dockertest.Rest), dockertest.Fail("Cannot connect to the Docker daemon at unix:///var/run/docker.sock."))
		require.ErrorIs(t, create(t, h), docker.ErrUnavailable)
		assert.Empty(t, h.changes())
	})

	inBubble(t, "creates nothing without an identity", func(t *testing.T, h *host) {
		err := h.manager().CreateCluster(t.Context(), document(), "")
		require.EqualError(t, err, "cluster traced: the environment variable KUBETRACING_STATE must hold the identity of the stack's state")
		assert.Empty(t, h.Calls())
	})
}

// tarOf returns an archive with one file.
func tarOf(t *testing.T, name, content string) string {
	t.Helper()
	var text strings.Builder
	writer := tar.NewWriter(&text)
	require.NoError(t, writer.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(content)), Mode: 0o644}))
	_, err := writer.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return text.String()
}

func TestManager_CreateCluster_CRIO(t *testing.T) {
	const answers = "[crio.runtime.runtimes.crun]\n[crio.runtime.runtimes.runc]\n[crio.tracing]\ntracing_endpoint = \"otel-collector:4317\"\n"
	status := []string{"docker", "exec", server, "sh", "-c", "PATH=/opt/kubetracing/crio/bin:$PATH; crio status config || crio-status config"}
	tests := map[string]struct{ config, message string }{
		"keeps a node that traces": {answers, ""},
		"does not keep a CRI-O that exports elsewhere": {
			strings.Replace(answers, "otel-collector", "elsewhere", 1),
			"CRI-O on k3d-traced-server-0 has not read its tracing configuration from crio.conf",
		},
		"does not keep a CRI-O that has dropped a handler": {
			strings.Replace(answers, "runtimes.crun", "runtimes.another", 1),
			"CRI-O on k3d-traced-server-0 has dropped the runtime handler crun; see `docker logs k3d-traced-server-0`",
		},
	}
	for name, test := range tests {
		inBubble(t, name, func(t *testing.T, h *host) {
			document := document()
			document.Runtime = spec.Runtime{Name: "crio", Handlers: []string{"runc", "crun"}, Receiver: "otel-collector:4317"}
			h.On(status, dockertest.Print(test.config))
			err := h.manager().CreateCluster(t.Context(), document, state)
			if test.message == "" {
				require.NoError(t, err)
				assert.Equal(t, []string{createCommand}, h.Lines("k3d"))
				return
			}
			require.EqualError(t, err, "create cluster traced: "+test.message)
			assert.Equal(t, []string{createCommand, deleteCommand}, h.Lines("k3d"))
		})
	}
}
