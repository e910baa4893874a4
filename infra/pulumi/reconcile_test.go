package pulumi_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/infra/pulumi/pulumitest"
)

// newStack returns a stack in a project of its own, its Pulumi and its log.
func newStack(t *testing.T) (pulumi.Stack, *pulumitest.Runner, *bytes.Buffer) {
	t.Helper()
	space, err := pulumi.Prepare(newProject(t), "dev")
	require.NoError(t, err)
	var log bytes.Buffer
	runner := &pulumitest.Runner{}
	return pulumi.Stack{Workspace: space, Runner: runner, Local: true, Log: &log}, runner, &log
}

// interrupted is the state of an update that was killed while it created one of each.
func interrupted() pulumi.State {
	creating := func(kind, key, name string) pulumi.Resource {
		return newResource(name, kind, "", map[string]any{key: name})
	}
	identified := newResource("identity", "command:local:Command", "i1", nil)
	identified.Outputs = map[string]any{"stdout": identity}
	return pulumi.State{Pending: true, Resources: []pulumi.Resource{identified}, Creating: []pulumi.Resource{
		creating("docker:index/image:Image", "imageName", "node:1"),
		creating("docker:index/network:Network", "name", "net"),
		creating("docker:index/container:Container", "name", "jaeger"),
		creating("docker:index/volume:Volume", "name", "vol"),
		creating("command:local:Command", "create", "cluster-k3d"),
	}}
}

// newWorld returns a Docker with objects of the names that interrupted was creating,
// created by a state, and with other objects of that state.
func newWorld(t *testing.T, identity string) *dockertest.Runner {
	t.Helper()
	runner := dockertest.New(t)
	world := dockertest.NewWorld(runner)
	world.Set(docker.Container{ID: "jjj", Name: "jaeger", Labels: labels(identity)}, docker.Container{ID: "ccc", Name: "collector", Labels: labels(identity)})
	world.SetNetworks(docker.Network{ID: "nnn", Name: "net", Labels: labels(identity)})
	world.SetVolumes(docker.Volume{Name: "vol", Labels: labels(identity)}, docker.Volume{Name: "kept", Labels: labels(identity)})
	world.SetImages(docker.Image{ID: "sha256:1", Tags: []string{"node:1"}, Labels: labels(identity)})
	for _, remove := range []string{"docker rm", "docker network rm", "docker volume rm", "docker image rm"} {
		runner.On(dockertest.Command(remove+" "+dockertest.Rest), dockertest.Answer{})
	}
	return runner
}

// removals are the commands that removed something.
func removals(runner *dockertest.Runner) []string {
	var lines []string
	for _, line := range runner.Lines() {
		if strings.Contains(line, " rm ") || strings.HasPrefix(line, "k3d ") {
			lines = append(lines, line)
		}
	}
	return lines
}

const exportedPending = `{"version":3,"deployment":{"manifest":{"time":"2026-01-01T00:00:00.123456789Z"},` +
	`"secrets_providers":{"type":"passphrase"},"resources":[{"urn":"a","outputs":{"large":12345678901234567890}}],"pending_operations":[{"type":"creating"}]}}`

func TestStack_Reconcile(t *testing.T) {
	t.Parallel()
	stack, runner, _ := newStack(t)
	runner.On("stack export", pulumitest.Answer{Stdout: exportedPending})
	world := newWorld(t, identity)
	require.NoError(t, stack.Reconcile(t.Context(), world.Client(), interrupted()))
	assert.Equal(t, []string{
		"stack export --stack dev --non-interactive", "stack import --stack dev --non-interactive",
	}, runner.Lines())
	//nolint:testifylint // byte by byte: a large number must keep its digits
	assert.Equal(t, `{"version":3,"deployment":{"manifest":{"time":"2026-01-01T00:00:00.123456789Z"},"resources":[{"urn":"a","outputs":{"large":12345678901234567890}}],`+
		`"secrets_providers":{"type":"passphrase"}}}`, runner.Calls()[1].Stdin, "it loses its unfinished operations and nothing else")
	assert.Equal(t, []string{"docker rm --force --volumes jjj", "docker network rm nnn", "docker volume rm vol", "docker image rm node:1"}, removals(world))
}

func TestStack_Reconcile_leaves_other_states_alone(t *testing.T) {
	t.Parallel()
	stack, runner, _ := newStack(t)
	runner.On("stack export", pulumitest.Answer{Stdout: exportedPending})
	world := newWorld(t, "OTHER")
	require.NoError(t, stack.Reconcile(t.Context(), world.Client(), interrupted()))
	assert.Empty(t, removals(world))
}

