package docker_test

import (
	"context"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

// inspectedJaeger is what docker container inspect prints of a container, shortened.
const inspectedJaeger = `[{"Id":"4f","Name":"/traced-jaeger","RestartCount":2,
"State":{"Status":"running","Running":true,"OOMKilled":true,"ExitCode":0,"Error":"","StartedAt":"2026-01-01T10:00:07.25Z","FinishedAt":"0001-01-01T00:00:00Z",
  "Health":{"Status":"unhealthy","FailingStreak":1,"Log":[{"Start":"2026-01-01T10:00:08Z","End":"2026-01-01T10:00:09Z","ExitCode":127,"Output":"wget: not found\n"}]}},
"Config":{"Image":"jaegertracing/jaeger:2.20.0","Labels":{"kubetracing.state":"A","note":"a=b,c"}},
"HostConfig":{"PortBindings":{"16686/tcp":[{"HostIp":"127.0.0.1","HostPort":"16686"}],"4317/tcp":[{"HostIp":"","HostPort":""}]}},
"NetworkSettings":{"Ports":{"16686/tcp":[{"HostIp":"127.0.0.1","HostPort":"16686"}],"4317/tcp":[{"HostIp":"0.0.0.0","HostPort":"49153"},{"HostIp":"::","HostPort":"49153"}],"4318/tcp":null},
  "Networks":{"traced":{"IPAddress":"10.112.4.3"},"bridge":{"IPAddress":""}}},
"Mounts":[{"Type":"volume","Name":"traced-jaeger","Destination":"/badger"},{"Type":"bind","Source":"/etc"}]}]`

func TestClient_Containers(t *testing.T) {
	t.Parallel()
	t.Run("inspects what it lists", func(t *testing.T) {
		t.Parallel()
		runner := dockertest.New(t)
		runner.On(dockertest.Command("docker ps --all --quiet --no-trunc --filter label=k3d.cluster=traced --filter label=kubetracing.stack"), dockertest.Print("4f\n"))
		runner.On(dockertest.Command("docker container inspect 4f"), dockertest.Print(inspectedJaeger))
		found, err := runner.Client().Containers(t.Context(), docker.OfCluster("traced"), docker.Filter{Label: "kubetracing.stack"})
		require.NoError(t, err)
		assert.Equal(t, []docker.Container{{
			ID: "4f", Name: "traced-jaeger", Image: "jaegertracing/jaeger:2.20.0",
			Labels: map[string]string{"kubetracing.state": "A", "note": "a=b,c"},
			State: docker.State{
				Status: "running", OOMKilled: true, StartedAt: time.Date(2026, 1, 1, 10, 0, 7, 250e6, time.UTC),
				Health: "unhealthy", HealthLog: []docker.HealthCheck{{ExitCode: 127, Output: "wget: not found\n"}},
			},
			Restarts: 2, Networks: map[string]string{"traced": "10.112.4.3", "bridge": ""},
			Ports: []docker.Port{
				{HostIP: "127.0.0.1", Host: 16686, Container: 16686, Protocol: "tcp"},
				{HostIP: "0.0.0.0", Host: 49153, Container: 4317, Protocol: "tcp"},
				{HostIP: "::", Host: 49153, Container: 4317, Protocol: "tcp"},
			},
			Volumes: []string{"traced-jaeger"},
		}}, found)
	})
	t.Run("inspects nothing when nothing is listed", func(t *testing.T) {
		t.Parallel()
		runner := dockertest.New(t)
		runner.On(dockertest.Command("docker ps --all --quiet --no-trunc"), dockertest.Answer{})
		found, err := runner.Client().Containers(t.Context())
		require.NoError(t, err)
		assert.Empty(t, found)
		assert.Len(t, runner.Calls(), 1)
	})
	t.Run("leaves out what is removed meanwhile", func(t *testing.T) {
		t.Parallel()
		runner := dockertest.New(t)
		runner.On(dockertest.Command("docker ps --all --quiet --no-trunc"), dockertest.Print("4f\n5e\n"))
		runner.On(dockertest.Command("docker container inspect 4f 5e"),
			dockertest.Answer{Stdout: inspectedJaeger, Stderr: "Error response from daemon: No such container: 5e\n", Code: 1})
		found, err := runner.Client().Containers(t.Context())
		require.NoError(t, err)
		require.Len(t, found, 1)
		assert.Equal(t, "traced-jaeger", found[0].Name)
	})
	t.Run("fails with what docker says", func(t *testing.T) {
		t.Parallel()
		runner := dockertest.New(t)
		runner.On(dockertest.Command("docker ps --all --quiet --no-trunc"), dockertest.Fail("driver failed"))
		_, err := runner.Client().Containers(t.Context())
		require.EqualError(t, err, "list containers: docker ps --all --quiet --no-trunc: exit status 1: driver failed")
	})
	t.Run("fails when docker prints something else", func(t *testing.T) {
		t.Parallel()
		runner := dockertest.New(t)
		runner.On(dockertest.Command("docker ps --all --quiet --no-trunc"), dockertest.Print("4f\n"))
		runner.On(dockertest.Command("docker container inspect 4f"), dockertest.Print("CONTAINER ID"))
		_, err := runner.Client().Containers(t.Context())
		require.ErrorContains(t, err, "list containers: docker container inspect: read JSON: ")
	})
}

func TestClient_Inspect(t *testing.T) {
	t.Parallel()
	runner := dockertest.New(t)
	world := dockertest.NewWorld(runner)
	world.Set(docker.Container{Name: "a"}, docker.Container{Name: "b"})
	client := runner.Client()
	found, err := client.Inspect(t.Context(), "b", "a")
	require.NoError(t, err)
	assert.Equal(t, "b", found[0].Name)
	assert.Equal(t, "a", found[1].Name)
	_, err = client.Inspect(t.Context(), "a", "gone")
	require.ErrorIs(t, err, docker.ErrNotFound)
	require.ErrorContains(t, err, "No such container: gone")
	existing, err := client.InspectExisting(t.Context(), "a", "gone")
	require.NoError(t, err)
	require.Len(t, existing, 1)
	assert.Equal(t, "a", existing[0].Name)
}

func TestClient_objects(t *testing.T) {
	t.Parallel()
	runner := dockertest.New(t)
	runner.On(dockertest.Command("docker network ls --quiet --no-trunc"), dockertest.Print("1\n2\n"))
	runner.On(dockertest.Command("docker network inspect 1 2"), dockertest.Print(
		`[{"Id":"1","Name":"two","Labels":{"l":"v"},"IPAM":{"Config":[{"Subnet":"fd00::/64"},{"Subnet":"10.112.5.0/24"}]}},{"Id":"2","Name":"host","Labels":{},"IPAM":{"Config":null}}]`))
	networks, err := runner.Client().Networks(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []docker.Network{
		{ID: "1", Name: "two", Labels: map[string]string{"l": "v"}, Subnets: []netip.Prefix{netip.MustParsePrefix("fd00::/64"), netip.MustParsePrefix("10.112.5.0/24")}},
		{ID: "2", Name: "host", Labels: map[string]string{}},
	}, networks)

	runner.On(dockertest.Command("docker volume ls --quiet --filter label=kubetracing.state=A"), dockertest.Print("data\n"))
	runner.On(dockertest.Command("docker volume inspect data"), dockertest.Print(`[{"Name":"data","Driver":"local","Labels":{"kubetracing.state":"A"}}]`))
	volumes, err := runner.Client().Volumes(t.Context(), docker.Owner{State: "A"}.Filter())
	require.NoError(t, err)
	assert.Equal(t, []docker.Volume{{Name: "data", Labels: map[string]string{"kubetracing.state": "A"}}}, volumes)

	// An image with two names is listed twice.
	runner.On(dockertest.Command("docker image ls --quiet --no-trunc"), dockertest.Print("sha256:1\nsha256:1\n"))
	runner.On(dockertest.Command("docker image inspect sha256:1"), dockertest.Print(
		`[{"Id":"sha256:1","RepoTags":["a:1","b:1"],"Created":"2026-01-01T10:00:00Z","Architecture":"arm64","Config":{"User":"10001:0","Labels":{"l":"v"}}}]`))
	images, err := runner.Client().Images(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []docker.Image{{
		ID: "sha256:1", Tags: []string{"a:1", "b:1"}, Labels: map[string]string{"l": "v"},
		Created: time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC), Architecture: "arm64", User: "10001:0",
	}}, images)
}

