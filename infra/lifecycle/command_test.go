package lifecycle_test

import (
	"archive/tar"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
	"github.com/kubetracing/kubetracing/infra/lifecycle"
)

// encode renders a document as a component does.
func encode(t *testing.T, document any) string {
	t.Helper()
	text, err := spec.Encode(document)
	require.NoError(t, err)
	return text
}

func names() spec.Names {
	return spec.Names{
		Stack: stack, Cluster: "traced", Networks: []string{"traced"},
		Volumes: []string{"traced-tracing", "traced-jaeger"}, Containers: []string{"traced-jaeger", "traced-collector"},
	}
}

func TestCommand_IdentityCreate(t *testing.T) {
	t.Run("prints a random identity if nothing has the names", func(t *testing.T) {
		identities := map[string]bool{}
		for range 3 {
			h := newHost(t)
			h.world.SetNetworks(docker.Network{Name: "traced-2"})
			h.world.Set(another(), docker.Container{Name: "traced-jaeger-2"})
			require.NoError(t, h.command(encode(t, names()), nil).IdentityCreate(t.Context()))
			identity := strings.TrimSpace(h.stdout.String())
			assert.Regexp(t, `^[A-Z2-7]{26}$`, identity)
			identities[identity] = true
			assert.Empty(t, h.stderr.String())
		}
		assert.Len(t, identities, 3)
	})

	t.Run("names each object of another stack in a sentence", func(t *testing.T) {
		h := newHost(t)
		h.world.Set(
			node("traced", "tools", "noRole", nil), node("traced", "server-0", "server", labels(stack, "STATE-B")),
			docker.Container{Name: "traced-jaeger", Labels: map[string]string{spec.StackLabel: stack}}, docker.Container{Name: "traced-collector"},
		)
		h.world.SetNetworks(docker.Network{Name: "traced", Labels: labels("other/dev", "STATE-C")})
		h.world.SetVolumes(docker.Volume{Name: "traced-jaeger"}, docker.Volume{Name: "unrelated"})
		err := h.command(encode(t, names()), nil).IdentityCreate(t.Context())
		const rest = ". Destroy it where it was created, rename this stack, or, if nobody needs it any more, remove it with "
		requireLines(t, []string{
			`k3d cluster "traced" exists already and does not belong to this state of stack kubetracing/test: it seems to belong to stack kubetracing/test with another state (STATE-B)` +
				rest + "`k3d cluster delete traced`",
			`container "traced-jaeger" exists already and does not belong to this state of stack kubetracing/test: it seems to belong to stack kubetracing/test, created by an earlier version of kubetracing` +
				rest + "`docker rm --force traced-jaeger`",
			`container "traced-collector" exists already and does not belong to this state of stack kubetracing/test: it seems to belong to something other than kubetracing` +
				rest + "`docker rm --force traced-collector`",
			`network "traced" exists already and does not belong to this state of stack kubetracing/test: it seems to belong to stack other/dev with another state (STATE-C)` +
				rest + "`docker network rm traced`",
			`volume "traced-jaeger" exists already and does not belong to this state of stack kubetracing/test: it seems to belong to something other than kubetracing` +
				rest + "`docker volume rm traced-jaeger`",
		}, err.Error())
		assert.Empty(t, h.stdout.String())
	})

	update := map[string]string{"PULUMI_COMMAND_STDOUT": state}
	t.Run("keeps the identity on an update", func(t *testing.T) {
		h := newHost(t)
		h.world.Set(append(ours(), docker.Container{Name: "traced-jaeger", Labels: labels(stack, state)})...)
		h.world.SetVolumes(docker.Volume{Name: "traced-jaeger", Labels: labels(stack, state)})
		require.NoError(t, h.command(encode(t, names()), update).IdentityCreate(t.Context()))
		assert.Equal(t, state+"\n", h.stdout.String())
	})
	t.Run("refuses strangers of new names on an update", func(t *testing.T) {
		h := newHost(t)
		h.world.Set(append(ours(), docker.Container{Name: "traced-collector", Labels: labels(stack, "STATE-B")})...)
		require.ErrorContains(t, h.command(encode(t, names()), update).IdentityCreate(t.Context()), `container "traced-collector" exists already`)
		assert.Empty(t, h.stdout.String())
	})
	t.Run("fails if Docker fails", func(t *testing.T) {
		h := newHost(t)
		h.On(dockertest.Command("docker volume ls "+dockertest.Rest), dockertest.Fail("driver failed"))
		require.ErrorContains(t, h.command(encode(t, names()), nil).IdentityCreate(t.Context()),
			"look for what has a name of stack kubetracing/test: list volumes: docker volume ls --quiet: exit status 1: driver failed")
	})
}