func TestStack_Reconcile_nothing_pending(t *testing.T) {
	t.Parallel()
	stack, runner, _ := newStack(t)
	require.NoError(t, stack.Reconcile(t.Context(), dockertest.New(t).Client(), completeState(t)))
	assert.Empty(t, runner.Lines())
}

func TestStack_Reconcile_while_another_update_runs(t *testing.T) {
	t.Parallel()
	stack, runner, _ := newStack(t)
	stack.Local = false
	runner.On("stack export", pulumitest.Answer{Stdout: exportedPending})
	runner.On("stack import", pulumitest.Answer{Code: 255, Stderr: "error: the stack is locked"})
	err := stack.Reconcile(t.Context(), dockertest.New(t).Client(), interrupted())
	require.EqualError(t, err, "pulumi stack: exit status 255: error: the stack is locked")
}

func TestStack_Reconcile_cannot_remove(t *testing.T) {
	t.Parallel()
	stack, runner, _ := newStack(t)
	runner.On("stack export", pulumitest.Answer{Stdout: exportedPending})
	world := newWorld(t, identity)
	world.On(dockertest.Command("docker network rm nnn"), dockertest.Fail("it is in use"))
	err := stack.Reconcile(t.Context(), world.Client(), interrupted())
	require.ErrorContains(t, err, "remove what the last update was creating: ")
	require.ErrorContains(t, err, "it is in use")
}

// writeLock writes a lock of the stack as Pulumi does.
func writeLock(t *testing.T, stack pulumi.Stack, name, text string) {
	t.Helper()
	write(t, filepath.Join(stack.Folder("state"), ".pulumi/locks/organization/kubetracing/dev", name+".json"), text)
}

// lockOf returns a lock of a process that was written just now.
func lockOf(pid int, host string, written time.Time) string {
	return fmt.Sprintf(`{"pid":%d,"username":"me","hostname":%q,"timestamp":%q}`, pid, host, written.Format(time.RFC3339Nano))
}

func TestStack_Reconcile_locks(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	require.NoError(t, err)
	ended := exec.CommandContext(t.Context(), "true")
	require.NoError(t, ended.Run())
	now := time.Now()
	tests := map[string]struct {
		locks []string
		stale bool
		want  string
	}{
		"none":              {},
		"process has ended": {locks: []string{lockOf(ended.Process.Pid, host, now)}, stale: true},
		"process runs":      {locks: []string{lockOf(os.Getpid(), host, now)}, want: "the stack is locked by me@" + host},
		"process number belongs to a younger one": {locks: []string{lockOf(os.Getpid(), host, now.Add(-24*time.Hour))}, stale: true},
		"process of root runs":                    {locks: []string{lockOf(1, host, now)}, want: "the stack is locked by me@" + host + " (process 1, "},
		"another host name": {
			locks: []string{lockOf(ended.Process.Pid, "container", now)},
			want:  "remove its lock: ./kubetracing pulumi --stack dev -- cancel --yes --stack dev",
		},
		"one of two processes has ended": {
			locks: []string{lockOf(ended.Process.Pid, host, now), lockOf(os.Getpid(), host, now)}, want: "the stack is locked by me@" + host,
		},
		"empty": {locks: []string{""}, stale: true},
		"torn":  {locks: []string{`{"pid":12`}, stale: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stack, runner, log := newStack(t)
			for i, lock := range test.locks {
				writeLock(t, stack, fmt.Sprint(i), lock)
			}
			err := stack.Reconcile(t.Context(), dockertest.New(t).Client(), completeState(t))
			if test.want != "" {
				require.ErrorContains(t, err, test.want)
			} else {
				require.NoError(t, err)
			}
			if test.stale {
				assert.Equal(t, []string{"cancel --yes --stack dev --non-interactive"}, runner.Lines())
				assert.Equal(t, "kubetracing: removing the stale lock of an interrupted update\n", log.String())
			} else {
				assert.Empty(t, runner.Lines())
				assert.Empty(t, log.String())
			}
		})
	}
}