func TestClient_commands(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 1, 10, 0, 7, 500e6, time.UTC)
	tests := map[string]struct {
		do    func(context.Context, *docker.Client) error
		argv  string
		stdin string
	}{
		"Logs": {func(ctx context.Context, c *docker.Client) error {
			_, err := c.Logs(ctx, "node", docker.LogOptions{Tail: 5, Since: since})
			return err
		}, "docker logs --tail 5 --since 2026-01-01T10:00:07.5Z node", ""},
		"Logs, all of them": {func(ctx context.Context, c *docker.Client) error {
			_, err := c.Logs(ctx, "node", docker.LogOptions{})
			return err
		}, "docker logs node", ""},
		"Exec": {func(ctx context.Context, c *docker.Client) error {
			_, err := c.Exec(ctx, "node", "cat", "/file")
			return err
		}, "docker exec node cat /file", ""},
		"ExecInput": {func(ctx context.Context, c *docker.Client) error {
			_, err := c.ExecInput(ctx, "node", "text\n", "tee", "/file")
			return err
		}, "docker exec --interactive node tee /file", "text\n"},
		"Run": {func(ctx context.Context, c *docker.Client) error {
			_, err := c.Run(ctx, docker.Throwaway{
				Image: "busybox", Volumes: map[string]string{"b": "/b", "a": "/a"}, Stdin: "text", Command: []string{"sh", "-c", "cat"},
			})
			return err
		}, "docker run --rm --interactive --network none --volume a:/a --volume b:/b --entrypoint sh busybox -c cat", "text"},
		"Start":   {func(ctx context.Context, c *docker.Client) error { return c.Start(ctx, "a", "b") }, "docker start a b", ""},
		"Kill":    {func(ctx context.Context, c *docker.Client) error { return c.Kill(ctx, "a") }, "docker kill --signal KILL a", ""},
		"Unpause": {func(ctx context.Context, c *docker.Client) error { return c.Unpause(ctx, "a", "b") }, "docker unpause a b", ""},
		"Connect": {func(ctx context.Context, c *docker.Client) error {
			return c.Connect(ctx, "net", "node", "10.0.0.2")
		}, "docker network connect --ip 10.0.0.2 net node", ""},
		"Disconnect":       {func(ctx context.Context, c *docker.Client) error { return c.Disconnect(ctx, "net", "node") }, "docker network disconnect net node", ""},
		"RemoveContainers": {func(ctx context.Context, c *docker.Client) error { return c.RemoveContainers(ctx, "a") }, "docker rm --force --volumes a", ""},
		"RemoveNetworks":   {func(ctx context.Context, c *docker.Client) error { return c.RemoveNetworks(ctx, "a") }, "docker network rm a", ""},
		"RemoveVolumes":    {func(ctx context.Context, c *docker.Client) error { return c.RemoveVolumes(ctx, "a") }, "docker volume rm a", ""},
		"RemoveImages":     {func(ctx context.Context, c *docker.Client) error { return c.RemoveImages(ctx, "a:1") }, "docker image rm a:1", ""},
		"CreateCluster": {func(ctx context.Context, c *docker.Client) error {
			return c.CreateCluster(ctx, "kind: Simple", nil)
		}, "k3d cluster create --config -", "kind: Simple"},
		"DeleteCluster": {func(ctx context.Context, c *docker.Client) error { return c.DeleteCluster(ctx, "traced", nil) }, "k3d cluster delete traced", ""},
		"Kubeconfig": {func(ctx context.Context, c *docker.Client) error {
			_, err := c.Kubeconfig(ctx, "traced")
			return err
		}, "k3d kubeconfig get traced", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runner := dockertest.New(t)
			runner.On(dockertest.Command(test.argv), dockertest.Answer{}, dockertest.Fail("no"))
			client := runner.Client()
			client.Env = []string{"DOCKER_HOST=unix:///other.sock"}
			require.NoError(t, test.do(t.Context(), client))
			assert.Equal(t, []dockertest.Call{{
				Argv: strings.Fields(test.argv), Env: []string{"DOCKER_HOST=unix:///other.sock"}, Stdin: test.stdin,
			}}, runner.Calls())
			require.ErrorContains(t, test.do(t.Context(), client), test.argv+": exit status 1: no")
			assert.Len(t, runner.Calls(), 2, "what changes something is not repeated")
		})
	}
}