func TestCommand_documents(t *testing.T) {
	environment := map[string]string{spec.StateVariable: state}
	inBubble(t, "cluster create", func(t *testing.T, h *host) {
		require.NoError(t, h.command(encode(t, document()), environment).ClusterCreate(t.Context()))
		assert.Contains(t, h.changes(), createCommand)
		assert.Empty(t, h.stdout.String(), "nothing of k3d's is a result")
	})
	inBubble(t, "cluster update", func(t *testing.T, h *host) {
		h.world.Set(ours()...)
		h.On(dockertest.Command(changed(server)), dockertest.Print("k3s\n"))
		require.NoError(t, h.command(encode(t, document()), environment).ClusterUpdate(t.Context()))
		assert.Equal(t, []string{restartK3s(server)}, restarts(h))
	})
	t.Run("cluster kubeconfig", func(t *testing.T) {
		h := newHost(t)
		h.On(dockertest.Command("k3d kubeconfig get traced"), dockertest.Print("apiVersion: v1\n"))
		require.NoError(t, h.command("", nil).ClusterKubeconfig(t.Context(), "traced"))
		assert.Equal(t, "apiVersion: v1\n", h.stdout.String())
		require.ErrorContains(t, h.command("", nil).ClusterKubeconfig(t.Context(), ""), "the name of the cluster is empty")
		assert.Len(t, h.Calls("k3d"), 1)
	})
	t.Run("nodes write", func(t *testing.T) {
		h := newHost(t)
		h.world.SetVolumes(docker.Volume{Name: "traced-tracing", Labels: labels(stack, state)})
		h.On(dockertest.Command("docker run "+dockertest.Rest), dockertest.Answer{})
		document := nodeFiles()
		document.Files = map[string]string{"kubelet.yaml": files["kubelet.yaml"]}
		require.NoError(t, h.command(encode(t, document), environment).NodesWrite(t.Context()))
		assert.Len(t, h.changes(), 1)
		assert.Empty(t, h.stdout.String())
	})
	t.Run("nodes write with secrets", func(t *testing.T) {
		h := newHost(t)
		h.world.SetVolumes(docker.Volume{Name: "traced-tracing", Labels: labels(stack, state)})
		h.On(dockertest.Command("docker run "+dockertest.Rest), dockertest.Answer{})
		document := nodeFiles()
		document.Files = map[string]string{"kubelet.yaml": files["kubelet.yaml"]}
		with := func(secrets string) map[string]string {
			return map[string]string{spec.StateVariable: state, spec.NodeSecretsVariable: secrets}
		}
		require.NoError(t, h.command(encode(t, document), with(`{"registries.yaml": "hunter2"}`)).NodesWrite(t.Context()))
		calls := h.Calls("docker", "run")
		require.Len(t, calls, 1)
		assert.NotContains(t, calls[0].String(), "hunter2")
		modes := map[string]int64{}
		for reader := tar.NewReader(strings.NewReader(calls[0].Stdin)); ; {
			header, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			modes[header.Name] = header.Mode
		}
		assert.Equal(t, map[string]int64{"kubelet.yaml": 0o644, "registries.yaml": 0o600}, modes)
		first := h.stdout.String()
		assert.Regexp(t, `^[A-Z0-9]{26}\n$`, first)
		h.stdout.Reset()
		require.NoError(t, h.command(encode(t, document), with(`{"registries.yaml": "hunter2"}`)).NodesWrite(t.Context()))
		assert.NotEqual(t, first, h.stdout.String(), "who uses the files cannot know whether they changed")

		err := h.command(encode(t, document), with(`{"registries.yaml": hunter2}`)).NodesWrite(t.Context())
		require.EqualError(t, err, "KUBETRACING_NODE_SECRETS must be a JSON object of texts")
		assert.Len(t, h.Calls("docker", "run"), 2)
	})
	t.Run("container wait", func(t *testing.T) {
		h := newHost(t)
		h.world.Set(docker.Container{Name: "traced-jaeger", State: docker.State{Status: "running", Health: "healthy"}})
		document := spec.Container{Container: "traced-jaeger", Title: "Jaeger", Timeout: verify.Duration(time.Minute)}
		require.NoError(t, h.command(encode(t, document), nil).ContainerWait(t.Context()))
		assert.Equal(t, []string{"docker container inspect traced-jaeger"}, h.Lines())
	})
	t.Run("pods wait", func(t *testing.T) {
		h := newHost(t)
		h.pods(func(int) dockertest.Answer { return podList(podJSON("echo", podSucceeded)) })
		require.NoError(t, h.command(encode(t, waitFor("echo")), nil).PodsWait(t.Context()))
		assert.Equal(t, []string{getPods}, h.Lines())
	})
	t.Run("volume chown", func(t *testing.T) {
		h := newHost(t)
		h.world.SetVolumes(docker.Volume{Name: "traced-jaeger", Labels: labels(stack, state)})
		h.On(dockertest.Command("docker run "+dockertest.Rest), dockertest.Answer{})
		document := spec.Volume{Volume: "traced-jaeger", User: "10001", Image: "busybox:1.37.0"}
		require.NoError(t, h.command(encode(t, document), environment).VolumeChown(t.Context()))
		assert.Len(t, h.changes(), 1)
	})
	t.Run("image present", func(t *testing.T) {
		h := newHost(t)
		h.world.SetImages(docker.Image{ID: "sha256:1", Tags: []string{"traced-node:1"}})
		h.On(listCache, dockertest.Print("[]"))
		require.NoError(t, h.command("", nil).ImagePresent(t.Context(), "traced-node:1"))
		assert.Equal(t, "sha256:1\n", h.stdout.String())
	})
	t.Run("a document with an unknown field is refused", func(t *testing.T) {
		h := newHost(t)
		require.ErrorContains(t, h.command(`{"nam":"traced"}`, environment).ClusterCreate(t.Context()), `unknown field "nam"`)
		assert.Empty(t, h.Calls())
	})
}

