package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/stacks"
)

// operationTimeout is far more than any operation on fakes needs; one that waits
// for a value that never comes fails.
const operationTimeout = 5 * time.Minute

// streamTimeout bounds how long the engine's events take to arrive after its end.
const streamTimeout = 30 * time.Second

// host is a machine with a Pulumi backend and fake providers.
type host struct {
	// folder holds everything that Pulumi writes.
	folder      string
	journal     *journal
	environment map[string]string
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{folder: t.TempDir(), journal: &journal{}}
	for _, folder := range []string{"state", "home"} {
		require.NoError(t, os.Mkdir(filepath.Join(h.folder, folder), 0o700))
	}
	var attached []string
	for name, kinds := range map[string]map[string]kind{
		"command": commandKinds, "docker": dockerKinds, "kubernetes": kubernetesKinds,
	} {
		attached = append(attached, name+":"+(&provider{kinds: kinds, journal: h.journal}).serve(t))
	}
	h.environment = map[string]string{
		"PULUMI_BACKEND_URL":                          "file://" + filepath.Join(h.folder, "state"),
		"PULUMI_CONFIG_PASSPHRASE":                    "correct horse battery staple",
		"PULUMI_DEBUG_PROVIDERS":                      strings.Join(attached, ","),
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
	}
	return h
}

// clone returns another host in the same state.
func (h *host) clone(t *testing.T) *host {
	t.Helper()
	other := newHost(t)
	// Identifiers of the two must differ.
	other.journal.count = h.journal.count
	require.NoError(t, os.RemoveAll(other.folder))
	require.NoError(t, os.CopyFS(other.folder, os.DirFS(h.folder)))
	return other
}

// stack is a stack on a host.
type stack struct {
	auto.Stack

	host *host
	name string
}

// stack opens a stack, a new and empty one unless there is one of that name.
func (h *host) stack(t *testing.T, name string, config map[string]string) *stack {
	t.Helper()
	loaded, err := workspace.LoadProject(filepath.Join("..", "..", "Pulumi.yaml"))
	require.NoError(t, err)
	project := *loaded
	// The program runs here, in the test's process.
	project.Main = ""
	project.Runtime = workspace.NewProjectRuntimeInfo("go", nil)
	folder := filepath.Join(h.folder, name)
	require.NoError(t, os.MkdirAll(folder, 0o700))
	opened, err := auto.UpsertStackInlineSource(t.Context(), name, string(project.Name), nil,
		auto.Project(project), auto.WorkDir(folder), auto.PulumiHome(filepath.Join(h.folder, "home")),
		auto.EnvVars(h.environment), auto.Pulumi(pulumiCommand(t)))
	require.NoError(t, err)
	s := &stack{Stack: opened, host: h, name: name}
	s.configure(t, config)
	return s
}

// configure gives the stack's program a configuration.
func (s *stack) configure(t *testing.T, config map[string]string) {
	t.Helper()
	settings, err := stacks.New("kubetracing", s.name, config)
	require.NoError(t, err)
	s.Workspace().SetProgram(func(ctx *pulumi.Context) error { return compose(ctx, settings) })
}

// clusterName is the name of the traced cluster, which begins those of its resources.
const clusterName = "traced"

// compose creates a stack's resources and exports its outputs, as the program does.
func compose(ctx *pulumi.Context, settings stacks.Stack) error {
	traced, err := components.NewTracedCluster(ctx, clusterName, components.TracedClusterArgs{
		Stack: settings, Root: filepath.Join("..", ".."),
	})
	if err != nil {
		return err
	}
	traced.Export(ctx)
	return nil
}

// resourceName returns the name of a resource without that of the traced cluster.
func resourceName(u urn.URN) string { return strings.TrimPrefix(u.Name(), clusterName+"-") }

// outcome is the result of an operation on a stack.
type outcome struct {
	// changes are the resources that do not stay the same, as "update cluster-k3d",
	// sorted. A replacement is one change, whatever its steps.
	changes []string
	// text is what the CLI printed on standard output, log all output of the CLI and
	// the engine.
	text, log string
	err       error
}

