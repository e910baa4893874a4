package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/verify"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/docker/dockertest"
)

const (
	getPods   = "docker exec " + server + " kubectl --namespace kubetracing get pods --output json"
	getEvents = "docker exec " + server + " kubectl --namespace kubetracing get events --output json"
	lookEcho  = "\n  look further: docker exec " + server + " kubectl --namespace kubetracing describe pod echo"
)

// Statuses of a pod.
const (
	podNew       = `"phase":"Pending"`
	podSucceeded = `"phase":"Succeeded"`
	podRunning   = `"phase":"Running","containerStatuses":[{"state":{"running":{}}}]`
	podBroken    = `"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"CreateContainerError","message":"create container: no"}}}]`
	podMisnamed  = `"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"InvalidImageName","message":"not a name"}}}]`
	podCrashing  = `"phase":"Running","containerStatuses":[{"restartCount":2,"state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off"}}}]`
)

func podJSON(name, status string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q},"status":{%s}}`, name, status)
}

func podList(pods ...string) dockertest.Answer {
	return dockertest.Print(`{"items":[` + strings.Join(pods, ",") + `]}`)
}

// pods lets Kubernetes have pods, by the seconds since now.
func (h *host) pods(answer func(second int) dockertest.Answer) {
	start := time.Now()
	h.OnFunc(dockertest.Command(getPods), func(context.Context, dockertest.Call) dockertest.Answer {
		return answer(int(time.Since(start).Seconds()))
	})
	h.On(dockertest.Command(getEvents), podList())
}

func waitFor(names ...string) spec.Pods {
	return spec.Pods{Node: server, Namespace: "kubetracing", Names: names, Timeout: verify.Duration(4 * time.Minute)}
}

func TestManager_WaitPods(t *testing.T) {
	// always is a pod that does not change.
	always := func(status string) func(int) dockertest.Answer {
		return func(int) dockertest.Answer { return podList(podJSON("echo", status)) }
	}
	const broken = "pod echo does not start: CreateContainerError: create container: no"
	for name, test := range map[string]struct {
		pods func(second int) dockertest.Answer
		// want is the error; empty if there is none.
		want    string
		seconds int
		stderr  string
	}{
		"a pod that has run": {pods: always(podSucceeded)},
		"a pod that runs":    {pods: always(podRunning)},
		"a pod that starts slowly": {
			pods: func(second int) dockertest.Answer {
				if second < 200 {
					return podList(podJSON("echo", podNew))
				}
				return podList(podJSON("echo", podSucceeded))
			},
			seconds: 200,
		},
		"a pod that starts at the second attempt": {
			pods: func(second int) dockertest.Answer {
				if second < 30 {
					return podList(podJSON("echo", podBroken))
				}
				return podList(podJSON("echo", podSucceeded))
			},
			seconds: 30, stderr: "kubetracing: " + broken + "\n",
		},
		"a pod that is kept from starting": {
			pods: always(podBroken), want: broken + lookEcho, seconds: 60, stderr: "kubetracing: " + broken + "\n",
		},
		"a pod that is kept from starting now and then": {
			pods: func(second int) dockertest.Answer {
				return podList(podJSON("echo", []string{podBroken, podNew}[second/50%2]))
			},
			want: broken + lookEcho, seconds: 240,
			stderr: "kubetracing: " + broken + "\nkubetracing: " + broken + "\nkubetracing: " + broken + "\n",
		},
		"a pod that ends again and again": {
			pods: always(podCrashing), want: "pod echo does not start: CrashLoopBackOff: back-off" + lookEcho, seconds: 60,
			stderr: "kubetracing: pod echo does not start: CrashLoopBackOff: back-off\n",
		},
		"a pod that never starts": {
			pods: always(podMisnamed), want: "pod echo does not start: InvalidImageName: not a name" + lookEcho,
		},
		"a pod that never gets ready without a reason": {
			pods: always(podNew), want: "pod echo does not start: its phase is Pending" + lookEcho, seconds: 240,
		},
		"a pod that is gone": {
			pods: func(int) dockertest.Answer { return podList() }, want: "pod echo does not start: it does not exist" + lookEcho, seconds: 60,
			stderr: "kubetracing: pod echo does not start: it does not exist\n",
		},
		"an API that does not answer for a moment": {
			pods: func(second int) dockertest.Answer {
				if second < 10 {
					return dockertest.Fail("The connection to the server was refused")
				}
				return podList(podJSON("echo", podSucceeded))
			},
			seconds: 10,
		},
		"an API that never answers": {
			pods: func(int) dockertest.Answer { return dockertest.Fail("The connection to the server was refused") },
			want: getPods + ": exit status 1: The connection to the server was refused", seconds: 240,
		},
	} {
		inBubble(t, name, func(t *testing.T, h *host) {
			h.pods(test.pods)
			start := time.Now()
			err := h.manager().WaitPods(t.Context(), waitFor("echo"))
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, test.want)
			}
			assert.Equal(t, time.Duration(test.seconds)*time.Second, time.Since(start))
			assert.Equal(t, test.stderr, h.stderr.String())
		})
	}
}

func TestManager_WaitPods_several(t *testing.T) {
	inBubble(t, "everything that is wrong is said, and no more", func(t *testing.T, h *host) {
		h.pods(func(int) dockertest.Answer {
			return podList(podJSON("a", podRunning), podJSON("b", podNew), podJSON("c", podMisnamed), podJSON("d", podBroken), podJSON("other", podMisnamed))
		})
		err := h.manager().WaitPods(t.Context(), waitFor("a", "b", "c", "d"))
		require.Error(t, err)
		var lines []string
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(line, "  look further: ") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		assert.Equal(t, []string{
			"pod c does not start: InvalidImageName: not a name", "pod d does not start: CreateContainerError: create container: no",
		}, lines)
	})
	inBubble(t, "a pod that is meant to end again and again has started", func(t *testing.T, h *host) {
		h.pods(func(int) dockertest.Answer { return podList(podJSON("crashloop", podCrashing)) })
		document := waitFor("crashloop")
		document.Restarts = true
		require.NoError(t, h.manager().WaitPods(t.Context(), document))
		h.pods(func(int) dockertest.Answer { return podList(podJSON("crashloop", podBroken)) })
		require.ErrorContains(t, h.manager().WaitPods(t.Context(), document), "pod crashloop does not start: CreateContainerError: create container: no")
	})
	inBubble(t, "a node that takes no pods is named", func(t *testing.T, h *host) {
		h.pods(func(int) dockertest.Answer {
			return podList(podJSON("echo", `"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"untolerated taint(s)"}]`))
		})
		h.On(dockertest.Command(listNodes), podList(`{"metadata":{"name":"full"},"status":{"conditions":[{"type":"DiskPressure","status":"True"}]}}`))
		err := h.manager().WaitPods(t.Context(), waitFor("echo"))
		require.EqualError(t, err, "pod echo does not start: Unschedulable: untolerated taint(s)"+lookEcho+
			"\nnode full is under DiskPressure: Kubernetes starts no pod on it\n  look further: docker system df")
	})
	inBubble(t, "the events say why", func(t *testing.T, h *host) {
		h.pods(func(int) dockertest.Answer { return podList(podJSON("echo", podNew)) })
		h.On(dockertest.Command(getEvents), podList(`{"type":"Warning","reason":"FailedCreatePodSandBox","message":"no\n  network",`+
			`"involvedObject":{"kind":"Pod","name":"echo"},"lastTimestamp":"2026-01-01T10:00:00Z"}`))
		err := h.manager().WaitPods(t.Context(), waitFor("echo"))
		require.EqualError(t, err, "pod echo does not start: FailedCreatePodSandBox: no network"+lookEcho)
	})
	for name, answer := range map[string]dockertest.Answer{
		"a node that is gone":    dockertest.Fail("Error response from daemon: No such container: " + server),
		"a daemon that is gone":  dockertest.Fail("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"),
		"a cancelled command":    {Err: context.Canceled},
		"kubectl that is no one": dockertest.Print("not JSON"),
	} {
		inBubble(t, name, func(t *testing.T, h *host) {
			h.pods(func(int) dockertest.Answer { return answer })
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			start := time.Now()
			err := h.manager().WaitPods(ctx, waitFor("echo"))
			require.Error(t, err)
			if errors.Is(err, docker.ErrNotFound) || errors.Is(err, docker.ErrUnavailable) {
				assert.Zero(t, time.Since(start), "nothing is to be waited for")
			} else {
				assert.Equal(t, 30*time.Second, time.Since(start))
			}
		})
	}
}