func TestRemoveUnknownCluster(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		state   pulumi.State
		cluster string
		want    []string
	}{
		"created by an interrupted update": {interrupted(), identity, []string{"k3d cluster delete kubetracing-dev"}},
		"created by another state":         {interrupted(), "OTHER", nil},
		"known to Pulumi":                  {completeState(t), identity, nil},
		"without an identity":              {pulumi.State{}, "", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runner := dockertest.New(t)
			dockertest.NewWorld(runner).Set(nodes(test.cluster)...)
			runner.On(dockertest.Command("k3d cluster delete "+dockertest.Rest), dockertest.Answer{})
			require.NoError(t, pulumi.RemoveUnknownCluster(t.Context(), runner.Client(), test.state, names, t.Output()))
			assert.Equal(t, test.want, removals(runner))
		})
	}
}

func TestRemoveUnknownCluster_error(t *testing.T) {
	t.Parallel()
	runner := dockertest.New(t)
	dockertest.NewWorld(runner).Set(nodes(identity)...)
	runner.On(dockertest.Command("k3d cluster delete "+dockertest.Rest), dockertest.Fail("it cannot be"))
	err := pulumi.RemoveUnknownCluster(t.Context(), runner.Client(), interrupted(), names, t.Output())
	require.ErrorContains(t, err, "remove what an interrupted update left of cluster kubetracing-dev: ")
	require.ErrorContains(t, err, "it cannot be")
}

func TestSnapshot_Strangers(t *testing.T) {
	t.Parallel()
	snapshot := completeSnapshot()
	ours := docker.Owner{Stack: names.Owner, State: identity}
	assert.Empty(t, snapshot.Strangers(ours))
	assert.Empty(t, pulumi.DescribeStrangers(nil, "dev"))

	lost := snapshot.Strangers(docker.Owner{Stack: names.Owner})
	assert.Equal(t, map[string][]string{identity: {
		`container "kubetracing-dev-jaeger"`, `container "kubetracing-dev-collector"`, `network "kubetracing-dev"`,
		`volume "kubetracing-dev-tracing"`, `volume "kubetracing-dev-jaeger"`, `image "kubetracing-dev-node:abc"`,
	}}, lost)
	assert.Equal(t, []string{`container "kubetracing-dev-jaeger", container "kubetracing-dev-collector", network "kubetracing-dev" and 3 more: ` +
		"created for a stack of this name by another state (IDENTITY): that of another checkout, or one that is lost. " +
		"If it is lost, remove what it created: ./kubetracing destroy --stack dev --orphans IDENTITY"}, pulumi.DescribeStrangers(lost, "dev"))
}

func TestDescribeStrangers_of_an_earlier_version(t *testing.T) {
	t.Parallel()
	snapshot := pulumi.Snapshot{Volumes: []docker.Volume{{Name: "v", Labels: map[string]string{spec.StackLabel: names.Owner}}}}
	assert.Equal(t, []string{`volume "v": created by an earlier version of kubetracing for a stack of this name; ` +
		"destroy that stack with the version and the checkout that created it, or remove it with docker"},
		pulumi.DescribeStrangers(snapshot.Strangers(docker.Owner{Stack: names.Owner}), "dev"))
}

func TestRemoveOrphans(t *testing.T) {
	t.Parallel()
	runner := newWorld(t, identity)
	world := dockertest.NewWorld(runner)
	world.Set(append(nodes(identity), docker.Container{ID: "jjj", Name: "jaeger", Labels: labels(identity)},
		docker.Container{ID: "ooo", Name: "other", Labels: labels("OTHER")})...)
	world.SetNetworks(docker.Network{ID: "nnn", Name: "net", Labels: labels(identity)}, docker.Network{ID: "mmm", Name: "other", Labels: labels("OTHER")})
	world.SetVolumes(docker.Volume{Name: "vol", Labels: labels(identity)}, docker.Volume{Name: "other"})
	for _, remove := range []string{"docker rm", "docker network rm", "docker volume rm", "k3d cluster delete"} {
		runner.On(dockertest.Command(remove+" "+dockertest.Rest), dockertest.Answer{})
	}
	count, err := pulumi.RemoveOrphans(t.Context(), runner.Client(), identity, t.Output())
	require.NoError(t, err)
	assert.Equal(t, 5, count)
	assert.Equal(t, []string{
		"k3d cluster delete kubetracing-dev", "docker rm --force --volumes jjj", "docker network rm nnn", "docker volume rm vol",
	}, removals(runner))

	count, err = pulumi.RemoveOrphans(t.Context(), runner.Client(), "UNKNOWN", t.Output())
	require.NoError(t, err)
	assert.Zero(t, count)
}
