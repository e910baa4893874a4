package pulumi_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/infra/pulumi/pulumitest"
)

// stateFile returns the path of the stack's state in the local backend.
func stateFile(stack pulumi.Stack) string {
	return filepath.Join(stack.Folder("state"), ".pulumi/stacks/kubetracing/dev.json")
}

const keptState = `{"version":3,"checkpoint":{"latest":` + snapshotText + `}}`

func TestStack_State(t *testing.T) {
	t.Parallel()
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		stack, runner, _ := newStack(t)
		_, exists, err := stack.State(t.Context())
		require.NoError(t, err)
		assert.False(t, exists)
		write(t, stateFile(stack), keptState)
		state, exists, err := stack.State(t.Context())
		require.NoError(t, err)
		assert.True(t, exists)
		assert.Equal(t, "ABC", state.Identity())
		assert.Empty(t, runner.Lines(), "the file is read without Pulumi")
	})
	for name, prepare := range map[string]func(*testing.T, *pulumi.Stack){
		"compressed":       func(t *testing.T, stack *pulumi.Stack) { t.Helper(); write(t, stateFile(*stack)+".gz", "") },
		"in another place": func(_ *testing.T, stack *pulumi.Stack) { stack.Local = false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stack, runner, _ := newStack(t)
			prepare(t, &stack)
			runner.On("stack ls", pulumitest.Answer{Stdout: `[{"name":"dev2"}]`}, pulumitest.Answer{Stdout: `[{"name":"dev"}]`})
			runner.On("stack export", pulumitest.Answer{Stdout: `{"version":3,"deployment":` + snapshotText + `}`})
			_, exists, err := stack.State(t.Context())
			require.NoError(t, err)
			assert.False(t, exists)
			state, exists, err := stack.State(t.Context())
			require.NoError(t, err)
			assert.True(t, exists)
			assert.Equal(t, "ABC", state.Identity())
			assert.Equal(t, []string{
				"stack ls --json --non-interactive", "stack ls --json --non-interactive", "stack export --stack dev --non-interactive",
			}, runner.Lines())
		})
	}
}

func TestStack_State_damaged(t *testing.T) {
	t.Parallel()
	for _, torn := range []string{"", keptState[:100]} {
		stack, _, _ := newStack(t)
		path := stateFile(stack)
		write(t, path, torn)
		_, _, err := stack.State(t.Context())
		require.EqualError(t, err, `the state of stack "dev" is damaged: `+path+": it is not complete JSON (was the disk full?). "+
			"Remove it with rm '"+path+"': ./kubetracing destroy --stack dev then says how to remove what the stack left in Docker")

		write(t, path+".bak", keptState)
		_, _, err = stack.State(t.Context())
		require.ErrorContains(t, err, "Go back to the one before it: mv '"+path+".bak' '"+path+"'")
	}
	stack, runner, _ := newStack(t)
	stack.Local = false
	runner.On("stack ls", pulumitest.Answer{Stdout: `[{"name":"dev"}]`})
	runner.On("stack export", pulumitest.Answer{Stdout: "nothing"})
	_, _, err := stack.State(t.Context())
	require.EqualError(t, err, `read the state of stack "dev": it is not complete JSON`)
}

func TestStack_commands(t *testing.T) {
	t.Parallel()
	stack, runner, _ := newStack(t)
	stack.Env = []string{"GOGC=400"}
	require.NoError(t, stack.Create(t.Context()))
	require.NoError(t, stack.Preview(t.Context(), "--refresh", "--target", "a b"))
	require.NoError(t, stack.Up(t.Context(), nil, "--refresh"))
	require.NoError(t, stack.Destroy(t.Context(), nil, []string{"--refresh"}, []string{"--parallel", "1"}))
	require.NoError(t, stack.Run(t.Context(), "about"))
	assert.Equal(t, []string{
		"stack select --create --stack dev --secrets-provider passphrase --non-interactive",
		"preview --diff --suppress-progress --stack dev --refresh --target a b",
		"up --yes --skip-preview --stack dev --refresh",
		"destroy --yes --skip-preview --remove --stack dev --refresh --parallel 1",
		"about",
	}, runner.Lines())
	for i, call := range runner.Calls() {
		assert.Equal(t, stack.Directory, call.Dir)
		assert.Equal(t, []string{"GOGC=400"}, call.Env)
		assert.Equal(t, i > 0, call.Interactive)
	}
}