func TestSince(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return parsed
	}
	containers := func(times ...string) []docker.Container {
		names := []string{"traced-collector", server, agent}
		var all []docker.Container
		for i, text := range times {
			all = append(all, docker.Container{Name: names[i], State: docker.State{Status: "running", StartedAt: at(text)}})
		}
		return all
	}
	tests := map[string]struct {
		times []string
		k3s   map[string]string
		want  string
	}{
		"the youngest container":              {[]string{"2026-01-01T10:00:02.5Z", "2026-01-01T10:00:07.25Z", "2026-01-01T10:00:01Z"}, nil, "2026-01-01T10:00:07.25Z"},
		"as times, not as text":               {[]string{"2026-01-01T10:00:10Z", "2026-01-01T10:00:10.5Z", "2026-01-01T10:00:01Z"}, nil, "2026-01-01T10:00:10.5Z"},
		"a k3s that has restarted since":      {[]string{"2026-01-01T10:00:02.5Z", "2026-01-01T10:00:07.25Z"}, map[string]string{server: "2026-01-01T10:03:00Z"}, "2026-01-01T10:03:00Z"},
		"a CRI-O that has restarted since":    {[]string{"2026-01-01T10:00:02.5Z", "2026-01-01T10:00:07.25Z"}, map[string]string{server: "2026-01-01T10:04:00Z\n2026-01-01T10:03:00Z"}, "2026-01-01T10:04:00Z"},
		"a container younger than its k3s is": {[]string{"2026-01-01T10:00:02.5Z", "2026-01-01T10:00:07.25Z"}, map[string]string{server: "2026-01-01T10:00:07Z"}, "2026-01-01T10:00:07.25Z"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.world.Set(containers(test.times...)...)
			var names []string
			for _, c := range h.world.Containers() {
				names = append(names, c.Name)
				answer := dockertest.Answer{Stderr: "no such program", Code: 127}
				if started, restarted := test.k3s[c.Name]; restarted {
					answer = dockertest.Print(started + "\n")
				}
				h.On(readStarts(c.Name), answer)
			}
			got, err := lifecycle.Since(t.Context(), h.Client(), spec.Verification{Containers: names, OnlyNew: true})
			require.NoError(t, err)
			assert.True(t, at(test.want).Equal(got), got)
		})
	}
	t.Run("zero where every span counts", func(t *testing.T) {
		h := newHost(t)
		got, err := lifecycle.Since(t.Context(), h.Client(), spec.Verification{Containers: []string{server}})
		require.NoError(t, err)
		assert.True(t, got.IsZero())
		assert.Empty(t, h.Calls())
	})
	t.Run("a day before what the storage has deleted", func(t *testing.T) {
		before := time.Now()
		got, err := lifecycle.Since(t.Context(), newHost(t).Client(), spec.Verification{
			Containers: []string{server}, MaxAge: verify.Duration(48 * time.Hour),
		})
		require.NoError(t, err)
		assert.WithinRange(t, got, before.Add(-72*time.Hour), time.Now().Add(-72*time.Hour))
	})
	t.Run("an error for a container that is gone", func(t *testing.T) {
		h := newHost(t)
		_, err := lifecycle.Since(t.Context(), h.Client(), spec.Verification{Containers: []string{server}, OnlyNew: true})
		require.ErrorIs(t, err, docker.ErrNotFound)
	})
}