// observe collects the engine's events while run runs.
func observe(t *testing.T, run func(context.Context, chan<- events.EngineEvent, *bytes.Buffer) (string, error)) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), operationTimeout)
	defer cancel()
	var log, progress bytes.Buffer
	changes := map[string]bool{}
	stream, collected := make(chan events.EngineEvent), make(chan error, 1)
	go func() {
		var first error
		for event := range stream {
			text, err := json.Marshal(event.EngineEvent)
			if first == nil {
				first = err
			}
			log.Write(append(text, '\n'))
			if event.ResourcePreEvent != nil {
				record(changes, event.ResourcePreEvent.Metadata)
			}
		}
		collected <- first
	}()
	text, err := run(ctx, stream, &progress)
	require.NoError(t, ctx.Err(), "the operation does not end; so far: %s", text)
	select {
	case problem := <-collected:
		require.NoError(t, problem)
	case <-time.After(streamTimeout):
		// What fails before the engine starts leaves the stream open.
		require.NoError(t, err, "%s%s", text, &progress)
		require.Fail(t, "the engine's events do not end")
	}
	result := outcome{text: text, log: log.String() + text + progress.String(), err: err}
	for change := range changes {
		result.changes = append(result.changes, change)
	}
	slices.Sort(result.changes)
	return result
}

// record adds a step of the engine to a set of changes.
func record(changes map[string]bool, step apitype.StepEventMetadata) {
	resource := urn.URN(step.URN)
	if resource.Type() == "pulumi:pulumi:Stack" {
		return
	}
	verb := string(step.Op)
	switch step.Op {
	case apitype.OpSame, apitype.OpRead:
		return
	case apitype.OpReplace, apitype.OpCreateReplacement, apitype.OpDeleteReplaced:
		verb = "replace"
	default:
	}
	changes[fmt.Sprintf("%s %s", verb, resourceName(resource))] = true
}

func (s *stack) preview(t *testing.T, options ...optpreview.Option) outcome {
	t.Helper()
	return observe(t, func(ctx context.Context, stream chan<- events.EngineEvent, log *bytes.Buffer) (string, error) {
		// Lines of dots depend on how slow the machine is.
		result, err := s.Preview(ctx, append(options, optpreview.SuppressProgress(),
			optpreview.EventStreams(stream), optpreview.ErrorProgressStreams(log))...)
		return result.StdOut, err
	})
}

func (s *stack) up(t *testing.T) outcome {
	t.Helper()
	return observe(t, func(ctx context.Context, stream chan<- events.EngineEvent, log *bytes.Buffer) (string, error) {
		result, err := s.Up(ctx, optup.EventStreams(stream), optup.ErrorProgressStreams(log))
		return result.StdOut, err
	})
}

func (s *stack) mustUp(t *testing.T) outcome {
	t.Helper()
	result := s.up(t)
	require.NoError(t, result.err)
	return result
}

func (s *stack) destroy(t *testing.T) outcome {
	t.Helper()
	return observe(t, func(ctx context.Context, stream chan<- events.EngineEvent, log *bytes.Buffer) (string, error) {
		result, err := s.Destroy(ctx, optdestroy.EventStreams(stream), optdestroy.ErrorProgressStreams(log))
		return result.StdOut, err
	})
}

// resources lists what the stack's state holds beside the stack itself.
func (s *stack) resources(t *testing.T) []apitype.ResourceV3 {
	t.Helper()
	exported, err := s.Export(t.Context())
	require.NoError(t, err)
	var deployment apitype.DeploymentV3
	require.NoError(t, json.Unmarshal(exported.Deployment, &deployment))
	return slices.DeleteFunc(deployment.Resources, func(r apitype.ResourceV3) bool {
		return r.Type == resource.RootStackType
	})
}

// written returns every file that Pulumi wrote, by its path.
func (h *host) written(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(h.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		files[path] = string(content)
		return err
	}))
	return files
}
