package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/preflight"
	"github.com/kubetracing/kubetracing/infra/progress"
	"github.com/kubetracing/kubetracing/infra/pulumi"
	"github.com/kubetracing/kubetracing/infra/steps"
	"github.com/kubetracing/kubetracing/infra/tools"
	"github.com/kubetracing/kubetracing/stacks"
)

// session is a stack as Pulumi and Docker know it.
type session struct {
	stack pulumi.Stack
	state pulumi.State
	// exists reports whether Pulumi knows of the stack at all.
	exists   bool
	snapshot pulumi.Snapshot
}

// task is something that a session needs before Pulumi runs. It reports progress to w.
type task func(ctx context.Context, w io.Writer) error

// step makes a step of a trace of a task.
func step(name string, run task) task {
	return func(ctx context.Context, w io.Writer) error {
		return steps.Do(ctx, name, func(ctx context.Context) error { return run(ctx, w) })
	}
}

// lockedWriter is a writer that tasks share.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(text) //nolint:wrapcheck // as the writer that it stands for
}

// connect finds the Docker daemon, which must answer, and makes it that of everything
// that is run from then on. It returns the variables that lead there.
func (a *App) connect(ctx context.Context) ([]string, error) {
	var answer error
	var endpoint docker.Endpoint
	var endpointErr error
	var group sync.WaitGroup
	group.Go(func() { answer = preflight.Docker(ctx, a.Docker) })
	group.Go(func() { endpoint, endpointErr = a.Docker.Endpoint(ctx, a.getenv) })
	group.Wait()
	if answer != nil {
		return nil, answer
	}
	if endpointErr != nil {
		return nil, endpointErr
	}
	daemon := endpoint.Environment()
	client := *a.Docker
	client.Env = slices.Concat(client.Env, daemon)
	a.Docker = &client
	return daemon, nil
}

// stack returns a stack whose Pulumi connects to a daemon.
func (a *App) stack(space pulumi.Workspace, daemon []string) pulumi.Stack {
	stack := pulumi.NewStack(space, a.Pulumi, a.LookupEnv, a.Stderr)
	stack.Env = slices.Concat(stack.Env, daemon)
	return stack
}

// open compares what Pulumi and Docker know of a stack while the tools are installed
// and further tasks run. Docker must answer first: nothing works without it.
func (a *App) open(ctx context.Context, space pulumi.Workspace, tasks ...task) (*session, error) {
	daemon, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{stack: a.stack(space, daemon)}
	names := s.stack.Names()
	readState := func(ctx context.Context) (err error) {
		s.state, s.exists, err = s.stack.State(ctx)
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	tasks = append(tasks,
		func(ctx context.Context, _ io.Writer) (err error) {
			s.snapshot, err = pulumi.TakeSnapshot(ctx, a.Docker, names)
			return err
		},
		step("install tools", func(ctx context.Context, w io.Writer) error { return a.InstallTools(ctx, space.Folder("tools"), w) }),
	)
	if s.stack.Local {
		tasks = append(tasks, func(ctx context.Context, _ io.Writer) error { return readState(ctx) })
	}
	progress := &lockedWriter{w: a.Stderr}
	for _, task := range tasks {
		group.Go(func() error { return task(groupCtx, progress) })
	}
	err = group.Wait()
	if err == nil && !s.stack.Local {
		err = readState(ctx)
	}
	return s, err
}

// owner returns who owns what the state created in Docker.
func (s *session) owner() docker.Owner {
	return docker.Owner{Stack: s.stack.Names().Owner, State: s.state.Identity()}
}

// drift returns what happened behind Pulumi's back.
func (s *session) drift() pulumi.Drift {
	return pulumi.FindDrift(s.state, s.snapshot, s.stack.Names())
}

// strangers describes what carries the stack's label and another state created.
func (s *session) strangers() []string {
	strangers := s.snapshot.Strangers(s.owner())
	if s.state.Former() {
		// What has no identity is the state's own.
		delete(strangers, "")
	}
	return pulumi.DescribeStrangers(strangers, s.stack.Stack)
}

// checkVersion returns an error if a former version created the state. An update would
// create everything again before it removes anything, under names that are taken.
func (s *session) checkVersion() error {
	if !s.state.Former() {
		return nil
	}
	return fmt.Errorf("stack %q was created by a former version of kubetracing, whose stacks this one cannot update: "+
		"remove it with ./kubetracing destroy --stack %s, then create it again", s.stack.Stack, s.stack.Stack)
}

// printAll prints messages.
func (a *App) printAll(messages []string) {
	for _, message := range messages {
		fmt.Fprintln(a.Stderr, "kubetracing:", message)
	}
}

// follower returns what renders an update; nil if Pulumi's own output is wanted.
func (a *App) follower(verbose bool) pulumi.Follower {
	if verbose {
		return nil
	}
	return progress.New(a.Stderr, a.Width, time.Now)
}

// checkBuild returns an error for what would make the build of the node image fail.
func (a *App) checkBuild(stack stacks.Stack) task {
	return func(ctx context.Context, _ io.Writer) error {
		return preflight.Machine{Docker: a.Docker, Getenv: a.getenv}.Build(ctx, preflight.NeedsOf(stack))
	}
}

// inOrder runs tasks one after the other.
func inOrder(tasks ...task) task {
	return func(ctx context.Context, w io.Writer) error {
		for _, task := range tasks {
			if err := task(ctx, w); err != nil {
				return err
			}
		}
		return nil
	}
}

// pullImages pulls the images that the stack needs and Docker lacks. What cannot be
// pulled may be built, or imported, elsewhere: the update reports it if it is not.
func (a *App) pullImages(stack stacks.Stack) task {
	return func(ctx context.Context, w io.Writer) error {
		if tools.Offline() {
			return nil
		}
		group, ctx := errgroup.WithContext(ctx)
		needed := append(stack.Images(), tools.K3dImages(ctx, stack.ClusterSpec().LoadBalancer())...)
		for _, image := range needed {
			group.Go(func() error {
				if _, err := a.Docker.InspectImage(ctx, image); !errors.Is(err, docker.ErrNotFound) {
					return err
				}
				begin := time.Now()
				fmt.Fprintf(w, "kubetracing: pulling %s\n", image)
				if err := a.Docker.PullImage(ctx, image); err != nil {
					if ctx.Err() == nil {
						fmt.Fprintf(w, "kubetracing: %s\n", err)
					}
					return nil
				}
				fmt.Fprintf(w, "kubetracing: pulled %s in %s\n", image, time.Since(begin).Round(time.Second))
				return nil
			})
		}
		return group.Wait()
	}
}