func TestEarlier(t *testing.T) {
	seen := lifecycle.Verified{
		Outputs: verify.Outputs{Services: map[string]int{"kubelet": 3}, Traces: map[string]string{"echo": "http://127.0.0.1:26686/trace/4f"}},
		After:   "cluster echo",
	}
	previous, err := seen.Encode()
	require.NoError(t, err)
	assert.JSONEq(t, `{"services":{"kubelet":3},"traces":{"echo":"http://127.0.0.1:26686/trace/4f"},"after":"cluster echo"}`, previous)

	t.Run("holds for what has not run again, with links to where Jaeger is now", func(t *testing.T) {
		got, holds := lifecycle.Earlier(spec.Verification{Once: true}, "cluster echo", previous, "http://127.0.0.1:16686")
		require.True(t, holds)
		assert.Equal(t, map[string]string{"echo": "http://127.0.0.1:16686/trace/4f"}, got.Traces)
		assert.Equal(t, "cluster echo", got.After)
	})
	for name, test := range map[string]struct {
		once            bool
		after, previous string
	}{
		"for what has run again":               {true, "cluster-2 echo", previous},
		"for what is verified every time":      {false, "cluster echo", previous},
		"without a previous result":            {true, "cluster echo", ""},
		"for a result of another form":         {true, "cluster echo", previous + "\nafter cluster echo"},
		"without an earlier result's identity": {true, "", `{"traces":{}}`},
	} {
		t.Run("does not hold "+name, func(t *testing.T) {
			_, holds := lifecycle.Earlier(spec.Verification{Once: test.once}, test.after, test.previous, "http://127.0.0.1:16686")
			assert.False(t, holds)
		})
	}
}