func TestStack_incorrect_passphrase(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		chosen map[string]string
		want   string
	}{
		"another one": {
			map[string]string{"PULUMI_CONFIG_PASSPHRASE": "mine"},
			`PULUMI_CONFIG_PASSPHRASE is not the passphrase that stack "dev" was created with: unset it, or set it to that one`,
		},
		"an empty one": {
			map[string]string{"PULUMI_CONFIG_PASSPHRASE": ""},
			`PULUMI_CONFIG_PASSPHRASE is not the passphrase that stack "dev" was created with: unset it, or set it to that one`,
		},
		"that of another file": {
			map[string]string{"PULUMI_CONFIG_PASSPHRASE_FILE": "/run/secrets/passphrase"},
			`the file that PULUMI_CONFIG_PASSPHRASE_FILE names does not hold the passphrase that stack "dev" was created with: unset it, or name the one that does`,
		},
		"both, of which the file is not read": {
			map[string]string{"PULUMI_CONFIG_PASSPHRASE": "mine", "PULUMI_CONFIG_PASSPHRASE_FILE": "/run/secrets/passphrase"},
			`PULUMI_CONFIG_PASSPHRASE is not the passphrase that stack "dev" was created with: unset it, or set it to that one`,
		},
		"none, of a stack that has one": {
			nil,
			`stack "dev" was created with a passphrase of its own: set PULUMI_CONFIG_PASSPHRASE to it, or PULUMI_CONFIG_PASSPHRASE_FILE to a file that holds it`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stack, runner, log := newStack(t)
			runner.On("", pulumitest.Answer{Code: 255, Stderr: "error: getting stack configuration: incorrect passphrase"})
			stack = pulumi.NewStack(stack.Workspace, runner, func(name string) (string, bool) {
				value, set := test.chosen[name]
				return value, set
			}, log)
			require.EqualError(t, stack.Create(t.Context()), test.want)
			require.EqualError(t, stack.Up(t.Context(), &recorder{}), test.want)
			require.EqualError(t, stack.Preview(t.Context()), test.want)
		})
	}
}

func TestStack_Outputs(t *testing.T) {
	t.Parallel()
	stack, runner, _ := newStack(t)
	runner.On("stack output --json --show-secrets --stack dev --non-interactive",
		pulumitest.Answer{Stdout: `{"jaegerUrl":"http://j","kubeconfig":"secret","traces":{"echo":"http://j/trace/1"},"more":1}`},
		pulumitest.Answer{Stdout: `{"kubeconfig": "hunter2`})
	outputs, err := stack.Outputs(t.Context())
	require.NoError(t, err)
	assert.Equal(t, pulumi.Outputs{JaegerURL: "http://j", Kubeconfig: "secret", Traces: map[string]string{"echo": "http://j/trace/1"}}, outputs)
	_, err = stack.Outputs(t.Context())
	require.EqualError(t, err, "read the stack's outputs: pulumi stack output did not print JSON", "a secret is not shown")
}

// The docker provider cannot remove what is gone already.
func TestStack_Destroy_again_with_refresh(t *testing.T) {
	t.Parallel()
	stack, runner, log := newStack(t)
	runner.On("destroy", pulumitest.Answer{Code: 255, Stderr: "No such container"}, pulumitest.Answer{})
	require.NoError(t, stack.Destroy(t.Context(), nil, nil, []string{"--parallel", "1"}))
	const destroy = "destroy --yes --skip-preview --remove --stack dev"
	assert.Equal(t, []string{destroy + " --parallel 1", destroy + " --refresh --parallel 1"}, runner.Lines())
	assert.Equal(t, "kubetracing: not everything could be removed; trying again with what is really there\n", log.String())

	runner.On("destroy", pulumitest.Answer{Err: errors.New("pulumi destroy: signal: killed")})
	require.EqualError(t, stack.Destroy(t.Context(), nil, nil, nil), "pulumi destroy: signal: killed")
	assert.Len(t, runner.Lines(), 3, "Pulumi did not say that it failed")
}

// recorder is a follower that records its calls.
type recorder struct {
	calls []string
	end   error
}

func (r *recorder) Begin(command string) { r.calls = append(r.calls, "begin "+command) }

func (r *recorder) Event(event apitype.EngineEvent) {
	switch {
	case event.DiagnosticEvent != nil:
		r.calls = append(r.calls, event.DiagnosticEvent.Message)
	case event.CancelEvent != nil:
		r.calls = append(r.calls, "cancel")
	}
}

func (r *recorder) Tick() {}

func (r *recorder) End(err error, output string) {
	r.calls = append(r.calls, "end "+output)
	r.end = err
}