func TestClient_emptyClusterName(t *testing.T) {
	t.Parallel()
	runner := dockertest.New(t)
	require.ErrorContains(t, runner.Client().DeleteCluster(t.Context(), "", nil), "the name of the cluster is empty")
	_, err := runner.Client().Kubeconfig(t.Context(), "")
	require.ErrorContains(t, err, "the name of the cluster is empty")
	assert.Empty(t, runner.Calls())
}

func TestClient_CreateCluster_progress(t *testing.T) {
	t.Parallel()
	runner := dockertest.New(t)
	runner.On(dockertest.Command("k3d cluster create --config -"), dockertest.Answer{Stdout: "\x1b[36mINFO\x1b[0m[0000] Prep: Network\n" +
		"\x1b[33mWARN\x1b[0m[0001] No node filter specified\n" +
		"INFO[0001] --kubeconfig-update-default=false --> sets --kubeconfig-switch-context=false\n" +
		"INFO[0009] Cluster 'traced' created successfully!\nINFO[0009] You can now use it like this:\n" +
		"export KUBECONFIG=$(k3d kubeconfig write traced)\nkubectl cluster-info\n\n"})
	var progress []string
	require.NoError(t, runner.Client().CreateCluster(t.Context(), "", func(line string) { progress = append(progress, line) }))
	assert.Equal(t, []string{"Prep: Network", "WARN[0001] No node filter specified"}, progress)
}

func TestClient_CopyFrom(t *testing.T) {
	t.Parallel()
	runner := dockertest.New(t)
	argv := dockertest.Command("docker cp --follow-link node:/file -")
	runner.On(argv, dockertest.Fail("Could not find the file /file in container node"))
	_, err := runner.Client().CopyFrom(t.Context(), "node", "/file")
	require.ErrorContains(t, err, "Could not find the file")
	runner.On(argv, dockertest.Print("no archive"))
	_, err = runner.Client().CopyFrom(t.Context(), "node", "/file")
	require.ErrorContains(t, err, "copy /file from container node: ")
}

func TestClient_failures(t *testing.T) {
	t.Parallel()
	const choose = "choose another one with `docker context use` or DOCKER_CONTEXT; `docker context ls` lists them"
	tests := map[string]struct {
		answer  dockertest.Answer
		kind    error
		message string
	}{
		"docker is missing": {dockertest.Answer{Err: &exec.Error{Name: "docker", Err: exec.ErrNotFound}}, docker.ErrNotInstalled, "docker is not on PATH"},
		"there is no daemon": {
			dockertest.Fail("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n"), docker.ErrUnavailable,
			"the Docker daemon does not answer: is it running, and may this user connect to it? docker says: " +
				"Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
		},
		"the user may not connect": {
			dockertest.Fail("permission denied while trying to connect to the Docker daemon socket"), docker.ErrUnavailable,
			"the Docker daemon does not answer: is it running, and may this user connect to it? docker says: " +
				"permission denied while trying to connect to the Docker daemon socket",
		},
		"the daemon of release 29 is down": {
			dockertest.Fail("failed to connect to the docker API at unix:///var/run/docker.sock"), docker.ErrUnavailable,
			"the Docker daemon does not answer: is it running, and may this user connect to it? docker says: " +
				"failed to connect to the docker API at unix:///var/run/docker.sock",
		},
		"docker is Podman": {
			dockertest.Answer{Stderr: "Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.\nError: unknown flag", Code: 125},
			docker.ErrNotDocker,
			"the docker command on PATH is Podman, which is not supported: install Docker Engine or Docker Desktop, or put its docker command first on PATH. " +
				"It says: Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.\nError: unknown flag",
		},
		"docker is a Podman without its machine": {
			dockertest.Answer{Stderr: "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`, or try `podman machine init`\n" +
				"Error: unable to connect to Podman socket: dial unix /run/podman.sock: connect: no such file or directory\n", Code: 125},
			docker.ErrNotDocker,
			"the docker command on PATH is Podman, which is not supported: install Docker Engine or Docker Desktop, or put its docker command first on PATH. " +
				"It says: Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`, or try `podman machine init`\n" +
				"Error: unable to connect to Podman socket: dial unix /run/podman.sock: connect: no such file or directory",
		},
		"docker is a Podman without contexts": {
			dockertest.Answer{Stderr: "Error: unrecognized command `podman context inspect`\nTry 'podman --help' for more information\n", Code: 125},
			docker.ErrNotDocker,
			"the docker command on PATH is Podman, which is not supported: install Docker Engine or Docker Desktop, or put its docker command first on PATH. " +
				"It says: Error: unrecognized command `podman context inspect`\nTry 'podman --help' for more information",
		},
		"a container is named podman": {
			dockertest.Fail("Error response from daemon: No such container: podman\n"), docker.ErrNotFound,
			"docker context inspect: exit status 1: Error response from daemon: No such container: podman",
		},
		"a context that DOCKER_CONTEXT names does not exist": {
			dockertest.Fail("Failed to initialize: unable to resolve docker endpoint: context \"gone\": context not found: open /home/me/.docker/contexts/meta/2/meta.json: no such file or directory\n"),
			docker.ErrContext, `the Docker context "gone" does not exist: ` + choose,
		},
		"a context that docker context use chose does not exist": {
			dockertest.Fail("Current context \"gone\" is not found on the file system, please check your config file at /home/me/.docker/config.json\n"),
			docker.ErrContext, `the Docker context "gone" does not exist: ` + choose,
		},
		"a context's metadata is cut off": {
			dockertest.Fail("context \"ci\": parsing /home/me/.docker/contexts/meta/2/meta.json: unexpected end of JSON input\n"), docker.ErrContext,
			`the Docker context cannot be read: context "ci": parsing /home/me/.docker/contexts/meta/2/meta.json: unexpected end of JSON input. Create it again, or ` + choose,
		},
		"a context's metadata is cut off, for a docker of release 20.10": {
			dockertest.Fail("unable to resolve docker endpoint: unexpected end of JSON input\n"), docker.ErrContext,
			"docker does not know which daemon to connect to: unexpected end of JSON input. Correct DOCKER_HOST or DOCKER_CERT_PATH, or " + choose,
		},
		"a context without an endpoint": {
			dockertest.Fail("Failed to initialize: unable to resolve docker endpoint: cannot find docker endpoint in context\n"), docker.ErrContext,
			"docker does not know which daemon to connect to: cannot find docker endpoint in context. Correct DOCKER_HOST or DOCKER_CERT_PATH, or " + choose,
		},
		"DOCKER_TLS_VERIFY without certificates": {
			dockertest.Fail("Failed to initialize: unable to resolve docker endpoint: open /home/me/.docker/ca.pem: no such file or directory\n"), docker.ErrContext,
			"docker does not know which daemon to connect to: open /home/me/.docker/ca.pem: no such file or directory. Correct DOCKER_HOST or DOCKER_CERT_PATH, or " + choose,
		},
		"DOCKER_HOST is no address": {
			dockertest.Fail("Failed to initialize: ssh host connection is not valid: invalid SSH URL: hostname is empty\n"), docker.ErrContext,
			"docker does not know which daemon to connect to: ssh host connection is not valid: invalid SSH URL: hostname is empty. Correct DOCKER_HOST or DOCKER_CERT_PATH, or " + choose,
		},
		"a context's metadata is cut off, for a command": {
			dockertest.Fail("Failed to initialize: unable to resolve docker endpoint: context \"ci\": parsing /m/meta.json: unexpected end of JSON input\n"), docker.ErrContext,
			`the Docker context cannot be read: context "ci": parsing /m/meta.json: unexpected end of JSON input. Create it again, or ` + choose,
		},
		"docker hangs": {
			dockertest.Answer{Hang: true},
			docker.ErrUnresponsive,
			"the Docker daemon accepts connections but does not answer: `docker context inspect` got no answer within 20s; restart Docker",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				runner := dockertest.New(t)
				runner.On(dockertest.Command("docker context inspect"), test.answer)
				_, err := runner.Client().Endpoint(t.Context(), environment(nil))
				require.ErrorIs(t, err, test.kind)
				require.EqualError(t, err, test.message)
				assert.Len(t, runner.Calls(), 1)
			})
		})
	}
	t.Run("a command in a container hangs", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			runner := dockertest.New(t)
			runner.On(dockertest.Command("docker exec node sleep"), dockertest.Answer{Hang: true})
			_, err := runner.Client().Exec(t.Context(), "node", "sleep")
			require.ErrorIs(t, err, docker.ErrUnresponsive)
			require.EqualError(t, err, "`docker exec node sleep` did not end within 2m0s")
		})
	})
	t.Run("the caller's deadline is not the daemon's fault", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			runner := dockertest.New(t)
			runner.On(dockertest.Command("docker exec node sleep"), dockertest.Answer{Hang: true})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := runner.Client().Exec(ctx, "node", "sleep")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotErrorIs(t, err, docker.ErrUnresponsive)
		})
	})
	t.Run("a query is repeated when its connection breaks", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			runner := dockertest.New(t)
			broken := dockertest.Fail("error during connect: unexpected EOF")
			runner.On(dockertest.Command("docker ps --all --quiet --no-trunc"), broken, broken, dockertest.Answer{})
			_, err := runner.Client().Containers(t.Context())
			require.NoError(t, err)
			runner.On(dockertest.Command("docker ps --all --quiet --no-trunc"), broken)
			_, err = runner.Client().Containers(t.Context())
			require.ErrorContains(t, err, "unexpected EOF")
			assert.Len(t, runner.Calls(), 6)
		})
	})
}