const events = `{"sequence":1,"diagnosticEvent":{"message":"one","severity":"info"}}
{"sequence":2,"unheard-of":{}}
not an event
{"sequence":3,"diagnosticEvent":{"message":"two","severity":"info"}}
{"sequence":4,"cancelEvent":{}}
`

func TestStack_Up_events(t *testing.T) {
	t.Parallel()
	stack, runner, _ := newStack(t)
	stack.Env = []string{"GOGC=400"}
	runner.On("up", pulumitest.Answer{Stdout: "Updating. ", Stderr: "Warning.", Events: events})
	var follow recorder
	require.NoError(t, stack.Up(t.Context(), &follow))
	assert.Equal(t, []string{"begin up", "one", "two", "cancel", "end Updating. Warning."}, follow.calls)
	require.NoError(t, follow.end)
	require.Equal(t, []string{"up --yes --skip-preview --stack dev --non-interactive --event-log LOG"}, runner.Lines())
	call := runner.Calls()[0]
	assert.False(t, call.Interactive)
	assert.Equal(t, []string{"GOGC=400", "PULUMI_DEBUG_COMMANDS=true"}, call.Env)
	assert.Equal(t, []string{"GOGC=400"}, stack.Env)
	assert.NoDirExists(t, filepath.Dir(call.Args[len(call.Args)-1]), "events contain what resources are made of")
}

func TestStack_Up_events_failure(t *testing.T) {
	t.Parallel()
	stack, runner, _ := newStack(t)
	runner.On("up", pulumitest.Answer{Code: 255, Stderr: "error: locked"})
	var follow recorder
	err := stack.Up(t.Context(), &follow)
	var exit *pulumi.ExitError
	require.ErrorAs(t, err, &exit)
	assert.True(t, exit.Shown, "the follower has shown the reason")
	assert.Equal(t, 255, exit.Code)
	assert.Equal(t, []string{"begin up", "end error: locked"}, follow.calls)
	assert.Equal(t, err, follow.end)
}

func TestExitError(t *testing.T) {
	t.Parallel()
	require.EqualError(t, &pulumi.ExitError{Command: "stack export", Code: 255, Stderr: " error: no\n"}, "pulumi stack export: exit status 255: error: no")
	assert.EqualError(t, &pulumi.ExitError{Command: "up", Code: 1}, "pulumi up: exit status 1")
}

// installPulumi puts a pulumi with this body on a PATH of its own.
func installPulumi(t *testing.T, body string) {
	t.Helper()
	folder := t.TempDir()
	path := filepath.Join(folder, "pulumi")
	require.NoError(t, os.WriteFile(path+".new", []byte("#!/bin/sh\n"+body+"\n"), 0o755))
	require.NoError(t, os.Rename(path+".new", path))
	t.Setenv("PATH", folder+":/usr/bin:/bin")
}

func TestExec_Run(t *testing.T) {
	folder := t.TempDir()
	installPulumi(t, `echo "$@ in $(pwd -P) with $CHOSEN and $(cat)"; echo words >&2; exit "$CODE"`)
	command := pulumi.Command{
		Args: []string{"stack", "export", "--stack", "dev"}, Dir: folder, Env: []string{"CHOSEN=this", "CODE=0"}, Stdin: "input",
	}
	result, err := pulumi.Exec{}.Run(t.Context(), command)
	require.NoError(t, err)
	resolved, err := filepath.EvalSymlinks(folder)
	require.NoError(t, err)
	assert.Equal(t, pulumi.Result{Stdout: "stack export --stack dev in " + resolved + " with this and input\n", Stderr: "words\n"}, result)

	command.Env = append(command.Env, "CODE=7")
	_, err = pulumi.Exec{}.Run(t.Context(), command)
	require.Equal(t, &pulumi.ExitError{Command: "stack export", Code: 7, Stderr: "words\n"}, err)

	installPulumi(t, "kill -KILL $$")
	_, err = pulumi.Exec{}.Run(t.Context(), pulumi.Command{Args: []string{"up"}})
	require.EqualError(t, err, "pulumi up: signal: killed")

	installPulumi(t, "exec sleep 60")
	_, err = pulumi.Exec{}.Run(t.Context(), pulumi.Command{Args: []string{"stack", "ls"}, Limit: 1})
	require.EqualError(t, err, "pulumi stack ls: no end after 1ns")

	t.Setenv("PATH", t.TempDir())
	_, err = pulumi.Exec{}.Run(t.Context(), pulumi.Command{Args: []string{"up"}})
	require.Error(t, err)
	assert.True(t, strings.HasPrefix(err.Error(), "pulumi up: "), err.Error())
}