const (
	clientVersion = `{"Client":{"Version":"28.2.2","ApiVersion":"1.41","Os":"linux","Arch":"amd64"},`
	dockerVersion = clientVersion + `"Server":{"Version":"20.10.24","Arch":"arm64","Components":[{"Name":"Engine","Version":"20.10.24"}]}}`
)

func TestClient_System(t *testing.T) {
	t.Parallel()
	versionCommand, infoCommand := []string{"docker", "version", "--format", "{{json .}}"}, []string{"docker", "info", "--format", "{{json .}}"}
	t.Run("describes the daemon", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			runner := dockertest.New(t)
			runner.On(versionCommand, dockertest.Print(dockerVersion))
			runner.OnFunc(infoCommand, func(context.Context, dockertest.Call) dockertest.Answer {
				time.Sleep(time.Second)
				return dockertest.Print(`{"CgroupVersion":"2","Driver":"overlayfs","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]],"SystemTime":"2000-01-01T00:01:10.5Z","SecurityOptions":["name=seccomp,profile=default","name=rootless"]}`)
			})
			start := time.Now()
			system, err := runner.Client().System(t.Context())
			require.NoError(t, err)
			assert.Equal(t, docker.System{
				Version: "20.10.24", Architecture: "arm64", CgroupVersion: "2", Rootless: true, Storage: "overlayfs", ContainerdStore: true,
				Time:  time.Date(2000, 1, 1, 0, 1, 10, 500e6, time.UTC),
				Asked: start, Answered: start.Add(time.Second),
			}, system)
			assert.Equal(t, 69500*time.Millisecond, system.Ahead().Round(time.Millisecond))
		})
	})
	for name, test := range map[string]struct {
		version, stderr string
		kind            error
		message         string
	}{
		"Podman instead of docker": {
			`{"Client":{"APIVersion":"5.2.1","Version":"5.2.1","GoVersion":"go1.22","OsArch":"linux/amd64","Os":"linux"}}`, "", docker.ErrNotDocker,
			"the docker command on PATH is Podman, which is not supported: install Docker Engine or Docker Desktop, or put its docker command first on PATH. Its version is 5.2.1.",
		},
		"Podman behind docker": {
			clientVersion + `"Server":{"Version":"5.2.1","Arch":"amd64","Components":[{"Name":"Podman Engine","Version":"5.2.1"}]}}`, "", docker.ErrNotDocker,
			"the daemon that docker connects to is Podman 5.2.1, which is not supported: choose a Docker daemon with `docker context use` or DOCKER_HOST",
		},
		"Podman 1": {
			`{"RemoteAPIVersion":1,"Version":"1.6.4","GoVersion":"go1.12.12","OsArch":"linux/amd64"}`, "", docker.ErrNotDocker,
			"the docker command on PATH is Podman, which is not supported: install Docker Engine or Docker Desktop, or put its docker command first on PATH. Its version is 1.6.4.",
		},
		"nerdctl": {
			`{"Client":{"Version":"v1.7.7","Os":"linux","Arch":"amd64"},"Server":{"Components":[{"Name":"containerd","Version":"v1.7.22"},{"Name":"runc","Version":"1.1.14"}]}}`,
			"", docker.ErrNotDocker,
			"the docker command on PATH does not connect to a Docker daemon, but to something else (containerd v1.7.22, runc 1.1.14), which is not supported: " +
				"install Docker Engine or Docker Desktop, or put its docker command first on PATH",
		},
		"a server that says nothing": {
			clientVersion + `"Server":{}}`, "", docker.ErrNotDocker,
			"the docker command on PATH does not connect to a Docker daemon, but to something else (its version is not known), which is not supported: " +
				"install Docker Engine or Docker Desktop, or put its docker command first on PATH",
		},
		"no server": {clientVersion + `"Server":null}`, "", docker.ErrUnavailable, "the Docker daemon does not answer: docker version describes no server"},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			runner := dockertest.New(t)
			runner.On(versionCommand, dockertest.Answer{Stdout: test.version, Stderr: test.stderr})
			_, err := runner.Client().System(t.Context())
			require.ErrorIs(t, err, test.kind)
			require.EqualError(t, err, test.message)
			_, err = runner.Client().Architecture(t.Context())
			require.ErrorIs(t, err, test.kind)
		})
	}
	t.Run("fails when docker info describes errors only", func(t *testing.T) {
		t.Parallel()
		runner := dockertest.New(t)
		runner.On(versionCommand, dockertest.Print(dockerVersion))
		runner.On(infoCommand, dockertest.Print(`{"ServerErrors":["Cannot connect to the Docker daemon"]}`))
		_, err := runner.Client().System(t.Context())
		require.ErrorIs(t, err, docker.ErrUnavailable)
	})
}

func TestSystem_Ahead(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	for at, want := range map[time.Duration]time.Duration{
		-3 * time.Second: -3 * time.Second, 0: 0, 500 * time.Millisecond: 0, time.Second: 0, 71 * time.Second: 70 * time.Second,
	} {
		system := docker.System{Time: asked.Add(at), Asked: asked, Answered: asked.Add(time.Second)}
		assert.Equal(t, want, system.Ahead(), at)
		offset, uncertainty := system.Offset()
		if want == 0 {
			assert.Equal(t, []time.Duration{0, time.Second}, []time.Duration{offset, uncertainty}, at)
		} else {
			assert.Equal(t, []time.Duration{at - 500*time.Millisecond, 500 * time.Millisecond}, []time.Duration{offset, uncertainty}, at)
		}
	}
}

func TestClient_BuildCache(t *testing.T) {
	t.Parallel()
	r := dockertest.New(t)
	r.On([]string{"docker", "system", "df", "--verbose", "--format", "{{json .BuildCache}}"}, dockertest.Print(
		`[{"CacheType":"regular","CreatedAt":"2026-11-25 07:16:14.135850191 +0000 UTC","CreatedSince":"2 hours ago",`+
			`"Description":"from local ","ID":"3f4y","InUse":"false","LastUsedAt":"2026-11-25 08:16:15 +0100 CET","Size":"0B"},`+
			`{"Description":"fileop target","ID":"flgw","CreatedAt":"","LastUsedAt":""}]`))
	records, err := r.Client().BuildCache(t.Context())
	require.NoError(t, err)
	require.Len(t, records, 2)
	assert.Equal(t, "3f4y", records[0].ID)
	assert.Equal(t, "from local ", records[0].Description)
	assert.True(t, time.Date(2026, 11, 25, 7, 16, 14, 135850191, time.UTC).Equal(records[0].Created))
	assert.True(t, time.Date(2026, 11, 25, 7, 16, 15, 0, time.UTC).Equal(records[0].Used))
	assert.Equal(t, docker.CacheRecord{ID: "flgw", Description: "fileop target"}, records[1])
}
